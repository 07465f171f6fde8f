"""A first stage recorded in a TREC run."""

from pathlib import Path

from rerank_eval.files.text_files import LineReader, OnBadLine
from rerank_eval.findings import Findings
from rerank_eval.retrievers.recorded_run import RecordedRun
from rerank_eval.trec import read_run
from rerank_eval.types import Dataset


class RunFile(RecordedRun):
    """The rankings of a TREC run (plain or .gz), sorted by (score, doc_id) descending as trec_eval does."""

    def __init__(self, path: str, name: str | None = None, on_bad_line: OnBadLine = "error") -> None:
        """Read the file.

        Raises:
            DataError: the file is missing or a line is wrong (file:line).
        """
        file = Path(path).expanduser()
        reader = LineReader(on_bad_line)
        super().__init__(name or file.name.removesuffix(".gz").removesuffix(".trec"), read_run(file, reader))
        self._findings = Findings(skipped_lines=reader.skipped_lines, dropped_duplicates=reader.dropped_duplicates)

    def findings(self, dataset: Dataset) -> Findings:
        """Return what reading the file changed."""
        return self._findings
