"""A report written to a folder: which files, whole or not at all."""

import errno
import os
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest

from rerank_eval.errors import ConfigError, NotEvaluableError
from rerank_eval.report.export import FORMATS, write_report
from tests.report.examples import HOSTILE, HOSTILE_NAMES, MEASURES, make_report

ONE = MEASURES[:1]
SMALL = make_report(num_systems=1, depths=(5,), num_changes=1, measures=ONE)


def files_under(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("html", "report.html"),
        ("pdf", "report.pdf"),
        ("svg", "figures/quality-depth-data0-test-ndcg-10.svg"),
        ("png", "figures/quality-depth-data0-test-ndcg-10.png"),
        ("csv", "tables/results-data0.csv"),
        ("md", "tables/quality-data0-nDCG@10.md"),
        ("tex", "tables/quality-data0-nDCG@10.tex"),
    ],
)
def test_each_format_makes_its_files_and_no_other(name: str, expected: str, tmp_path: Path) -> None:
    written = write_report(SMALL, tmp_path / "out", [name])
    assert tmp_path / "out" / expected in written
    assert files_under(tmp_path / "out") == {str(path.relative_to(tmp_path / "out")) for path in written}
    assert all(path.suffix == f".{name}" for path in written)
    assert all(path.stat().st_size > 0 for path in written)


def test_equal_reports_give_equal_bytes_in_every_format(tmp_path: Path) -> None:
    one = write_report(make_report(num_systems=2, depths=(5,), measures=ONE), tmp_path / "one", FORMATS)
    other = write_report(make_report(num_systems=2, depths=(5,), measures=ONE), tmp_path / "other", FORMATS)
    assert len(one) == len(other)
    assert [path.name for path, same in zip(one, other, strict=True) if path.read_bytes() != same.read_bytes()] == []


def test_an_unknown_format_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'htm'.*did you mean html"):
        write_report(SMALL, tmp_path / "out", ["csv", "htm"])
    with pytest.raises(ConfigError, match="no format"):
        write_report(SMALL, tmp_path / "out", [])
    assert not (tmp_path / "out").exists()


def test_a_later_report_replaces_an_earlier_one(tmp_path: Path) -> None:
    (csv,) = (path for path in write_report(SMALL, tmp_path, ["csv"]) if path.name.startswith("results"))
    write_report(make_report(num_systems=2, depths=(5,)), tmp_path, ["csv"])
    assert "system1" in csv.read_text(encoding="utf-8")


def test_two_datasets_whose_names_differ_in_nothing_a_file_can_show_do_not_share_files(tmp_path: Path) -> None:
    report = make_report(num_systems=1, depths=(5,), num_datasets=2, measures=ONE)
    datasets = [replace(dataset, name=name) for dataset, name in zip(report.datasets, ("a/b", "A b"), strict=True)]
    written = write_report(replace(report, datasets=datasets), tmp_path, ["csv", "svg", "md"])
    assert len({str(path).lower() for path in written}) == len(written)
    assert {path.relative_to(tmp_path).parts[0] for path in written} == {"figures", "tables"}


def test_hostile_names_and_texts_are_written_in_every_format(tmp_path: Path) -> None:
    report = make_report(
        num_systems=5, depths=(5,), names=[*HOSTILE_NAMES[:4], "\ud800\x00"], text=HOSTILE, measures=ONE
    )
    datasets = [replace(report.datasets[0], name="../../etc/=x")]
    written = write_report(replace(report, datasets=datasets), tmp_path / "out", FORMATS)
    assert all(path.resolve().is_relative_to(tmp_path / "out") for path in written)
    assert files_under(tmp_path) == {str(path.relative_to(tmp_path)) for path in written}
    for path in written:
        if path.suffix == ".svg":
            root = ET.fromstring(path.read_bytes())
            tags = {element.tag.rpartition("}")[2] for element in root.iter()}
            assert not tags & {"script", "img", "foreignObject"}


def test_a_folder_that_is_a_file_ends_with_its_path(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine", encoding="utf-8")
    with pytest.raises(NotEvaluableError, match="out"):
        write_report(SMALL, tmp_path / "out", ["csv"])
    assert (tmp_path / "out").read_text(encoding="utf-8") == "mine"


def test_a_full_disk_leaves_the_report_from_before_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    write_report(SMALL, out, ["csv"])
    before = {name: (out / name).read_bytes() for name in files_under(out)}
    synced: list[int] = []

    def fill(descriptor: int) -> None:
        synced.append(descriptor)
        if len(synced) > 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(NotEvaluableError, match=r"out.*No space left"):
        write_report(make_report(num_systems=2, depths=(5,)), out, ["csv", "tex"])
    assert {name: (out / name).read_bytes() for name in files_under(out)} == before
    assert [path.name for path in out.iterdir()] == ["tables"]


def test_a_full_disk_leaves_no_folder_that_was_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", fill)
    with pytest.raises(NotEvaluableError):
        write_report(SMALL, tmp_path / "a" / "b", ["csv"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_in_the_place_of_a_file_leaves_everything_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "tables" / "results-data0.csv").mkdir(parents=True)
    with pytest.raises(NotEvaluableError, match="is a folder"):
        write_report(SMALL, tmp_path, ["csv"])
    assert files_under(tmp_path) == set()


def test_a_page_does_not_depend_on_what_else_is_made(tmp_path: Path) -> None:
    write_report(SMALL, tmp_path / "alone", ["html"])
    write_report(SMALL, tmp_path / "all", ["pdf", "png", "html"])
    write_report(SMALL, tmp_path / "pdf", ["pdf"])
    assert (tmp_path / "alone" / "report.html").read_bytes() == (tmp_path / "all" / "report.html").read_bytes()
    assert (tmp_path / "pdf" / "report.pdf").read_bytes() == (tmp_path / "all" / "report.pdf").read_bytes()
