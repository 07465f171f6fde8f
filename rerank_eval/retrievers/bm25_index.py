"""A bm25s index of a corpus that need not fit into memory, built block by block.

`bm25s.BM25.index` holds every token as a Python object until it is done, which 8.8 million passages do not allow, and
starts from the beginning after an interruption. Here the words of one block of documents at a time are counted and
kept on disk; the blocks are merged when all are there. The scores are those of `bm25s.BM25(method="lucene")`, to the bit.
"""

import itertools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import bm25s
import numpy as np
from numpy.typing import NDArray

from rerank_eval.cache import PARTS, find_parts, keep_part, open_new
from rerank_eval.corpus import Corpus
from rerank_eval.errors import DataError
from rerank_eval.protocols import Progress

BLOCK_SIZE = 32_768
"""Documents of a block; at most 2**16, so that a place in it takes two bytes."""

Tokenize = Callable[[list[str]], tuple[Sequence[Sequence[int]], Mapping[str, int]]]
"""From texts to the ids of their tokens, and the id of each distinct token."""


class _Block(NamedTuple):
    """How often which document has which term, sorted by term and document; a document and its count are a posting."""

    terms: list[str]
    num_postings: NDArray[Any]
    """Of each term: the number of documents that have it."""
    documents: NDArray[Any]
    """Of each posting: the document's place in the block."""
    frequencies: NDArray[Any]
    """Of each posting: how often the document has the term."""
    lengths: NDArray[Any]
    """Of each document: the number of its tokens."""


class _Vocabulary(NamedTuple):
    """The terms of all blocks, and what their weights depend on."""

    ids: dict[str, int]
    block_ids: list[NDArray[Any]]
    """Of each block: the ids of its terms."""
    num_documents: NDArray[Any]
    """Of each term: the number of documents that have it."""
    num_tokens: int


def write_index(folder: Path, corpus: Corpus, tokenize: Tokenize, k1: float, b: float, progress: Progress) -> None:
    """Write the files that `bm25s.BM25.load` reads to `folder`, going on from the blocks that are there.

    Equal corpora give equal files, interrupted or not. Memory is needed for eight bytes per posting and the terms.

    Raises:
        DataError: no document has a token.
    """
    blocks = _count_blocks(folder / PARTS, corpus, tokenize, progress)
    vocabulary = _join_vocabularies(blocks)
    if not vocabulary.ids:
        raise DataError("no document of the corpus has a word to index")
    for name, array in _merge(blocks, vocabulary, len(corpus), k1, b, progress).items():
        with open_new(folder / f"{name}.csc.index.npy") as file:
            np.save(file, array, allow_pickle=False)
    parameters = {"method": "lucene", "k1": k1, "b": b, "num_docs": len(corpus)}
    for name, content in [("vocab", vocabulary.ids), ("params", parameters)]:
        (folder / f"{name}.index.json").write_text(json.dumps(content), encoding="utf-8")


def load_index(folder: Path) -> bm25s.BM25:
    """Return the index, memory-mapped."""
    return bm25s.BM25.load(folder, mmap=True)


def _count_blocks(parts: Path, corpus: Corpus, tokenize: Tokenize, progress: Progress) -> list[Path]:
    progress.start("bm25: counting words", len(corpus))
    kept = find_parts(parts)
    blocks = []
    texts = corpus.texts()
    resumed = 0
    for number in range(math.ceil(len(corpus) / BLOCK_SIZE)):
        block = list(itertools.islice(texts, BLOCK_SIZE))
        name = f"{number:05}-of-{BLOCK_SIZE}-documents"
        path = kept.get(name)
        resumed += path is not None
        blocks.append(path or keep_part(parts, name, partial(_save, _count(block, tokenize))))
        progress.advance(len(block))
    if resumed:
        progress.note(f"bm25: {resumed} of {len(blocks)} blocks were there from an interrupted run")
    return blocks


def _count(texts: list[str], tokenize: Tokenize) -> _Block:
    token_ids, ids = tokenize(texts)
    terms = sorted(ids)
    place = np.empty(len(terms), np.int64)
    place[[ids[term] for term in terms]] = np.arange(len(terms))
    lengths = np.fromiter(map(len, token_ids), np.int32, len(texts))
    tokens = place[np.fromiter(itertools.chain.from_iterable(token_ids), np.int64, lengths.sum())]
    occurrences = tokens * len(texts) + np.repeat(np.arange(len(texts)), lengths)
    postings, frequencies = np.unique(occurrences, return_counts=True)
    return _Block(
        terms,
        np.bincount(postings // len(texts), minlength=len(terms)).astype(np.int32),
        (postings % len(texts)).astype(np.uint16),
        frequencies.astype(np.min_scalar_type(frequencies.max(initial=0))),
        lengths,
    )


def _save(block: _Block, file: BinaryIO) -> None:
    terms = np.frombuffer(json.dumps(block.terms).encode(), np.uint8)  # no strings: numpy's are as wide as the longest
    np.savez(file, **{**block._asdict(), "terms": terms})


def _load(path: Path) -> _Block:
    with np.load(path, allow_pickle=False) as arrays:
        return _Block(json.loads(arrays["terms"].tobytes()), *(arrays[name] for name in _Block._fields[1:]))


def _join_vocabularies(blocks: Sequence[Path]) -> _Vocabulary:
    ids: dict[str, int] = {}
    block_ids, block_postings = [], []
    num_tokens = 0
    for path in blocks:
        block = _load(path)
        block_ids.append(np.fromiter((ids.setdefault(term, len(ids)) for term in block.terms), np.int64))
        block_postings.append(block.num_postings)
        num_tokens += int(block.lengths.sum())
    num_documents = np.zeros(len(ids), np.int64)
    for own_ids, num_postings in zip(block_ids, block_postings, strict=True):
        num_documents[own_ids] += num_postings
    return _Vocabulary(ids, block_ids, num_documents, num_tokens)


def _merge(
    blocks: Sequence[Path], vocabulary: _Vocabulary, num_docs: int, k1: float, b: float, progress: Progress
) -> dict[str, NDArray[Any]]:
    """Return the scores as bm25s keeps them: a matrix of documents and terms in compressed columns."""
    progress.start("bm25: merging blocks", len(blocks))
    ends = np.concatenate([[0], np.cumsum(vocabulary.num_documents)])
    scores = np.empty(ends[-1], np.float32)
    documents = np.empty(ends[-1], np.int32)
    weights = _inverse_document_frequencies(vocabulary.num_documents, num_docs)
    average_length = vocabulary.num_tokens / num_docs
    next_places = ends[:-1].copy()
    for number, (path, ids) in enumerate(zip(blocks, vocabulary.block_ids, strict=True)):
        block = _load(path)
        gaps = next_places[ids] - (np.cumsum(block.num_postings) - block.num_postings)
        places = np.arange(len(block.documents)) + np.repeat(gaps, block.num_postings)
        next_places[ids] += block.num_postings
        # in the order and precision of bm25s: float32 weights and frequencies, the rest in float64
        saturation = (k1 * ((1 - b) + b * block.lengths / average_length))[block.documents]
        frequencies = block.frequencies.astype(np.float32)
        scores[places] = np.repeat(weights[ids], block.num_postings) * (frequencies / (saturation + frequencies))
        documents[places] = block.documents.astype(np.int32) + number * BLOCK_SIZE
        progress.advance()
    return {"data": scores, "indices": documents, "indptr": ends}


def _inverse_document_frequencies(num_documents: NDArray[Any], num_docs: int) -> NDArray[Any]:
    """Return Lucene's weight of each term; by math.log, which rounds as in bm25s, where numpy's may not."""
    distinct, which = np.unique(num_documents, return_inverse=True)
    weights = [math.log(1 + (num_docs - count + 0.5) / (count + 0.5)) for count in distinct.tolist()]
    return np.array(weights, np.float32)[which]
