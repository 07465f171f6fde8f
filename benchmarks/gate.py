"""The error rates of `compare`, and the coverage of the intervals, by simulation over real per-query values.

TREC DL 2019 is evaluated with both bundled models at five depths by three measures (or --result names such a result). Its 43
queries are then taken as the population that test queries are drawn from, with replacement, so the truth is known. Every trial
goes through the product's own `judge` and `mean_intervals`, with all their resamples.

False failures: the differences between the two models, made into no true difference by centring each comparison, and by tossing
a coin per query for which model is which; a trial fails if any of the 15 comparisons is a regression, at a min-effect of 0. Power: one comparison after the other has a true drop of the minimum detectable effect
that `judge` printed for the original 43 queries; a trial counts if that comparison is a regression. Coverage: the share of trials
whose interval holds the population's mean.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from figures import Figure, need_collection, report
from numpy.typing import NDArray

from rerank_eval import LatencySettings, Settings, evaluate
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.gate.verdicts import Judgement, Verdict, judge
from rerank_eval.paired import Column
from rerank_eval.rerankers.bge_small import BGESmall
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.results.reading import read_recorded
from rerank_eval.results.recorded import Cell, RecordedResult
from rerank_eval.results.writing import write_result
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.statistics import mean_intervals

DEPTHS = (10, 20, 30, 50, 100)
MEASURES = ("nDCG@10", "RR@10", "AP@100")
SYSTEMS = ("minilm", "bge_small")
COVERAGE_SIZES = (43, 84, 200)
SMALL_SIZES = (6, 10, 20)
"""Where intervals are known to be too narrow; what `statistics.ENOUGH_FOR_INTERVAL` rests on."""
DEFAULT_MIN_EFFECT = 0.01

Columns = NDArray[np.float64]


@dataclass(frozen=True)
class Population:
    """Per query, the values of every system, depth and measure, and the differences between the two systems."""

    values: Columns
    measures: Sequence[str]
    differences: Columns


def evaluate_dl2019(parent: Path) -> Path:
    """Evaluate both bundled models and return the result folder."""
    folder = need_collection("trec-dl-2019")
    dataset = load_beir_dir(str(folder), relevance_level=2)
    retriever = RunFile(str(folder / "runs" / "bm25.top100.trec"))
    settings = Settings(depths=DEPTHS, measures=MEASURES, latency=LatencySettings(queries=0))
    return write_result(evaluate(dataset, retriever, [MiniLM(), BGESmall()], settings), parent)


def read_population(result: RecordedResult) -> Population:
    """Return the columns of a result of both models."""
    first = Cell(SYSTEMS[0], 0, result.measures[0])
    query_ids = sorted(result.scores[first])
    family = [(depth, measure) for depth in DEPTHS for measure in result.measures]
    cells = [Cell(system, *place) for system in SYSTEMS for place in family]
    values = np.array([[result.scores[cell][query_id] for query_id in query_ids] for cell in cells]).T
    differences = values[:, : len(family)] - values[:, len(family) :]
    return Population(values, [cell.measure for cell in cells], differences)


def draw(columns: Columns, num_queries: int, trial: int) -> Columns:
    """Return a sample of queries."""
    return columns[np.random.default_rng(trial).integers(0, len(columns), num_queries)]


def judge_sample(differences: Columns, min_effect: float, seed: int) -> list[Judgement]:
    """Return what the product says of differences (num_queries, num_columns)."""
    query_ids = tuple(map(str, range(len(differences))))
    return judge([Column(query_ids, column) for column in differences.T], min_effect, seed)


def fails_by_chance(trial: int, differences: Columns, exchanged: bool) -> bool:
    """Return whether the gate fails on a sample of no true difference; `exchanged` tosses a coin for which system is which."""
    sample = draw(differences, len(differences), trial)
    if exchanged:
        sample *= np.random.default_rng([trial, 1]).choice([-1.0, 1.0], (len(sample), 1))
    judgements = judge_sample(sample, 0.0, trial)
    return any(judgement.verdict is Verdict.REGRESSION for judgement in judgements)


def sees_the_drop(trial: int, differences: Columns, min_effect: float, detectable: Sequence[float]) -> bool:
    """Return whether the gate fails on the comparison whose true drop is what it says it can detect."""
    cell = trial % len(detectable)
    sample = draw(differences, len(differences), trial)
    sample[:, cell] -= detectable[cell]
    return judge_sample(sample, min_effect, trial)[cell].verdict is Verdict.REGRESSION


def covers(trial: int, values: Columns, num_queries: int) -> list[bool]:
    """Return for each column whether the interval of a sample's mean holds the true mean."""
    intervals = mean_intervals(draw(values, num_queries, trial), trial)
    return [
        interval.low is not None and interval.high is not None and bool(interval.low <= mean <= interval.high)
        for interval, mean in zip(intervals, values.mean(axis=0), strict=True)
    ]


def simulate(population: Population, trials: int) -> list[Figure]:
    """Return the figures; all processor cores take part, and the outcome does not depend on their number."""
    differences, centred = population.differences, population.differences - population.differences.mean(axis=0)
    detectable = [found.difference.detectable or 0.0 for found in judge_sample(centred, 0.0, 0)]
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # read by the new processes: each is one of as many as there are cores
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:

        def share(outcome: partial[bool]) -> NDArray[np.bool_]:
            return np.array(list(pool.map(outcome, range(trials), chunksize=20)))

        by_chance = share(partial(fails_by_chance, differences=centred, exchanged=False))
        by_coin = share(partial(fails_by_chance, differences=differences, exchanged=True))
        seen, seen_by_default = (
            share(partial(sees_the_drop, differences=centred, min_effect=min_effect, detectable=detectable))
            for min_effect in (0.0, DEFAULT_MIN_EFFECT)
        )
        figures = [
            Figure(f"false failures, {len(detectable)} centred comparisons", 100 * by_chance.mean(), "%", 5.0),
            Figure(
                f"false failures, {len(detectable)} comparisons, coin tossed per query", 100 * by_coin.mean(), "%", 5.0
            ),
            Figure("printed minimum detectable effect, smallest", min(detectable), ""),
            Figure("printed minimum detectable effect, largest", max(detectable), ""),
            Figure("drops of that size seen", 100 * seen.mean(), "%", 75.0, "at least"),
            Figure(f"the same, min-effect {DEFAULT_MIN_EFFECT}", 100 * seen_by_default.mean(), "%", 75.0, "at least"),
        ]
        for num_queries in (*SMALL_SIZES, *COVERAGE_SIZES):
            outcomes = partial(covers, values=population.values, num_queries=num_queries)
            covered = np.array(list(pool.map(outcomes, range(trials), chunksize=20))).mean(axis=0) * 100
            for measure in dict.fromkeys(population.measures):
                own = covered[[name == measure for name in population.measures]]
                name = f"coverage, n={num_queries}, {measure}"
                least, most = (None, None) if num_queries in SMALL_SIZES else (93.0, 97.0)
                figures.append(Figure(f"{name}, worst column", own.min(), "%", least, "at least"))
                figures.append(Figure(f"{name}, best column", own.max(), "%", most))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="How often the gate errs; the file's first lines say more.")
    parser.add_argument("--result", type=Path, help="a result folder of minilm and bge_small on TREC DL 2019")
    parser.add_argument("--trials", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as parent:
        folder = arguments.result or evaluate_dl2019(Path(parent))
        population = read_population(read_recorded(folder))
    print(f"{arguments.trials} trials over {len(population.values)} queries", file=sys.stderr)
    report(simulate(population, arguments.trials))


if __name__ == "__main__":
    main()
