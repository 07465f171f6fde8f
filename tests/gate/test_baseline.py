"""The baseline file: what it keeps, what it leaves out, and that it stands for its result."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from rerank_eval import LatencySettings
from rerank_eval.errors import NotEvaluableError
from rerank_eval.gate.baseline import format_baseline, write_baseline
from rerank_eval.gate.compare import compare
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.recorded import Cell
from tests.gate_results import DATASET, Informed, small_result, write_small_result


def test_a_baseline_says_what_its_result_says(tmp_path: Path) -> None:
    failing = Informed(broken=lambda index: index == 4)
    result = small_result(
        tmp_path, failing, latency=LatencySettings(queries=3, repetitions=2, warmup=0), max_error_rate=0.1
    )
    write_baseline(result, tmp_path / "new" / "b.json")
    baseline = read_recorded(tmp_path / "new" / "b.json")
    assert baseline.scores == result.scores
    assert baseline.samples == result.samples
    assert baseline.hardware == result.hardware
    assert (baseline.measures, baseline.depths) == (result.measures, result.depths)
    assert (baseline.dataset, baseline.retriever) == (result.dataset, result.retriever)
    assert [replace(system, config={}) for system in result.systems] == baseline.systems
    assert compare(baseline, result, strict=True).exit_code == 0
    assert compare(result, baseline, strict=True).exit_code == 0
    assert format_baseline(baseline) == format_baseline(result)


def test_it_has_no_texts_no_command_and_no_path(tmp_path: Path) -> None:
    paths = {"store_path": tmp_path / "secret-place" / "store.sqlite", "prices_path": tmp_path / "prices.yaml"}
    (tmp_path / "prices.yaml").write_text("[]")
    result = small_result(tmp_path, **paths)
    text = format_baseline(result)
    assert "secret-place" not in text
    assert str(tmp_path) not in text
    assert DATASET.queries[0].text not in text
    assert next(iter(DATASET.corpus.texts())) not in text
    assert set(json.loads(text)["provenance"]) == {"started", "git", "packages", "hardware"}


def test_a_changed_value_changes_one_line(tmp_path: Path) -> None:
    result = small_result(tmp_path)
    cell = next(iter(result.scores))
    other = replace(result, scores={**result.scores, cell: {**result.scores[cell], "q000": 0.123}})
    before, after = format_baseline(result).splitlines(), format_baseline(other).splitlines()
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1


def test_only_a_complete_result_becomes_a_baseline(tmp_path: Path) -> None:
    result = replace(small_result(tmp_path), status="incomplete")
    with pytest.raises(NotEvaluableError, match="is incomplete; a baseline must be a complete result"):
        write_baseline(result, tmp_path / "b.json")
    assert not (tmp_path / "b.json").exists()


def test_a_place_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    result = small_result(tmp_path)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(NotEvaluableError, match=r"the baseline cannot be written to .*file/b.json"):
        write_baseline(result, tmp_path / "file" / "b.json")
    (tmp_path / "b.json").write_text("old")
    spoiled = replace(result, dataset={**result.dataset, "num_queries": float("nan")})
    with pytest.raises(ValueError, match="Out of range"):
        write_baseline(spoiled, tmp_path / "b.json")
    assert (tmp_path / "b.json").read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_a_result_folder_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = write_small_result(tmp_path)
    rows = [json.loads(line) for line in (folder / "scores.jsonl").read_text().splitlines()]
    result = read_recorded(folder)
    assert sum(map(len, result.scores.values())) == len(rows)
    for row in rows:
        assert result.scores[Cell(row["system"], row["depth"], row["measure"])][row["query_id"]] == row["value"]
