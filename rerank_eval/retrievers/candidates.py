"""The candidates that came with the dataset."""

from typing import Self

from rerank_eval.errors import ConfigError
from rerank_eval.retrievers.recorded_run import RecordedRun
from rerank_eval.types import Dataset, Run


class Candidates(RecordedRun):
    """The run that the dataset brings: of `dataset=candidates` the recorded one, of `dataset=triples` the order of the file."""

    def __init__(self, run: Run | None = None) -> None:
        """Take the run; without one `for_dataset` brings that of the dataset."""
        super().__init__("candidates", {} if run is None else run)
        self._has_seen_dataset = run is not None

    def for_dataset(self, dataset: Dataset) -> Self:
        """Return the candidates of this dataset.

        Raises:
            ConfigError: it brings none.
        """
        if dataset.first_stage is None:
            raise ConfigError(
                f"retriever=candidates: the dataset {dataset.name} brings no candidates, as dataset=candidates and dataset=triples "
                "do; choose a retriever that searches, e.g. retriever=bm25"
            )
        return type(self)(dataset.first_stage)

    def retrieve(self, dataset: Dataset, depth: int) -> Run:
        """Return the top `depth` of each query of the dataset; also as a part of another first stage, which saw no dataset.

        Raises:
            ConfigError: the dataset brings no candidates.
        """
        if not self._has_seen_dataset:
            return self.for_dataset(dataset).retrieve(dataset, depth)
        return super().retrieve(dataset, depth)
