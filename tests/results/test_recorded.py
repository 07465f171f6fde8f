"""Result files that are missing, old, cut or malformed: always a message with the place, never a traceback."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rerank_eval import LatencySettings
from rerank_eval.errors import DataError
from rerank_eval.gate.baseline import write_baseline
from rerank_eval.results.reading import find_results, read_documents, read_queries, read_recorded
from tests.gate_results import write_small_result


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    parent = tmp_path_factory.mktemp("recorded")
    folder = write_small_result(parent, latency=LatencySettings(queries=3, warmup=0))
    write_baseline(read_recorded(folder), parent / "b.json")
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "result"))


@pytest.fixture
def baseline(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(original.parent / "b.json", tmp_path / "b.json"))


def edit(path: Path, change: Callable[[Any], object]) -> None:
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def set_in(*keys: Any, value: object) -> Callable[[Any], None]:
    def change(document: Any) -> None:
        for key in keys[:-1]:
            document = document[key]
        document[keys[-1]] = value

    return change


CHANGES: dict[str, Callable[[Any], object]] = {
    "format_version": set_in("format_version", value=99),
    "status": set_in("status", value=None),
    "dataset name": set_in("dataset", "name", value=["x"]),
    "hash": set_in("dataset", "sha256", value=None),
    "no hash": lambda document: document["dataset"].pop("sha256"),
    "level": set_in("dataset", "relevance_level", value="1"),
    "retriever depth": set_in("retriever", "depth", value=True),
    "error rate": set_in("settings", "max_error_rate", value="none"),
    "measures": set_in("settings", "measures", value=[]),
    "measure": set_in("settings", "measures", value=[3]),
    "unknown measure": set_in("settings", "measures", value=["P@5"]),
    "hardware": set_in("provenance", "hardware", value=[1]),
    "provenance": set_in("provenance", value=None),
    "systems": set_in("systems", value=[]),
    "system": set_in("systems", value=[3]),
    "system name": set_in("systems", 0, "name", value={"a": 1}),
    "no depths": set_in("systems", 0, "depths", value=[]),
    "no depth 0": lambda document: document["systems"][0]["depths"].pop(0),
    "depth": set_in("systems", 0, "depths", 1, "depth", value="5"),
    "count": set_in("systems", 0, "depths", 1, "measures", "nDCG@10", "num_queries", value=7),
    "ceiling": set_in("ceiling", value=5),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_wrong_field_is_an_error_with_the_place(folder: Path, baseline: Path, name: str) -> None:
    for path in (folder / "result.json", baseline):
        edit(path, CHANGES[name])
    for path in (folder, baseline):
        with pytest.raises(DataError, match="^" + str(path)) as caught:
            read_recorded(path)
        assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"format_version": 1}', '{"a": NaN}', "[" * 100_000, "\udcff"]
)
def test_what_is_no_result_is_refused(folder: Path, baseline: Path, content: str) -> None:
    for path in (folder / "result.json", baseline):
        path.write_bytes(content.encode(errors="surrogateescape"))
    for path in (folder, baseline):
        with pytest.raises(DataError, match="^" + str(path)):
            read_recorded(path)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "no JSON"),
        ("7", "no row"),
        ("[" * 100_000, "no JSON"),
        ('{"system": "informed"}', "a field is missing"),
        ('{"query_id": "q", "system": "x", "depth": 5, "measure": "m", "value": "1"}', "no finite number"),
        (
            '{"query_id": "q", "system": "x", "depth": 5, "measure": "m", "value": 1e999}',
            "no number that can be told from infinity",
        ),
        ('{"query_id": "q", "system": "x", "depth": 5, "measure": "m", "value": NaN}', "no JSON"),
        ('{"query_id": "q", "system": [], "depth": 5, "measure": "m", "value": 1}', "unhashable"),
        ('{"query_id": "q000", "system": "informed", "depth": 5, "measure": "nDCG@10", "value": 1}', "there already"),
    ],
)
def test_a_wrong_line_of_scores_is_named(folder: Path, line: str, message: str) -> None:
    path = folder / "scores.jsonl"
    number = len(path.read_text().splitlines()) + 1
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(DataError, match=f"^{path}:{number}: .*{message}"):
        read_recorded(folder)


def test_scores_that_were_cut_do_not_pass(folder: Path) -> None:
    path = folder / "scores.jsonl"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    with pytest.raises(DataError, match=r"59 values where result.json counts 60"):
        read_recorded(folder)


@pytest.mark.parametrize("value", ["1e999", '"x"', "null"])
def test_a_wrong_latency_sample_is_named(folder: Path, value: str) -> None:
    with (folder / "latency.jsonl").open("a") as file:
        file.write(f'{{"query_id": "q", "system": "x", "depth": 5, "repetition": 0, "nanoseconds": {value}}}\n')
    with pytest.raises(DataError, match=r"latency.jsonl:\d+: "):
        read_recorded(folder)


@pytest.mark.parametrize(
    "change",
    [
        set_in("scores", 0, "values", value=[1]),
        set_in("scores", 0, "values", 0, value="1"),
        set_in("scores", value=None),
        set_in("query_ids", value=3),
        set_in("latency", 0, "samples", 0, value=["q"]),
        set_in("latency", value=None),
    ],
)
def test_a_baseline_with_other_values_is_refused(baseline: Path, change: Callable[[Any], object]) -> None:
    edit(baseline, change)
    with pytest.raises(DataError, match=r"cannot be read .*make the baseline anew"):
        read_recorded(baseline)


def test_a_missing_file_is_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="nowhere: there is no such file"):
        read_recorded(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"result.json: this is no baseline; give a result folder"):
        read_recorded(folder / "result.json")
    for name in ("scores.jsonl", "latency.jsonl", "result.json"):
        content = (folder / name).read_bytes()
        (folder / name).unlink()
        with pytest.raises(DataError, match=name):
            read_recorded(folder)
        (folder / name).write_bytes(content)


def test_fields_that_a_later_version_adds_are_no_error(folder: Path) -> None:
    def grow(document: Any) -> None:
        document["new"] = document["systems"][0]["new"] = document["systems"][0]["depths"][0]["new"] = 1
        document["systems"][0]["depths"][0]["measures"]["nDCG@10"]["new"] = 1
        document["systems"][0]["depths"][1]["losses"]["nDCG@10"]["new"] = 1

    edit(folder / "result.json", grow)
    assert read_recorded(folder).systems[0].depths[0].measures["nDCG@10"].num_queries == 60


def test_results_are_found_under_a_folder_in_order(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "a" / "b" / "2")
    assert find_results(tmp_path) == [tmp_path / "a" / "b" / "2", folder]
    assert find_results(folder) == [folder]
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "empty", tmp_path / "nowhere"):
        with pytest.raises(DataError, match=r"there is no result.json here; give the folder"):
            find_results(nothing)


def test_texts_are_optional(folder: Path) -> None:
    for name in ("queries.jsonl.gz", "documents.jsonl.gz"):
        (folder / name).unlink(missing_ok=True)
    result = read_recorded(folder)
    assert read_queries(result) == {}
    assert read_documents(result) == {}


def test_compressed_rows_that_are_cut_or_spoiled_are_named(folder: Path) -> None:
    result = read_recorded(folder)
    whole = gzip.compress(b'{"query_id": "q1", "text": "one", "grades": {"d1": 2}}\n' * 50)
    spoiled = bytearray(whole)
    spoiled[14] ^= 0xFF
    for content in (whole[:-9], bytes(spoiled), b"no gzip"):
        (folder / "queries.jsonl.gz").write_bytes(content)
        with pytest.raises(DataError, match=r"queries\.jsonl\.gz"):
            read_queries(result)
