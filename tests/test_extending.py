"""The classes and functions that the pages on extending show work with the commands shown beside them."""

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, RunMain
from tests.test_readme import blocks, commands

SHOWN = [
    (page, command)
    for page in (ROOT / "docs" / "adding_a_reranker.md", ROOT / "docs" / "extending.md")
    for command in commands(page)
]
FOUND: dict[str, Any] = {
    "my_rerankers.ShortestFirst": ("helpdesk", "bm25", ["none", "shortest"]),
    "+retriever._target_": ("helpdesk", "shared_words", ["none"]),
    "retriever=hybrid": ("helpdesk", "hybrid", ["none"]),
    "my_encoder.Letters": ("helpdesk", "dense", ["none"]),
    "my_dataset.load_faq": ("our_faq", "bm25", ["none"]),
}


@pytest.mark.parametrize(("page", "command"), SHOWN, ids=lambda value: getattr(value, "stem", None))
def test_a_class_of_ones_own_works_with_the_command_shown(
    page: Path, command: str, run_main: RunMain, tmp_path: Path
) -> None:
    for block in blocks(page, "python"):
        (name,) = re.findall(r"^# (\w+\.py)", block)
        (tmp_path / name).write_text(block)
    words = shlex.split(command)
    if not any(word.startswith("reranker=") for word in words):
        words.append("reranker=[none]")
    done = run_main(*words, "latency.queries=0", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    (path,) = tmp_path.glob("experiments/*/*/*/result.json")
    result = json.loads(path.read_text())
    expected = next(found for sign, found in FOUND.items() if sign in command)
    assert (result["dataset"]["name"], result["retriever"]["name"], [s["name"] for s in result["systems"]]) == expected


def test_every_kind_of_extension_is_shown() -> None:
    assert len(SHOWN) == len(FOUND)
