"""Shows time and peak memory of the HTML and PDF report for 12 systems x 6 depths, with 1,000 and with 6,980 queries.

    python benchmarks/report.py      about 2 minutes on 2 idle cores

The results are made up: per-query values drawn around a mean that rises with depth, with texts and tops as a run writes them.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
from figures import Figure, report
from memory import run_python

from rerank_eval.latency import LatencySample
from rerank_eval.results.depth_results import DepthResult, Loss, MeasureResult
from rerank_eval.results.experiment import Excerpts, ExperimentResult, ScoreRow, SystemResult, Top
from rerank_eval.results.provenance import describe_provenance
from rerank_eval.results.writing import write_result
from rerank_eval.types import Run

DEPTHS = (5, 10, 20, 50, 100, 200)
MEASURES = ("nDCG@10", "RR@10", "AP@100", "R@100")
NUM_SYSTEMS = 12
TIMED = 100


def make_result(num_queries: int) -> ExperimentResult:
    """Return a result with values for every query, system, depth and measure."""
    draw = np.random.default_rng(13)
    query_ids = [f"q{number:05}" for number in range(num_queries)]
    rows: list[ScoreRow] = []
    tops = [Top(query_id, "bm25", 0, _top(draw)) for query_id in query_ids]
    samples: list[LatencySample] = []
    difficulty = draw.normal(0, 0.2, num_queries)
    systems = []
    for number in range(NUM_SYSTEMS):
        name, depths = f"system{number:02}", []
        for depth in (0, *DEPTHS):
            measures = {}
            for measure in MEASURES:
                gain = 0 if depth == 0 else 0.01 * number + 0.03 * np.log(depth)
                values = np.clip(0.4 + gain + difficulty + draw.normal(0, 0.1, num_queries), 0, 1)
                rows += [ScoreRow(q, name, depth, measure, float(v)) for q, v in zip(query_ids, values, strict=True)]
                half = 1.96 * float(values.std()) / num_queries**0.5
                mean = float(values.mean())
                measures[measure] = MeasureResult(mean, mean - half, mean + half, num_queries)
            own = [int(1e6 * depth * (number + 1) * t) for t in draw.lognormal(0, 0.2, TIMED)]
            if depth:
                samples += [LatencySample(query_ids[i], name, depth, t, i) for i, t in enumerate(own)]
                tops += [Top(query_id, name, depth, _top(draw)) for query_id in query_ids]
            p50 = sorted(own)[TIMED // 2] / 1e6
            latency = {"source": "measured", "count": TIMED, "mean_ms": p50, "p50_ms": p50, "p95_ms": 1.4 * p50}
            losses = {measure: Loss(0.2, 0.2, 0.01, 0.02) for measure in MEASURES} if depth else {}
            depths.append(DepthResult(depth, measures, 0.9, latency, latency, {"usd": None}, losses=losses))
        systems.append(SystemResult(name, {}, None, 1.0, 0.0, 0, depths))
    return ExperimentResult(
        status="complete",
        dataset={
            "name": "made_up",
            "split": "test",
            "num_documents": 1_000_000,
            "num_queries": num_queries,
            "sha256": "0" * 64,
            "relevance_level": 1,
        },
        retriever={"name": "bm25", "sha256": "1" * 64, "depth": 1000, "latency": {"p50_ms": 1.0}},
        systems=systems,
        ceiling={depth: dict.fromkeys(MEASURES, 0.95) for depth in DEPTHS},
        settings={"measures": MEASURES, "depths": DEPTHS, "max_error_rate": 0.0},
        warnings=[],
        failures=[],
        provenance=describe_provenance(),
        scores=rows,
        latency=samples,
        runs=dict[tuple[str, int], Run](),
        excerpts=Excerpts(
            dict.fromkeys(query_ids, "how do I get my money back if the parcel never came"),
            {query_id: {"d0": 1} for query_id in query_ids},
            {f"d{number}": "some words of a document " * 40 for number in range(1000)},
            tops,
        ),
    )


def _top(draw: np.random.Generator) -> list[tuple[str, float | None, int]]:
    return [(f"d{doc}", 1.0 / rank, rank) for rank, doc in enumerate(draw.integers(0, 1000, 10).tolist(), start=1)]


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    figures = []
    for num_queries, seconds, megabytes in ((1000, 15.0, 500.0), (6980, 60.0, None)):
        with tempfile.TemporaryDirectory() as temporary:
            folder = write_result(make_result(num_queries), Path(temporary))
            process = run_python("-m", "rerank_eval", "report", str(folder), "--format", "html,pdf")
            size = (folder / "report.html").stat().st_size / 1e6
        name = f"report, {NUM_SYSTEMS} systems x {len(DEPTHS)} depths x {num_queries} queries"
        figures.append(Figure(f"{name}: time", process.seconds, "s", seconds))
        figures.append(Figure(f"{name}: peak memory", process.peak_mb, "MB", megabytes))
        figures.append(Figure(f"{name}: HTML", size, "MB", 2.0))
    report(figures)


if __name__ == "__main__":
    main()
