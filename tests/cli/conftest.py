"""The command, run in an empty folder."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rerank_eval.cli import main
from tests.fakes import make_dataset, write_beir_folder


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    def result(self) -> dict[str, Any]:
        folder = Path(self.out.splitlines()[-1].removeprefix("results: "))
        content: dict[str, Any] = json.loads((folder / "result.json").read_text("utf-8"))
        return content | {"folder": folder}


Command = Callable[..., Ended]
DOCUMENTS = 12


@pytest.fixture
def command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs the command in an empty folder, over six queries with a recorded first stage."""
    data = write_beir_folder(tmp_path / "data", make_dataset(num_documents=DOCUMENTS))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")

    def run(*overrides: str, base: bool = True) -> Ended:
        basis = ["dataset=beir_dir", f"dataset.path={data}", "retriever=run_file", f"retriever.path={data}/run.trec.gz"]
        basis += ["depths=[2,5]", "measures=[nDCG@10]", "latency.queries=2"]
        flags = [word for word in overrides if word.startswith("-")]
        settings = [word for word in overrides if not word.startswith("-")]
        monkeypatch.setattr(sys, "argv", ["rerank_eval", *flags, *(basis if base else []), *settings])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        assert isinstance(code, int)
        return Ended(code, *capsys.readouterr())

    return run


def user_class(body: str) -> None:
    text = (
        f"from rerank_eval.types import Scores\nclass Mine:\n    name, pointwise, concurrency = 'mine', True, 1\n{body}"
    )
    Path("mine.py").write_text(text)
    sys.modules.pop("mine", None)
