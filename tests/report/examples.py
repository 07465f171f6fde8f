"""Reports made without a run: any number of systems, depths and datasets, with names and texts as asked for."""

import math
import random
from collections.abc import Sequence
from dataclasses import replace

from rerank_eval.paired import Difference
from rerank_eval.report.model import (
    ContextAnswers,
    DatasetReport,
    Estimate,
    Knee,
    MacroRow,
    Milliseconds,
    Place,
    Point,
    QueryChange,
    RankedDocument,
    Report,
    RunDescription,
    Series,
)
from rerank_eval.results.depth_results import Loss

MEASURES = ("nDCG@10", "RR@10", "R@10")
HOSTILE = "<script>alert(1)</script></script><img src=x onerror=alert(2)>"
HOSTILE_NAMES = ("$x_{", "=cmd()", HOSTILE, "a" * 300, "#panic()|`x`\\input{y}")


def make_report(
    num_systems: int = 3,
    depths: Sequence[int] = (5, 10, 20, 50),
    num_changes: int = 4,
    names: Sequence[str] = (),
    text: str = "how do I get my money back",
    num_datasets: int = 1,
    measures: Sequence[str] = MEASURES,
    with_cost: bool = False,
    same_hardware: bool = True,
    with_answers: bool = False,
) -> Report:
    """Return a report whose values rise with depth; the first system has no interval of its p95, as with few samples."""
    datasets = [
        _make_dataset(
            f"data{number}", number, num_systems, depths, num_changes, names, text, measures, with_cost, same_hardware
        )
        for number in range(num_datasets)
    ]
    if with_answers:
        datasets = [_with_answers(dataset) for dataset in datasets]
    labels = [series.label for series in datasets[0].series]
    return Report(
        title="Rerankers on data0",
        answer="minilm at depth 20 is the best choice: nDCG@10 0.680, 0.117 above the first stage, at 418 ms (p95).",
        constraint="Within 200 ms (p95): minilm at depth 10.",
        measures=measures,
        num_comparisons=2 * num_systems * len(depths) * len(measures),
        datasets=datasets,
        macro=[MacroRow(label, depth, dict.fromkeys(measures, 0.5)) for label in labels for depth in depths]
        if num_datasets > 1
        else [],
        not_averaged=[],
        runs=[
            RunDescription(
                "data0, 2026-11-22T20:00:00Z", [("command", "python -m rerank_eval"), ("processor", "a CPU")]
            )
        ],
        made="2026-11-22T20:00:00Z",
    )


def _with_answers(dataset: DatasetReport) -> DatasetReport:
    """Return the dataset with answers at depth 0 and at the largest of each series; the first one's chain is not known."""
    answers = ContextAnswers(
        context=5,
        num_queries=63,
        failures=2,
        precision=Estimate(0.41, 0.36, 0.46),
        recall=Estimate(0.48, 0.42, 0.54),
        exact_match=Estimate(0.71, 0.61, 0.81),
        token_f1=Estimate(0.777, 0.667, 0.873),
        gain=Estimate(-0.048, -0.143, 0.048),
        without_answer=0.222,
        tokens_per_query=1234.5,
        usd_per_1000=0.125,
        own_p50=Milliseconds(431, 400, 470),
        chain_p50=Milliseconds(1190, 1100, 1280),
        chain_p95=Milliseconds(1950, 1700, None),
    )
    unknown = replace(answers, tokens_per_query=None, usd_per_1000=None, chain_p50=None, chain_p95=None)
    return replace(
        dataset,
        series=[
            replace(
                series,
                first_stage=replace(series.first_stage, answers=replace(answers, gain=None, precision=None)),
                points=[
                    *series.points[:-1],
                    replace(series.points[-1], answers=answers if series.index else unknown),
                ],
            )
            for series in dataset.series
        ],
    )


def _make_dataset(
    name: str,
    seed: int,
    num_systems: int,
    depths: Sequence[int],
    num_changes: int,
    names: Sequence[str],
    text: str,
    measures: Sequence[str],
    with_cost: bool,
    same_hardware: bool,
) -> DatasetReport:
    draw = random.Random(seed)
    series = []
    for index in range(num_systems):
        label = names[index % len(names)] + (f" {index}" if index >= len(names) else "") if names else f"system{index}"
        slowness = 2.0 + 3.0 * index
        series.append(
            Series(
                index=index,
                label=label,
                whole_label=label,
                system=label,
                reranker=label,
                reranker_key=label,
                retriever="bm25",
                retriever_key="bm25",
                started="2026-11-22T20:00:00Z",
                hardware="0f" if same_hardware or index % 2 == 0 else "a1",
                first_stage=_make_point(0, 0.0, 0.2, measures, draw, None, False),
                points=[
                    _make_point(
                        depth,
                        math.log1p(depth) * (0.02 + 0.003 * index),
                        slowness * depth,
                        measures,
                        draw,
                        1.5 if with_cost else None,
                        index > 0,
                    )
                    for depth in depths
                ],
                knees={
                    measure: Knee(depths[-1], depths[len(depths) // 2], depths[-1:] if index == 1 else ())
                    for measure in measures
                },
                ceiling={depth: dict.fromkeys(measures, min(0.95, 0.6 + 0.005 * depth)) for depth in depths},
            )
        )
    changes = [
        QueryChange(
            query_id=f"q{number}",
            text=text,
            series=number % num_systems,
            depth=depths[-1],
            measure=measures[0],
            before=0.2,
            after=0.9 if number % 2 == 0 else 0.1,
            top_before=[RankedDocument(f"d{rank}", rank % 4, None, rank, None, text) for rank in range(1, 6)],
            top_after=[RankedDocument(f"d{6 - rank}", None, 1.5 - rank, rank, 6 - rank, text) for rank in range(1, 6)],
        )
        for number in range(num_changes)
    ]
    front = [Place(0, 0), *(Place(0, depth) for depth in depths)]
    return DatasetReport(
        name=name,
        split="test",
        num_documents=336,
        num_queries=84,
        series=series,
        fronts=dict.fromkeys(measures, front),
        cost_fronts=dict.fromkeys(measures, front if with_cost else ()),
        same_hardware=same_hardware,
        changes=changes,
        warnings=[
            f"{series[0].label}: 3.0% of the candidates share their score with another; ties go by doc_id descending"
        ],
    )


def _make_point(
    depth: int,
    gain: float,
    milliseconds: float,
    measures: Sequence[str],
    draw: random.Random,
    usd: float | None,
    p95_has_interval: bool,
) -> Point:
    difference = Difference(gain, gain - 0.03, gain + 0.03, 0.004, 50, 14, 20, 0.04)
    own = sorted(milliseconds * draw.lognormvariate(0, 0.2) for _ in range(20)) if depth else []
    return Point(
        depth=depth,
        num_queries=84,
        estimates={measure: Estimate(0.55 + gain, 0.51 + gain, 0.59 + gain) for measure in measures},
        to_first_stage=dict.fromkeys(measures, difference) if depth else {},
        to_best={measure: difference._replace(mean=-gain, low=-gain - 0.03, high=-gain + 0.03) for measure in measures},
        losses={measure: Loss(0.2, 0.25 - gain, 0.01, None) for measure in measures},
        total_p50=Milliseconds(milliseconds + 0.2, milliseconds * 0.9, milliseconds * 1.1 + 0.3),
        total_p95=Milliseconds(
            milliseconds * 1.3 + 0.2, milliseconds * 1.2, milliseconds * 1.6 if p95_has_interval else None
        ),
        own_p50=Milliseconds(milliseconds, milliseconds * 0.9, milliseconds * 1.1) if depth else None,
        own_p95=Milliseconds(milliseconds * 1.3, milliseconds * 1.2, None) if depth else None,
        own_samples_ms=own,
        num_total_samples=20,
        usd_per_1000=0.0 if not depth else usd * depth if usd is not None else None,
        judged_at_10=0.93,
        tie_rate=0.03 if depth else None,
        failures=0,
        truncated_share=0.01 if depth else None,
    )
