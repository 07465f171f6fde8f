"""Labels at a length that fits into a table, no two of them alike."""

from collections.abc import Mapping

from rerank_eval.report.formats import shorten_names
from rerank_eval.report.model import DatasetReport, Report

LONGEST_LABEL = 48


def shorten_labels(report: Report) -> Mapping[str, str]:
    """Return label -> at most 48 characters on one line, a number added where two would look the same."""
    labels = [series.label for dataset in report.datasets for series in dataset.series]
    averaged = [row.label for row in report.macro]
    return shorten_names([*labels, *averaged, *(one.label for one in report.not_averaged)], LONGEST_LABEL)


def shorten_first_stages(dataset: DatasetReport) -> Mapping[str, str]:
    """Return the label of each first stage -> what its row is named, e.g. `bm25 (first stage)`, as `shorten_labels` shortens."""
    retrievers = dict.fromkeys(series.retriever for series in dataset.series)
    short = shorten_names(retrievers, LONGEST_LABEL - len(" (first stage)"))
    return {retriever: f"{short[retriever]} (first stage)" for retriever in retrievers}
