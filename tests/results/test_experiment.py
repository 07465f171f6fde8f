"""Result folders: whole or not at all, never two in one, strict JSON, unknown as null."""

import gzip
import json
from dataclasses import replace
from pathlib import Path

import pytest

from rerank_eval.errors import NotEvaluableError
from rerank_eval.latency import LatencySample
from rerank_eval.results.depth_results import DepthResult, MeasureResult
from rerank_eval.results.experiment import ExperimentResult, ScoreRow, SystemResult
from rerank_eval.results.writing import write_result
from rerank_eval.types import Ranking

MEASURE = MeasureResult(0.5, None, None, 1)
RESULT = ExperimentResult(
    status="complete",
    dataset={"name": "tiny"},
    retriever={"name": "fixed", "latency": None},
    systems=[
        SystemResult("x", {"seed": 1}, None, None, None, 0, [DepthResult(10, {"nDCG@10": MEASURE}, judged_at_10=None)])
    ],
    ceiling={10: {"nDCG@10": None}},
    settings={"store_path": Path("s.sqlite")},
    warnings=["one query gives no interval"],
    failures=[],
    provenance={"started": "2026-11-22T20:00:00Z"},
    scores=[ScoreRow("q1", "x", 10, "nDCG@10", 0.1 + 0.2), ScoreRow("ü", "x", 10, "nDCG@10", 0.0)],
    latency=[LatencySample("q1", "x", 10, 123, 0)],
    runs={("x", 10): {"q1": Ranking.from_order(["d2", "d1"])}},
)


def test_the_folder_has_every_file(tmp_path: Path) -> None:
    folder = write_result(RESULT, tmp_path / "new", "seed: 1\n")
    assert folder == tmp_path / "new" / "20261122T200000Z"
    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == [
        *("config.yaml", "latency.jsonl", "result.json", "runs", "runs/x.10.trec.gz", "scores.jsonl")
    ]
    assert (folder / "config.yaml").read_text() == "seed: 1\n"
    rows = [json.loads(line) for line in (folder / "scores.jsonl").read_text("utf-8").splitlines()]
    assert rows == [row._asdict() for row in RESULT.scores]
    samples = [json.loads(line) for line in (folder / "latency.jsonl").read_text().splitlines()]
    assert samples == [sample._asdict() for sample in RESULT.latency]
    run = gzip.decompress((folder / "runs" / "x.10.trec.gz").read_bytes()).decode()
    assert run == "q1 Q0 d2 1 2.0 x\nq1 Q0 d1 2 1.0 x\n"


def test_unknown_is_null_and_names_are_those_of_the_format(tmp_path: Path) -> None:
    content = json.loads((write_result(RESULT, tmp_path) / "result.json").read_text())
    assert (content["format_version"], content["status"]) == (1, "complete")
    depth = content["systems"][0]["depths"][0]
    assert depth["judged@10"] is None
    assert depth["latency"] is depth["usage"] is depth["truncated_pairs"] is None
    assert depth["measures"]["nDCG@10"] == {
        "mean": 0.5,
        "low": None,
        "high": None,
        "num_queries": 1,
        "difference": None,
    }
    assert content["ceiling"] == [{"depth": 10, "measures": {"nDCG@10": None}}]


def test_two_results_of_one_second_get_two_folders(tmp_path: Path) -> None:
    folders = [write_result(RESULT, tmp_path) for _ in range(3)]
    assert [folder.name for folder in folders] == ["20261122T200000Z", "20261122T200000Z-2", "20261122T200000Z-3"]
    assert len({(folder / "result.json").read_bytes() for folder in folders}) == 1


def test_an_existing_folder_is_never_touched(tmp_path: Path) -> None:
    (tmp_path / "20261122T200000Z").mkdir()
    (tmp_path / "20261122T200000Z" / "mine").write_text("mine")
    assert write_result(RESULT, tmp_path).name == "20261122T200000Z-2"
    assert [path.name for path in (tmp_path / "20261122T200000Z").iterdir()] == ["mine"]


def test_a_result_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    broken = replace(RESULT, scores=[*RESULT.scores, ScoreRow("q2", "x", 10, "nDCG@10", float("nan"))])
    with pytest.raises(ValueError, match="Out of range"):
        write_result(broken, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotEvaluableError, match=r"cannot be written to .*file/x: .*the answers are in the store"):
        write_result(RESULT, tmp_path / "file" / "x")
