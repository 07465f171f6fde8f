"""First stages and rerankers that are made of others: all parts of one, and the same that has seen the dataset."""

from collections.abc import Iterator
from typing import TypeVar

from rerank_eval.protocols import HasParts, ReadsJudgments, SeesDataset
from rerank_eval.types import Dataset

Stage = TypeVar("Stage")


def all_parts(name: str, stage: Stage) -> Iterator[tuple[str, Stage]]:
    """Yield what a stage is made of, as deep as it goes and each before what it is a part of, then the stage; names are joined by dots."""
    if isinstance(stage, HasParts):
        for part_name, part in stage.parts.items():
            yield from all_parts(f"{name}.{part_name}", part)
    yield name, stage


def sees_dataset(stage: object) -> bool:
    """Return whether a stage, or any part of it, must see the dataset first."""
    return any(isinstance(part, SeesDataset) for _, part in all_parts("", stage))


def reads_judgments(stage: object) -> bool:
    """Return whether a stage, or any part of it, asks to be shown the judgments."""
    return any(isinstance(part, ReadsJudgments) and part.reads_judgments is True for _, part in all_parts("", stage))


def show_dataset(stage: Stage, dataset: Dataset) -> Stage:
    """Return the stage to use on this dataset, its parts before itself; the same one where nothing asks for the dataset."""
    if not sees_dataset(stage):
        return stage
    if isinstance(stage, HasParts):
        stage = stage.with_parts({name: show_dataset(part, dataset) for name, part in stage.parts.items()})
    shown = dataset if reads_judgments(stage) else dataset.without_judgments()
    return stage.for_dataset(shown) if isinstance(stage, SeesDataset) else stage
