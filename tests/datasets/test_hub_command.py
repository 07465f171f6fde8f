"""Sets of the hub through the command line, as a user types it."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.datasets.hub_server import COMMIT, DOCUMENTS, HubServer, jsonl, mteb

HITS = [
    {"content": f"{row['title']} {row['text']}", "qid": 1, "docid": row["_id"], "score": 9 - i}
    for i, row in enumerate(DOCUMENTS)
]
CANDIDATES = "retrieve_results/BM25/retrieve_results_dl19_top100.jsonl"
QRELS = b"query-id\tcorpus-id\tscore\n1\td1\t3\n1\td2\t1\n"


@pytest.fixture(scope="module")
def hub() -> Iterator[HubServer]:
    tiny = mteb()["mteb/tiny"]
    repositories = {
        "mteb/scifact": tiny,
        "mteb/nfcorpus": tiny,
        "castorini/rank_llm_data": {CANDIDATES: jsonl([{"query": "number one", "hits": HITS}])},
        "BeIR/msmarco-qrels": {"test.tsv": QRELS},
    }
    with HubServer(repositories) as server:
        yield server


def run(hub: HubServer, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [
            sys.executable,
            "-m",
            "rerank_eval",
            *arguments,
            "reranker=[none]",
            "latency.queries=0",
            "depths=[2]",
            "store.path=null",
        ],
        cwd=folder,
        env=os.environ | hub.environment(folder) | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_beir_runs_the_sets_that_are_named_one_after_the_other(hub: HubServer, tmp_path: Path) -> None:
    arguments = ("+experiment=beir", "dataset=beir/scifact,beir/nfcorpus", f"dataset.revision={COMMIT}")
    done = run(hub, tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    results = {
        path.parts[-3]: json.loads(path.read_text()) for path in tmp_path.glob("experiments/beir/*/*/result.json")
    }
    assert sorted(results) == ["nfcorpus", "scifact"]
    assert all(result["dataset"]["num_queries"] == 2 for result in results.values())
    assert "Traceback" not in done.stderr


def test_msmarco_needs_two_small_files(hub: HubServer, tmp_path: Path) -> None:
    done = run(
        hub,
        tmp_path,
        "+experiment=msmarco",
        f"dataset.path='hf://datasets/castorini/rank_llm_data@{COMMIT}/{CANDIDATES}'",
        f"dataset.qrels='hf://datasets/BeIR/msmarco-qrels@{COMMIT}/test.tsv'",
    )
    assert done.returncode == 0, done.stderr
    assert "dl19-bm25 (test): 5 documents, 1 judged queries; first stage candidates" in done.stdout


def test_what_the_hub_refuses_ends_the_command_with_2_and_no_traceback(hub: HubServer, tmp_path: Path) -> None:
    done = run(hub, tmp_path, "dataset=beir/fiqa")
    assert done.returncode == 2
    assert (
        "mteb/fiqa at 27a168819829: its list of files: the hub has no such repository, or it is private (404)"
        in done.stderr
    )
    assert "Traceback" not in done.stderr
