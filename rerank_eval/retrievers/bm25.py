"""BM25 by bm25s (Lù, 2024, https://arxiv.org/abs/2407.03618), Lucene's variant."""

import hashlib
import json
import math
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import bm25s
import numpy as np
import Stemmer

from rerank_eval.cache import build_folder, cache_root
from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError, DataError, nearest
from rerank_eval.fingerprint import fingerprint
from rerank_eval.types import Dataset, Ranking, Run

_DONE = "rerank_eval.json"


class BM25:
    """Lexical first stage; the index is kept on disk by corpus fingerprint and parameters, and reused.

    Documents that share no term with the query are not returned.
    """

    name = "bm25"
    searches = True

    def __init__(
        self,
        k1: float = 0.9,
        b: float = 0.4,
        stopwords: str | list[str] | None = "en",
        stemmer: str | None = "english",
        index_dir: str | None = None,
    ) -> None:
        """Take `stopwords` as a language or a list, `stemmer` as a Snowball algorithm; None switches either off.

        Raises:
            ConfigError: a parameter is out of range or unknown.
        """
        if not 0 <= k1 < math.inf or not 0 <= b <= 1:
            raise ConfigError(f"retriever.k1 is {k1} and retriever.b is {b}; k1 must be at least 0, b between 0 and 1")
        if stemmer is not None and stemmer not in Stemmer.algorithms():
            raise ConfigError(f"retriever.stemmer {stemmer!r} is unknown: {nearest(stemmer, Stemmer.algorithms())}")
        self._parameters = {"k1": float(k1), "b": float(b), "stopwords": stopwords, "stemmer": stemmer}
        self._stopwords = [] if stopwords is None else stopwords
        self._stemmer = None if stemmer is None else Stemmer.Stemmer(stemmer)
        try:
            self._tokenize(["a"])
        except ValueError as error:
            raise ConfigError(f"retriever.stopwords {stopwords!r} cannot be used: {error}") from error
        self._index_dir = cache_root() / "bm25" if index_dir is None else Path(index_dir)
        self._loaded: tuple[str, bm25s.BM25, list[str]] | None = None

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` documents with a score above 0, or fewer; the index is built if it is missing.

        Raises:
            DataError: the corpus is empty.
        """
        index, doc_ids = self._index(dataset.corpus)
        run = {}
        for query, tokens in zip(dataset.queries, self._tokenize([q.text for q in dataset.queries]), strict=True):
            known = index.get_tokens_ids(tokens)
            if known:
                run[query.query_id] = _top(index.get_scores_from_ids(known), doc_ids, depth)
            else:  # bm25s would return arbitrary documents
                run[query.query_id] = Ranking(())
        return run

    def identity(self) -> Mapping[str, object]:
        """Return the parameters and the versions of the libraries that tokenise and score."""
        return self._parameters | {name: version(name) for name in ("bm25s", "PyStemmer")}

    def _tokenize(self, texts: list[str]) -> list[list[str]]:
        tokens: list[list[str]] = bm25s.tokenize(
            texts, stopwords=self._stopwords, stemmer=self._stemmer, return_ids=False, show_progress=False
        )
        return tokens

    def _index(self, corpus: Corpus) -> tuple[bm25s.BM25, list[str]]:
        if self._loaded is None or self._loaded[0] != corpus.sha256:
            if not len(corpus):
                raise DataError("the corpus has no document")
            folder = self._index_dir / fingerprint({**self.identity(), "corpus": corpus.sha256})
            self._loaded = (corpus.sha256, self._load_or_build(corpus, folder), corpus.doc_ids)
        return self._loaded[1], self._loaded[2]

    def _load_or_build(self, corpus: Corpus, folder: Path) -> bm25s.BM25:
        if folder.exists() and not _is_intact(folder):  # damaged: an index can always be built again
            shutil.rmtree(folder)
        if not folder.exists():
            build_folder(folder, lambda unfinished: self._build(corpus, unfinished))
        return bm25s.BM25.load(folder)

    def _build(self, corpus: Corpus, folder: Path) -> None:
        index = bm25s.BM25(method="lucene", k1=self._parameters["k1"], b=self._parameters["b"])
        tokens = bm25s.tokenize(
            list(corpus.texts()), stopwords=self._stopwords, stemmer=self._stemmer, show_progress=False
        )
        if not tokens.vocab:
            raise DataError("no document of the corpus has a word to index")
        index.index(tokens, show_progress=False)
        index.save(folder, show_progress=False)
        description = {
            **self.identity(),
            "corpus_sha256": corpus.sha256,
            "num_documents": len(corpus),
            "files": {path.name: _sha256(path) for path in sorted(folder.iterdir())},
        }
        (folder / _DONE).write_text(json.dumps(description, indent=1), encoding="utf-8")


def _is_intact(folder: Path) -> bool:
    """Return whether every file of the index is there with the content it was written with."""
    try:
        files = json.loads((folder / _DONE).read_text(encoding="utf-8"))["files"]
        return all(_sha256(folder / name) == sha256 for name, sha256 in files.items())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _top(scores: Any, doc_ids: list[str], depth: int) -> Ranking:
    """Return the `depth` best by (score, doc_id) descending; a tie at the cut is decided by doc_id too."""
    positive = np.flatnonzero(scores > 0)
    if len(positive) > depth:
        threshold = np.partition(scores[positive], len(positive) - depth)[len(positive) - depth]
        positive = positive[scores[positive] >= threshold]
    ranking = Ranking((doc_ids[position], scores[position]) for position in positive)
    return Ranking(ranking[:depth])
