"""Measures: which names are valid, which queries count, and one order for all of them, ties included."""

import math
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ir_measures.measures import registry

from rerank_eval.errors import ConfigError
from rerank_eval.measures import needed_depth, parse_measures, score_run
from rerank_eval.trec import read_qrels, read_run
from rerank_eval.types import Ranking
from tests.conftest import FindCollection
from tests.reference_figures import figures_of

DOC_IDS = tuple("abcdefgh")
ALL = ("nDCG@3", "nDCG", "RR@3", "RR", "AP@3", "AP", "R@3", "P@3", "Success@3")
GRADES = st.dictionaries(st.sampled_from((*DOC_IDS, "not retrieved")), st.integers(-1, 3), min_size=1)
TIED = st.lists(st.just(0.5), min_size=8, max_size=8)
CLOSE = st.lists(st.sampled_from([0.5 + 1e-9 * step for step in range(4)]), min_size=8, max_size=8)
SATURATED = st.lists(st.floats(30.0, 40.0), min_size=8, max_size=8).map(
    lambda logits: [1 / (1 + math.exp(-logit)) for logit in logits]
)
checked = settings(max_examples=50, deadline=None, derandomize=True)


def by_definition(doc_ids: tuple[str, ...], grades: Mapping[str, int]) -> dict[str, float]:
    """The textbook formulas over one order."""
    gains = [max(0, grades.get(doc_id, 0)) for doc_id in doc_ids]
    ideal = sorted((max(0, grade) for grade in grades.values()), reverse=True)
    num_relevant = sum(gain > 0 for gain in ideal)
    hits = [rank for rank, gain in enumerate(gains, 1) if gain > 0]

    def dcg(values: list[int], cutoff: int) -> float:
        return sum(gain / math.log2(rank + 1) for rank, gain in enumerate(values[:cutoff], 1))

    def at(cutoff: int) -> dict[str, float]:
        found = [rank for rank in hits if rank <= cutoff]
        precisions = [(index / rank) for index, rank in enumerate(found, 1)]
        return {
            "nDCG": dcg(gains, cutoff) / dcg(ideal, cutoff) if num_relevant else 0.0,
            "RR": 1 / found[0] if found else 0.0,
            "AP": sum(precisions) / num_relevant if num_relevant else 0.0,
            "R": len(found) / num_relevant if num_relevant else 0.0,
            "P": len(found) / cutoff,
            "Success": float(bool(found)),
        }

    whole, top = at(1000), at(3)
    return {name: top[name.removesuffix("@3")] if name.endswith("@3") else whole[name] for name in ALL}


@checked
@given(values=TIED | CLOSE | SATURATED, order=st.permutations(DOC_IDS), grades=GRADES)
def test_ties_near_ties_and_saturated_scores_have_one_order_in_every_measure(
    values: list[float], order: list[str], grades: dict[str, int]
) -> None:
    ranking = Ranking(zip(order, values, strict=True))
    expected = by_definition(ranking.doc_ids, grades)
    for names in (ALL, *((name,) for name in ALL)):
        found = score_run({"q": ranking}, {"q": grades}, names)
        assert {name: by_query["q"] for name, by_query in found.items()} == pytest.approx(
            {name: expected[name] for name in names}, abs=1e-9
        )


def test_scores_that_trec_eval_takes_for_a_tie_keep_their_order() -> None:
    ranking = Ranking([("z", 0.9999999999 - 1e-8), ("a", 0.9999999999)])
    found = score_run({"q": ranking}, {"q": {"a": 1}}, ("nDCG@10", "RR@10", "RR", "AP", "P@1", "R@1"))
    assert {name: by_query["q"] for name, by_query in found.items()} == dict.fromkeys(found, 1.0)


def test_every_judged_query_counts_and_no_other() -> None:
    run = {name: Ranking.from_order(["a", "b"]) for name in ("found", "only zeros", "not judged")}
    qrels = {"found": {"a": 1}, "missing": {"a": 1}, "only zeros": {"a": 0}}
    run["empty"] = Ranking(())
    found = score_run(run, qrels | {"empty": {"a": 1}}, ("nDCG@10", "AP"))
    expected = {"found": 1.0, "missing": 0.0, "only zeros": 0.0, "empty": 0.0}
    assert {name: dict(by_query) for name, by_query in found.items()} == {"nDCG@10": expected, "AP": expected}
    assert list(found["AP"]) == ["found", "missing", "only zeros", "empty"]


def test_a_run_without_any_judged_query_has_only_zeros() -> None:
    assert score_run({}, {"q": {"a": 1}}, ("nDCG@10",)) == {"nDCG@10": {"q": 0.0}}
    assert score_run({"q": Ranking.from_order(["a"])}, {}, ("nDCG@10",)) == {"nDCG@10": {}}


def test_measures_are_named_with_the_relevance_level_where_they_need_one() -> None:
    names = ("nDCG@10", "RR@10", "AP", "R@100", "Judged@10", "RR(rel=3)")
    assert parse_measures(names) == names
    assert parse_measures(names, relevance_level=2) == (
        "nDCG@10",
        "RR(rel=2)@10",
        "AP(rel=2)",
        "R(rel=2)@100",
        "Judged@10",
        "RR(rel=3)",
    )


def test_the_relevance_level_decides_what_binary_measures_count() -> None:
    run, qrels = {"q": Ranking.from_order(["a", "b"])}, {"q": {"a": 1, "b": 2}}
    found = score_run(run, qrels, parse_measures(("RR@10", "nDCG@1"), relevance_level=2))
    assert found == {"RR(rel=2)@10": {"q": 0.5}, "nDCG@1": {"q": 0.5}}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "measures is empty"),
        (("nDGC@10",), r"unknown measure 'nDGC@10': did you mean .*nDCG"),
        (("ndcg@10",), r"did you mean nDCG@10\?"),
        (("mrr@10",), r"did you mean RR@10\?"),
        (("precison@5",), r"did you mean Precision"),
        (("",), "unknown measure ''"),
        (("nDCG@0",), "cutoff=0; it must be between 1 and 1000000"),
        (("AP(rel=0)@100",), "rel=0; it must be between 1 and 9999"),
        (("RR(rel=0)@10",), "rel=0; it must be between 1 and 9999"),
        (("RR(rel=True)@10",), "rel=True; it must be"),
        (("P(rel=1)@True",), "cutoff=True; it must be"),
        (("IPrec@2.5",), "recall=2.5; it must be between 0 and 1"),
        (("Accuracy@5",), "cannot be computed for every query"),
        (("Compat(p=1e400)",), "cannot be computed"),
        (("nDCG@99999999999999999999",), "it must be between 1"),
        (("nDCG@-1",), "cannot be read"),
        (("nDCG@1.5",), "cannot be read"),
        (("nDCG@",), "cannot be read"),
        (("nDCG(",), "cannot be read"),
        (("nDCG(foo=1)@10",), "cannot be read"),
        (("P",), "cannot be read"),
        (("alpha_nDCG",), "a package that is not installed, or a cut-off"),
        (("nDCG@10", "NDCG@10"), "measures names one twice"),
    ],
)
def test_a_wrong_measure_is_refused_with_a_hint(names: tuple[str, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_measures(names)


@pytest.mark.parametrize("name", ["ERR@10", "nDCG(dcg='exp-log2')@10"])
def test_measures_that_would_fail_at_the_end_of_a_run_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"needs other parameters, or a package that is not installed$"):
        parse_measures((name,))


def test_a_measure_that_cannot_have_the_relevance_level_of_the_dataset_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'NumRel\(rel=2\)' cannot be computed|'NumRel\(rel=2\)' needs other"):
        parse_measures(("NumRel",), relevance_level=2)


@pytest.mark.parametrize("base", sorted(registry))
def test_every_measure_that_ir_measures_knows_has_a_value_for_every_query_or_is_refused_at_once(base: str) -> None:
    qrels = {"some": {"a": 1, "b": 0}, "all": {"a": 1}, "none": {"a": 0}, "elsewhere": {"z": 2}, "no run": {"a": 1}}
    run = {query_id: Ranking.from_order(["a", "b"]) for query_id in qrels if query_id != "no run"}
    for rest in ("", "@5", "(rel=2)", "(rel=2)@5", "(rel=0)@5", "(judged_only=True)@5", "@0.5", "(max_rel=3)@5"):
        try:
            (name,) = parse_measures((base + rest,))
        except ConfigError:
            continue
        found = score_run(run, qrels, (name,))[name]
        assert list(found) == list(qrels)
        assert all(map(math.isfinite, found.values()))


@checked
@given(
    name=st.sampled_from(
        ["nDCG", "RR", "AP", "R", "P", "Judged", "Rprec", "Bpref", "IPrec", "SetP", "infAP", "NumRet"]
    ),
    rest=st.sampled_from(["", "@1", "@7", "@1000", "(rel=2)", "(rel=2)@5", "@0.5", "(judged_only=True)@5"])
    | st.text("@()=1rel,.- ", max_size=6),
)
def test_what_is_accepted_can_be_computed_and_the_rest_is_refused(name: str, rest: str) -> None:
    try:
        names = parse_measures((name + rest,))
    except ConfigError:
        return
    found = score_run({"q": Ranking.from_order(["a", "b"])}, {"q": {"b": 2}}, names)
    assert math.isfinite(found[names[0]]["q"])


def test_the_first_stage_must_reach_the_largest_cutoff_and_1000_where_a_measure_has_none() -> None:
    assert needed_depth(("nDCG@10", "R@100")) == 100
    assert needed_depth(("nDCG@10", "AP")) == 1000
    assert needed_depth(("AP", "R@2000")) == 2000
    assert needed_depth(("nDCG(judged_only=True)@10",)) == 1000


def test_a_measure_of_judged_documents_only_does_not_depend_on_the_other_measures() -> None:
    qrels = {"q": {"a": 2, "b": 1, "c": 0}}
    run = {"q": Ranking.from_order(["c", "x", "y", "z", "a", "b"])}
    name = "nDCG(judged_only=True)@2"
    alone = score_run(run, qrels, [name])[name]
    assert alone == score_run(run, qrels, [name, "R@100"])[name]
    assert alone["q"] == pytest.approx((2 / math.log2(3)) / (2 + 1 / math.log2(3)))


def test_grades_far_below_zero_are_not_relevant_and_do_no_harm() -> None:
    qrels = {"q1": {"a": -2}, "q2": {"a": 1, "b": -5}}
    run = {query_id: Ranking.from_order(["a", "b"]) for query_id in qrels}
    for _ in range(50):
        assert score_run(run, qrels, ["nDCG@10"])["nDCG@10"] == {"q1": 0.0, "q2": 1.0}


@pytest.mark.parametrize(("year", "name"), [("2019", "dl19/bm25"), ("2020", "dl20/bm25")])
def test_the_published_bm25_run_has_its_published_and_reference_values(
    collection: FindCollection, year: str, name: str
) -> None:
    folder = collection(f"trec-dl-{year}")
    names = parse_measures(("nDCG@10", "RR@10", "AP@100", "R@100"), relevance_level=2)
    found = score_run(read_run(folder / "runs/bm25.top100.trec"), read_qrels(folder / "qrels/test.tsv"), names)
    means = {measure: float(np.mean(list(values.values()))) for measure, values in found.items()}
    assert means == pytest.approx(figures_of(name), abs=0.0005)
