"""The embedded collection keeps what its data card says."""

import json
from pathlib import Path

import pytest

from rerank_eval import LatencySettings, Settings, evaluate
from rerank_eval.answers.measures import normalise
from rerank_eval.datasets import helpdesk as helpdesk_module
from rerank_eval.datasets.helpdesk import load_helpdesk
from rerank_eval.rerankers.bge_small import BGESmall
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.types import Dataset

NO_LATENCY = LatencySettings(queries=0)


@pytest.fixture(scope="module")
def helpdesk() -> Dataset:
    return load_helpdesk()


def test_sizes_and_grades_are_those_of_the_data_card(helpdesk: Dataset) -> None:
    grades = [grade for judged in helpdesk.qrels.values() for grade in judged.values()]
    assert (len(helpdesk.corpus), len(helpdesk.queries)) == (336, 84)
    assert {grade: grades.count(grade) for grade in range(4)} == {0: 1858, 1: 212, 2: 84, 3: 106}
    assert len(grades) == 2260


def test_articles_have_40_to_150_words_without_their_titles() -> None:
    lines = (Path(helpdesk_module.__file__).parent / "helpdesk_data" / "corpus.jsonl").read_text(encoding="utf-8")
    num_words = [len(json.loads(line)["text"].split()) for line in lines.splitlines()]
    assert len(num_words) == 336
    assert min(num_words) >= 40
    assert max(num_words) <= 150


def test_every_query_has_several_relevant_documents_and_all_judged_ones_exist(helpdesk: Dataset) -> None:
    for judged in helpdesk.qrels.values():
        assert sum(grade > 0 for grade in judged.values()) >= 2
        assert all(doc_id in helpdesk.corpus for doc_id in judged)


def test_reference_answers_are_short_and_in_the_words_of_an_article_that_answers_fully(helpdesk: Dataset) -> None:
    assert len(helpdesk.reference_answers) == 63
    for query_id, references in helpdesk.reference_answers.items():
        assert all(len(reference.split()) <= 9 for reference in references)
        articles = [
            set(normalise(helpdesk.corpus.text(doc_id)).split())
            for doc_id, grade in helpdesk.qrels[query_id].items()
            if grade == 3
        ]
        said = [words for text in references if (words := set(normalise(text).split()) - {"yes", "no"})]
        assert max(len(words & article) / len(words) for words in said for article in articles) >= 0.75, query_id


def test_no_two_articles_or_queries_are_the_same(helpdesk: Dataset) -> None:
    assert len(set(helpdesk.corpus.texts())) == len(helpdesk.corpus)
    assert len({query.text for query in helpdesk.queries}) == len(helpdesk.queries)


def test_bm25_leaves_room_and_its_top_ten_is_judged(helpdesk: Dataset) -> None:
    result = evaluate(helpdesk, BM25(), [NoReranker()], Settings(depths=(10,), latency=NO_LATENCY))
    first_stage = result.systems[0].depths[0]
    assert first_stage.measures["nDCG@10"].mean == pytest.approx(0.5630, abs=0.0005)
    assert first_stage.judged_at_10 == 1.0


@pytest.mark.slow
def test_the_cross_encoder_gains_and_every_top_ten_is_judged(helpdesk: Dataset) -> None:
    settings = Settings(depths=(5, 10, 20, 30, 50, 100), latency=NO_LATENCY)
    result = evaluate(helpdesk, BM25(), [MiniLM(), BGESmall()], settings)
    for system in result.systems:
        for depth in system.depths:
            # another processor rounds the int8 models otherwise, and may put a document forward that was never pooled
            assert depth.judged_at_10 == pytest.approx(1.0, abs=0.01)
    at_50 = next(depth for depth in result.systems[0].depths if depth.depth == 50).measures["nDCG@10"]
    assert at_50.difference is not None
    assert at_50.difference["mean"] is not None
    assert at_50.difference["low"] is not None
    assert at_50.difference["mean"] >= 0.08
    assert at_50.difference["low"] > 0
