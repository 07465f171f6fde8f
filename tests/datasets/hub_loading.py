"""`load_hub` in a process of its own, since huggingface_hub reads its settings once, when it is imported."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.conftest import ROOT
from tests.datasets.hub_server import COMMIT, Fault, Files, HubServer, beir, mteb, nanobeir

_WORKER = """
import json, sys
from dataclasses import asdict
from rerank_eval.datasets.hub import load_hub
from rerank_eval.errors import RerankEvalError
class Steps:
    shown = []
    def start(self, description, total):
        self.shown.append([description, total, 0])
    def advance(self, steps=1):
        self.shown[-1][2] += steps
for line in sys.stdin:
    Steps.shown = []
    try:
        dataset = load_hub(**json.loads(line), progress=Steps())
        answer = {
            "name": dataset.name,
            "split": dataset.split,
            "sha256": dataset.sha256,
            "documents": dict(zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True)),
            "queries": dict(dataset.queries),
            "qrels": dataset.qrels,
            "report": {name: count for name, count in asdict(dataset.load_report).items() if count},
            "shown": Steps.shown,
        }
    except RerankEvalError as error:
        answer = {"error": type(error).__name__, "message": str(error), "exit_code": error.exit_code}
    print(json.dumps(answer), flush=True)
"""
Loaded = dict[str, Any]


class Loader:
    """A process that loads what it is told, one after the other."""

    def __init__(self, hub: HubServer, home: Path, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _WORKER],
            env=os.environ | hub.environment(home) | {"PYTHONPATH": str(ROOT)} | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def start(self, settings: Mapping[str, object]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(settings) + "\n")
        self.process.stdin.flush()

    def finish(self) -> Loaded:
        assert self.process.stdout is not None
        answer = json.loads(self.process.stdout.readline() or '{"error": "the process died"}')
        assert isinstance(answer, dict)
        return answer

    def load(self, settings: Mapping[str, object], **changes: object) -> Loaded:
        self.start({**settings, **changes})
        return self.finish()

    def kill(self) -> None:
        """End the process as `kill -9` does."""
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()


def part(config: str, split: str, repository: str | None = None) -> dict[str, str]:
    own = {} if repository is None else {"repository": repository, "revision": COMMIT}
    return {"config": config, "split": split, **own}


MTEB = {
    "repository": "mteb/tiny",
    "revision": COMMIT,
    "corpus": part("corpus", "corpus"),
    "queries": part("queries", "queries"),
    "qrels": part("default", "test"),
}
BEIR = {**MTEB, "repository": "BeIR/tiny", "qrels": part("default", "test", "BeIR/tiny-qrels")}
NANOBEIR = {
    "repository": "zeta-alpha-ai/NanoTiny",
    "revision": COMMIT,
    **{name: part(name, "train") for name in ("corpus", "queries", "qrels")},
}
LAYOUTS: dict[str, Files] = {**mteb(), **beir(), **nanobeir()}


def settings_with_faults(hub: HubServer, cache_dir: Path, *faults: Fault) -> dict[str, object]:
    """Return settings of the mteb layout, having given the hub the faults."""
    hub.asked.clear()
    hub.faults = {fault: fault.times for fault in faults}
    return {**MTEB, "cache_dir": str(cache_dir)}


def assert_is_tiny(loaded: Loaded) -> None:
    assert loaded.get("queries") == {"q1": "number one", "q2": "number two"}, loaded
    assert loaded["qrels"] == {"q1": {"d1": 1}, "q2": {"d2": 2}}
    assert loaded["documents"]["d4"] == "Title 4 text number 4"
    assert len(loaded["documents"]) == 5
