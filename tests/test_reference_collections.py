"""Where tests and benchmarks look for the reference collections."""

import re
from pathlib import Path

import pytest

from benchmarks.data_folder import VARIABLE, MissingCollectionError, find_collection
from tests.conftest import ROOT


def test_a_variable_names_their_folder_and_one_that_is_missing_is_told_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    (tmp_path / "vaswani").mkdir()
    assert find_collection("vaswani") == tmp_path / "vaswani"
    with pytest.raises(MissingCollectionError, match=f"{tmp_path}/trec-dl-2019 is not there; {VARIABLE} names"):
        find_collection("trec-dl-2019")


@pytest.mark.parametrize("value", ["", None])
def test_without_the_variable_they_lie_beside_the_clone(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(VARIABLE, value)
    with pytest.raises(MissingCollectionError, match=re.escape(str(ROOT.parent / "shared" / "data" / "of no name"))):
        find_collection("of no name")


def test_the_manual_names_the_variable_and_every_collection_that_is_asked_for() -> None:
    manual = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    sources = [
        path.read_text(encoding="utf-8") for name in ("tests", "benchmarks") for path in (ROOT / name).rglob("*.py")
    ]
    named = {found for text in sources for found in re.findall(r"\b(?:need_)?collection\(\"([\w-]+)\"\)", text)}
    assert named
    assert {name for name in named | {"trec-dl-2020"} if f"| `{name}` |" not in manual} == set()
    assert f"`{VARIABLE}`" in manual
