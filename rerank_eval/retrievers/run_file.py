"""A first stage recorded in a TREC run."""

import hashlib
from collections.abc import Mapping
from pathlib import Path

from rerank_eval.textfiles import LineReader, OnBadLine
from rerank_eval.trec import read_run
from rerank_eval.types import Dataset, LoadReport, Ranking, Run


class RunFile:
    """The rankings of a TREC run (plain or .gz), sorted by (score, doc_id) descending as trec_eval does."""

    searches = False

    def __init__(self, path: str, name: str | None = None, on_bad_line: OnBadLine = "error") -> None:
        """Read the file.

        Raises:
            DataError: the file is missing or a line is wrong (file:line).
        """
        self._path = Path(path).expanduser()
        self.name = name or self._path.name.removesuffix(".gz").removesuffix(".trec")
        reader = LineReader(on_bad_line)
        self._run = read_run(self._path, reader)
        self.load_report = LoadReport(skipped_lines=reader.skipped_lines, dropped_duplicates=reader.dropped_duplicates)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` of each query of the dataset that the file has."""
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
