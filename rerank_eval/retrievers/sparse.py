"""Learned sparse retrieval (SPLADE and its kind): weights over a vocabulary, searched exactly."""

from collections.abc import Mapping
from typing import NamedTuple

from scipy.sparse import csr_array

from rerank_eval.cache import index_folder
from rerank_eval.corpus import Corpus
from rerank_eval.findings import Findings
from rerank_eval.fingerprint import class_name
from rerank_eval.protocols import Progress, SilentProgress, TextEncoder
from rerank_eval.search.encoded_corpus import OfLastCorpus, encode_corpus, make_run, rank_ids
from rerank_eval.search.encoded_queries import QueryEncoder
from rerank_eval.search.sparse_search import SparseSearch
from rerank_eval.search.vector_kinds import SparseWeights
from rerank_eval.types import Dataset, Run


class _Index(NamedTuple):
    """A corpus that can be searched."""

    doc_ids: list[str]
    search: SparseSearch
    width: int
    truncated: int


class Sparse:
    """Sparse first stage; weights are kept on disk by corpus and encoder, and an interrupted encoding goes on.

    Documents that share no term with the query are not returned.
    """

    searches = True

    def __init__(self, encoder: TextEncoder[csr_array], name: str = "sparse", index_dir: str | None = None) -> None:
        """Take an encoder whose vectors are SciPy CSR arrays."""
        self.name = name
        self._encoder = encoder
        self._kind = SparseWeights()
        self._queries = QueryEncoder(encoder, self._kind, name)
        self._index_dir = index_folder("sparse", index_dir)
        self._index = OfLastCorpus(self._load)

    def build_index(self, corpus: Corpus, progress: Progress) -> None:
        """Encode the documents that are not on disk yet.

        Raises:
            DataError: the corpus is empty, or a document's weight is not finite.
            ConfigError: the encoder gives vectors of another kind, number or width.
            NotEvaluableError: the disk is full, or another process does not come to an end.
        """
        self._index(corpus, progress)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` documents with a score above 0 for each query, or fewer."""
        index = self._index(dataset.corpus, SilentProgress())
        weights = self._queries.encode(dataset.queries, index.width).vectors
        return make_run(dataset.queries, index.search.search(weights, depth), index.doc_ids)

    def identity(self) -> Mapping[str, object]:
        """Return what the encoder depends on."""
        return {"encoder_class": class_name(self._encoder), "encoder": dict(self._encoder.identity())}

    def findings(self, dataset: Dataset) -> Findings:
        """Return how many texts were cut."""
        index = self._index(dataset.corpus, SilentProgress())
        truncated = self._queries.encoded(dataset.queries, index.width).truncated
        return Findings(truncated_documents=index.truncated, truncated_queries=int(truncated.sum()))

    def _load(self, corpus: Corpus, progress: Progress) -> _Index:
        encoded = encode_corpus(corpus, self._encoder, self._kind, self._index_dir, progress, self.name)
        matrices = [
            csr_array((data, indices, indptr), shape=(len(indptr) - 1, len(cut)))
            for data, indices, indptr, cut in encoded.blocks
        ]
        return _Index(
            corpus.doc_ids, SparseSearch(matrices, rank_ids(corpus.doc_ids)), encoded.width, encoded.truncated
        )
