"""Whatever is in the files of a result, the answer is a result that can be trusted or an error with a message."""

import copy
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rerank_eval.errors import DataError, RerankEvalError
from rerank_eval.gate.baseline import format_baseline
from rerank_eval.report.build import build_report
from rerank_eval.report.decision import Constraint
from rerank_eval.results.reading import read_recorded
from tests.report.results import make_result

NUM_MUTATIONS = 150
WRONG: tuple[object, ...] = (None, "x", "", -1, 1.5, 10**20, True, [], {}, [[]], {"x": "y"}, "\ud800")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_result(tmp_path_factory.mktemp("results"), latency_queries=20).path


@pytest.fixture
def spoiled(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "spoiled"))


def edit(folder: Path, *path: str | int, value: object) -> None:
    document = json.loads((folder / "result.json").read_text())
    place = document
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    (folder / "result.json").write_text(json.dumps(document))


def paths_of(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, found in items:
        yield (*path, key)
        yield from paths_of(found, (*path, key))


def test_any_wrong_field_is_a_message_or_harmless(folder: Path, spoiled: Path) -> None:
    """Guards tracebacks, which end with exit code 1 like a regression, and values that no JSON can hold."""
    whole = json.loads((folder / "result.json").read_text())
    places = [path for path in paths_of(whole) if "identity" not in path and "packages" not in path]
    draw = random.Random(13)
    refused = 0
    for _ in range(NUM_MUTATIONS):
        document = copy.deepcopy(whole)
        *parents, last = draw.choice(places)
        place = document
        for key in parents:
            place = place[key]
        place[last] = draw.choice(WRONG)
        (spoiled / "result.json").write_text(json.dumps(document))
        try:
            result = read_recorded(spoiled)
            build_report([result], Constraint(100))
            format_baseline(result).encode()
        except RerankEvalError:
            refused += 1
    assert refused > NUM_MUTATIONS / 3


@pytest.mark.parametrize("file", ["queries", "documents", "tops"])
@pytest.mark.parametrize("value", [7, [], {}, [["a"]], [["a", "x", 1]], {"d001": "x"}, None])
def test_any_wrong_excerpt_is_a_message_or_harmless(spoiled: Path, file: str, value: object) -> None:
    import gzip

    path = spoiled / f"{file}.jsonl.gz"
    rows = [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]
    refused: list[str] = []
    for name in rows[0]:
        changed = [row | {name: value} for row in rows]
        path.write_bytes(gzip.compress("".join(json.dumps(row) + "\n" for row in changed).encode()))
        result = read_recorded(spoiled)
        try:
            build_report([result], Constraint())
        except DataError as error:
            refused.append(str(error))
    assert all(path.name in message for message in refused)


def test_means_that_are_not_those_of_the_values_are_refused(spoiled: Path) -> None:
    edit(spoiled, "systems", 0, "depths", 1, "measures", "nDCG@10", "mean", value=0.99)
    with pytest.raises(
        DataError, match=r"hashed at depth 2, nDCG@10: the values have the mean .* do not belong together"
    ):
        read_recorded(spoiled)


def test_a_system_or_depth_that_comes_twice_is_refused(folder: Path, spoiled: Path) -> None:
    systems = json.loads((folder / "result.json").read_text())["systems"]
    edit(spoiled, "systems", value=[systems[0], systems[0]])
    with pytest.raises(DataError, match="a system comes twice"):
        read_recorded(spoiled)
    depths = systems[0]["depths"]
    edit(spoiled, "systems", value=[systems[0] | {"depths": [*depths, depths[-1]]}])
    with pytest.raises(DataError, match="its depths do not rise from 0"):
        read_recorded(spoiled)


@pytest.mark.parametrize("started", ["../../elsewhere", "/tmp/elsewhere", "yesterday"])
def test_a_time_that_could_name_another_folder_is_refused(spoiled: Path, started: str) -> None:
    edit(spoiled, "provenance", "started", value=started)
    with pytest.raises(DataError, match=r"started is .* where a time must be"):
        read_recorded(spoiled)


def test_a_negative_latency_is_refused(spoiled: Path) -> None:
    rows = (spoiled / "latency.jsonl").read_text().splitlines()
    (spoiled / "latency.jsonl").write_text(json.dumps(json.loads(rows[0]) | {"nanoseconds": -5}) + "\n")
    with pytest.raises(DataError, match=r"latency\.jsonl:1: "):
        read_recorded(spoiled)


def test_a_path_that_cannot_be_asked_for_is_a_message() -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_recorded(Path("a" * 300))
