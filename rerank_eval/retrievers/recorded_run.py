"""A first stage that was run before, by whatever system."""

import hashlib
from collections.abc import Mapping

from rerank_eval.types import Dataset, Ranking, Run


class RecordedRun:
    """Returns the rankings that it was given."""

    searches = False

    def __init__(self, name: str, run: Run) -> None:
        """Take the rankings."""
        self.name = name
        self._run = run

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` of each query of the dataset that has a ranking."""
        return {
            query.query_id: Ranking(self._run[query.query_id][:depth])
            for query in dataset.queries
            if query.query_id in self._run
        }

    def identity(self) -> Mapping[str, object]:
        """Return the hash of the rankings."""
        digest = hashlib.sha256()
        for query_id in sorted(self._run):
            digest.update(f"{query_id} {list(self._run[query_id])}\n".encode())
        return {"run_sha256": digest.hexdigest()}
