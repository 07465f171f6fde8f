"""Recorded candidates as RankLLM writes them: empty texts, missing judgments, odd characters, short lists."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval import evaluate
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.datasets.candidates import load_candidates
from rerank_eval.errors import NotEvaluableError
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.retrievers.candidates import Candidates
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import LoadReport, Query, Ranking
from tests.conftest import FindCollection, RunPython
from tests.datasets.hub_server import COMMIT, HubServer
from tests.datasets.rank_llm_files import NEWER, OLDER, QRELS, Make, as_lines, hit, record, texts_of, writer
from tests.fakes import Hashed

QUICK = Settings(depths=(2,), latency=LatencySettings(queries=0))


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    return writer(tmp_path_factory)


def test_the_corpus_is_the_union_of_the_hits_and_the_run_is_the_recorded_one(make: Make) -> None:
    dataset = load_candidates(make(OLDER), make(QRELS, "dl19.qrels"), relevance_level=2)
    assert (dataset.name, dataset.split, dataset.relevance_level) == ("bm25", "dl19", 2)
    assert texts_of(dataset) == {"a": "one", "b": "two", "c": "three"}
    assert dataset.queries == (Query("1", "red"), Query("2", "green"))
    assert dataset.qrels == {"1": {"a": 3}, "2": {"c": 1}}
    assert dataset.first_stage == {"1": Ranking([("a", 2.5), ("b", 1.0)]), "2": Ranking([("c", 9.0)])}
    assert dataset.load_report == LoadReport()


def test_forms_line_ends_bom_blank_lines_and_compression_change_no_content(make: Make) -> None:
    qrels = make(QRELS, "qrels.txt")
    variants = [
        make(OLDER),
        make(NEWER),
        make(as_lines(OLDER), "bm25.jsonl"),
        make(as_lines(NEWER).replace("\n", "\r\n\r\n"), "bm25.jsonl.gz"),
        make("\ufeff\r\n " + json.dumps(NEWER).replace(", ", " ,\r\n"), "bm25.json.gz"),
        make("\ufeff" + as_lines(NEWER), "bm25.json"),
    ]
    datasets = [load_candidates(variant, qrels) for variant in variants]
    assert {dataset.sha256 for dataset in datasets} == {datasets[0].sha256}
    assert all(dataset.first_stage == datasets[0].first_stage for dataset in datasets)


@pytest.mark.parametrize(
    ("doc", "text"),
    [
        ("plain", "plain"),
        ({"text": "t", "contents": "other"}, "t"),
        ({"title": "T", "segment": "s"}, "T s"),
        ({"id": "a", "contents": "c"}, "c"),
        ({"title": None, "body": "b", "url": "u"}, "b"),
        ({"pid": "a", "passage": "p"}, "p"),
        ('{"id": "a", "contents": "c"}', "c"),
        ('{"docid": "a", "title": "T", "body": "b"}', "T b"),
        ('{"id": "b", "contents": "of another"}', '{"id": "b", "contents": "of another"}'),
        ('{"text": "an example in a text"}', '{"text": "an example in a text"}'),
        ("{not JSON", "{not JSON"),
        ("", ""),
    ],
)
@pytest.mark.parametrize("field", ["doc", "content"])
def test_the_text_is_found_in_every_form_of_document(make: Make, doc: object, text: str, field: str) -> None:
    dataset = load_candidates(make([record({"docid": "a", "score": 1, field: doc})]))
    assert texts_of(dataset) == {"a": text}


@pytest.mark.parametrize(("id", "is_packed"), [(123, True), ("123", True), (123.0, False), (True, False), (12, False)])
def test_an_index_may_number_its_documents(make: Make, id: object, is_packed: bool) -> None:
    doc = json.dumps({"id": id, "contents": "the text"})
    assert texts_of(load_candidates(make([record(hit("123", doc=doc))]))) == {"123": "the text" if is_packed else doc}


def test_without_scores_ranks_or_else_the_list_give_the_order(make: Make) -> None:
    for hits, order in (
        ([hit("a", None, rank=2), hit("b", None, rank=1)], ("b", "a")),
        ([hit("a", None), hit("b", None)], ("a", "b")),
        ([{"docid": "b", "doc": ""}, {"docid": "a", "doc": ""}], ("b", "a")),
        ([hit("a", 1), hit("b", 3), hit("c", 3)], ("c", "b", "a")),
    ):
        first_stage = load_candidates(make([record(*hits)])).first_stage
        assert first_stage is not None
        assert first_stage["1"].doc_ids == order


def test_blank_texts_are_kept_and_counted_and_surrogates_replaced(make: Make) -> None:
    records = [record(hit(doc=" "), hit("b", 0.5, "x\udfff\0中文"), text=""), record(query_id="2", text="\ud800")]
    dataset = load_candidates(make(records))
    assert dataset.load_report == LoadReport(replaced_surrogates=2, blank_documents=1, blank_queries=1)
    assert dataset.corpus.text("b") == "x\ufffd\0中文"
    assert dataset.queries == (Query("1", ""), Query("2", "\ufffd"))


def test_queries_without_judgment_hits_or_record_are_counted_and_shown(make: Make) -> None:
    records = [record(hit(), hit("b", 0.5)), record(query_id="2"), record(hit(), query_id="3")]
    dataset = load_candidates(make(records), make("1 0 a 1\n1 0 gone 2\n2 0 a 1\n9 0 a 1\n", "test.qrels"))
    assert dataset.load_report == LoadReport(unjudged_queries=1, unknown_judged_queries=1)
    result = evaluate(dataset, Candidates(), [NoReranker()], QUICK)
    for expected in (
        "data: 1 queries have no judgment and are not evaluated",
        "data: 1 judged queries are not in the dataset's queries and are not evaluated",
        "data: 1 of 3 judgments of grade 1 and up (33.3%) are of documents that the corpus lacks",
        "candidates: the first stage has nothing for 1 of 2 queries; they count as 0",
    ):
        assert any(expected in warning for warning in result.warnings), (expected, result.warnings)
    deeper = Settings(depths=(5,), latency=LatencySettings(queries=0))
    warnings = evaluate(dataset, Candidates(), [NoReranker()], deeper).warnings
    assert any("depth 5 asked" in warning for warning in warnings)


def test_without_qrels_nothing_is_judged(make: Make) -> None:
    dataset = load_candidates(make(NEWER))
    assert (dataset.split, dataset.is_judged, len(dataset.queries)) == ("unjudged", False, 2)
    assert evaluate(dataset, Candidates(), [Hashed()], QUICK).status == "complete"


def test_no_record_and_other_qrels_cannot_be_evaluated(make: Make) -> None:
    for dataset in (load_candidates(make("[ ]")), load_candidates(make(NEWER), make("9 0 a 1\n", "x.qrels"))):
        with pytest.raises(NotEvaluableError, match="no query"):
            evaluate(dataset, Candidates(), [NoReranker()], QUICK)


IDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Z")), min_size=1, max_size=4).filter(
    lambda text: not text[0].isspace()
)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=80, deadline=None, derandomize=True)
@given(
    documents=st.dictionaries(IDS, TEXTS, min_size=1, max_size=5),
    queries=st.dictionaries(IDS, TEXTS, max_size=4),
    seed=st.randoms(use_true_random=False),
    indent=st.sampled_from([None, 1]),
)
def test_every_record_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    documents: Mapping[str, str],
    queries: Mapping[str, str],
    seed: Any,
    indent: int | None,
) -> None:
    run = {
        query_id: {doc_id: seed.uniform(-9, 9) for doc_id in seed.sample(sorted(documents), len(documents))}
        for query_id in queries
    }
    records = [
        record(
            *(hit(doc_id, score, {"text": documents[doc_id]}) for doc_id, score in run[q].items()), query_id=q, text=t
        )
        for q, t in queries.items()
    ]
    path = tmp_path_factory.mktemp("trip") / "a.json"
    path.write_text(json.dumps(records, indent=indent, ensure_ascii=False), encoding="utf-8")
    dataset = load_candidates(str(path))
    assert dict(dataset.queries) == queries
    assert dataset.first_stage == {query_id: Ranking(scores.items()) for query_id, scores in run.items()}
    assert texts_of(dataset) == (documents if queries else {})


def test_files_on_the_hub_are_fetched_once_and_serve_offline(tmp_path: Path, make: Make, run_python: RunPython) -> None:
    files = {"results/bm25.jsonl": as_lines(NEWER).encode(), "qrels/dl19.txt": QRELS.encode()}
    where = f"hf://datasets/team/data@{COMMIT}"
    program = (
        "import sys\n"
        "from rerank_eval.datasets.candidates import load_candidates\n"
        f"d = load_candidates('{where}/results/bm25.jsonl', '{where}/qrels/dl19.txt', offline=sys.argv[1] == 'offline')\n"
        "print(d.name, d.split, d.sha256)\n"
    )
    with HubServer({"team/data": files}) as hub, pytest.MonkeyPatch.context() as patch:
        for variable, value in hub.environment(tmp_path).items():
            patch.setenv(variable, value)
        first = run_python("-c", program, "online")
        assert first.returncode == 0, first.stderr
        hub.stop()
        assert run_python("-c", program, "offline").stdout == first.stdout
    local = load_candidates(make(NEWER), make(QRELS, "dl19.txt"))
    assert first.stdout.split() == ["bm25", "dl19", local.sha256]


@pytest.fixture(scope="module")
def trec_dl_2019(collection: FindCollection, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder in BEIR layout, and the same candidates as RankLLM writes them."""
    folder = collection("trec-dl-2019")
    data = load_beir_dir(str(folder), relevance_level=2)
    run = RunFile(str(folder / "runs" / "bm25.top100.trec")).retrieve(data, 1000)
    records = [
        {
            "query": query.text,
            "hits": [
                {
                    "content": data.corpus.text(doc.doc_id),
                    "qid": int(query.query_id),
                    "docid": doc.doc_id,
                    "rank": rank,
                    "score": doc.score,
                }
                for rank, doc in enumerate(run[query.query_id], start=1)
            ],
        }
        for query in data.queries
    ]
    path = tmp_path_factory.mktemp("rank_llm") / "retrieve_results_dl19.json"
    path.write_text(json.dumps(records, indent=2), encoding="utf-8")
    return folder, path


def assert_same_table(trec_dl_2019: tuple[Path, Path], rerankers: Sequence[Reranker], depths: Sequence[int]) -> None:
    folder, path = trec_dl_2019
    settings = Settings(
        depths=depths, measures=("nDCG@10", "RR@10", "AP@100", "R@100"), latency=LatencySettings(queries=0)
    )
    qrels = str(folder / "qrels" / "test.tsv")
    recorded = RunFile(str(folder / "runs" / "bm25.top100.trec"))
    from_folder = evaluate(load_beir_dir(str(folder), relevance_level=2), recorded, rerankers, settings)
    from_file = evaluate(load_candidates(str(path), qrels, relevance_level=2), Candidates(), rerankers, settings)
    assert [system.depths for system in from_file.systems] == [system.depths for system in from_folder.systems]
    assert from_file.ceiling == from_folder.ceiling
    assert from_file.runs == from_folder.runs
    assert from_file.scores == from_folder.scores
    assert from_file.systems[0].depths[0].measures["nDCG@10"].mean == pytest.approx(0.5058, abs=5e-5)


def test_the_table_is_that_of_the_run_file_over_the_same_data(trec_dl_2019: tuple[Path, Path]) -> None:
    assert_same_table(trec_dl_2019, [NoReranker(), Hashed(), Oracle()], (10, 20, 50, 100))


@pytest.mark.slow
def test_the_table_of_a_model_is_that_of_the_run_file(trec_dl_2019: tuple[Path, Path]) -> None:
    assert_same_table(trec_dl_2019, [MiniLM()], (10,))
