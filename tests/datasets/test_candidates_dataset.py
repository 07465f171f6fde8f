"""Recorded candidates as RankLLM writes them (faults.md, rows 1, 2, 5 to 7, 9, 10, 25 and 27)."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval import evaluate
from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.datasets.candidates import load_candidates
from rerank_eval.errors import ConfigError, DataError, NotEvaluableError
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.minilm import MiniLM
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.rerankers.oracle import Oracle
from rerank_eval.retrievers.candidates import Candidates
from rerank_eval.retrievers.run_file import RunFile
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, LoadReport, Query, Ranking
from tests.conftest import RunPython
from tests.fakes import Hashed
from tests.hub_server import COMMIT, HubServer

QUICK = Settings(depths=(2,), latency=LatencySettings(queries=0))
QRELS = "1 0 a 3\n2 0 c 1\n"
OLDER = [
    {
        "query": "red",
        "hits": [
            {"content": "one", "qid": 1, "docid": "a", "rank": 1, "score": 2.5},
            {"content": "two", "qid": 1, "docid": "b", "rank": 2, "score": 1},
        ],
    },
    {"query": "green", "hits": [{"content": "three", "qid": 2, "docid": "c", "rank": 1, "score": 9.0}]},
]
NEWER = [
    {
        "query": {"text": "red", "qid": "1"},
        "candidates": [
            {"docid": "a", "score": 2.5, "doc": {"contents": "one"}},
            {"docid": "b", "score": 1, "doc": {"title": "", "text": "two"}},
        ],
    },
    {"query": {"text": "green", "qid": 2}, "candidates": [{"docid": "c", "score": 9.0, "doc": "three"}]},
]
Make = Callable[..., str]


@pytest.fixture
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    def write(content: str | Sequence[object], name: str = "bm25.json") -> str:
        text = content if isinstance(content, str) else json.dumps(content, indent=2)
        path = tmp_path_factory.mktemp("candidates") / name
        path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
        return str(path)

    return write


def as_lines(records: Sequence[object]) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)


def texts_of(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True))


def hit(doc_id: object = "a", score: object = 1.0, doc: object = "one", **others: object) -> dict[str, object]:
    return {"docid": doc_id, "score": score, "doc": doc, **others}


def record(*hits: object, query_id: object = "1", text: object = "red") -> dict[str, object]:
    return {"query": {"text": text, "qid": query_id}, "candidates": list(hits)}


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


BAD: list[tuple[object, str]] = [
    ([1], "not a JSON object"),
    ({"query": {"text": "red", "qid": "1"}}, "'candidates' .* must be a list"),
    (record(query_id=None), "qid must be a non-empty string"),
    (record(query_id="a b"), "qid has white space"),
    (record(text=None), "'text' must be a string"),
    ({"query": 5, "hits": []}, "'query' must be a string"),
    ({"query": "red", "hits": []}, "qid must be a non-empty string"),
    (record("a"), "not a JSON object"),
    (record(hit(doc_id="")), "docid must be a non-empty string"),
    (record(hit(doc_id="\ud800")), "docid is no valid Unicode"),
    (record(hit(score="15.8")), "'score' must be a number"),
    (record(hit(score=True)), "'score' must be a number"),
    (record(hit(score=float("nan"))), "'score' must be finite"),
    (record(hit(score=10**400)), "'score' must be finite"),
    (record(hit(score=1.0), hit("b", score=None)), "'score' must be a number, in every hit or in none"),
    (record(hit(score=None, rank="1")), "'rank' must be a number"),
    (record(hit(doc=None)), "a hit needs its text"),
    (record(hit(doc={"title": "only"})), "a document has its text in one of the fields"),
    (record(hit(doc={"text": 5})), "'text' must be a string"),
    (record(hit(qid=1), hit("b", qid=2)), "the hits have several qids"),
]


@pytest.mark.parametrize(("bad", "reason"), BAD, ids=[reason for _, reason in BAD])
def test_a_malformed_record_is_an_error_or_skipped_and_counted(make: Make, bad: object, reason: str) -> None:
    as_list = "[\n" + ",\n".join(json.dumps(found) for found in (*NEWER, bad)) + "\n]"
    for path in (make(as_lines([*NEWER, "", bad])[:-1].replace('""\n', "\n"), "a.jsonl"), make(as_list, "a.json")):
        with pytest.raises(DataError, match=rf"a\.jsonl?:4: .*{reason}") as caught:
            load_candidates(path)
        assert len(str(caught.value)) < len(path) + 300
        dataset = load_candidates(path, on_bad_line="skip")
        assert dataset.load_report == LoadReport(skipped_lines=1)
        assert len(dataset.queries) == 2


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("[", r":1: not JSON"),
        ('[\n{"query": ', r":2: not JSON"),
        ("[\n{},\n{},\n", r":4: not JSON"),
        ("[\n{}\n{}]", r":2: not JSON \(',' or ']' is missing"),
        ("[{}]\n[{}]", r":2: not JSON \(something follows"),
        ("[\n" + "1" * 5000 + "]", r":2: not JSON that can be read"),
        ("[" * 100_000, r":1: not JSON that can be read"),
        ("[]x", r":1: not JSON \(something follows"),
    ],
)
def test_a_list_that_is_no_json_is_an_error_even_where_bad_records_are_skipped(
    make: Make, content: str, place: str
) -> None:
    with pytest.raises(DataError, match="a.json" + place):
        list(load_candidates(make(content, "a.json"), on_bad_line="skip").queries)


def test_a_list_that_is_no_utf8_and_a_truncated_gzip_name_their_place(tmp_path: Path, make: Make) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(b'[\n"\xff"]')
    with pytest.raises(DataError, match=r"a\.json:2: not UTF-8"):
        load_candidates(str(path))
    zipped = Path(make(OLDER, "a.json.gz"))
    zipped.write_bytes(zipped.read_bytes()[:-9])
    with pytest.raises(DataError, match=r"a\.json\.gz: cannot be read"):
        load_candidates(str(zipped))


def test_a_bomb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    with gzip.open(path, "wb") as file:
        for _ in range(66):
            file.write(b" " * (1 << 20) + b"\n")
    with pytest.raises(DataError, match=r"a\.json\.gz: unpacks to more than 200 times its size"):
        load_candidates(str(path))


def test_one_id_with_two_contents_is_an_error_that_names_both_places(make: Make) -> None:
    other = record(hit("a", doc="else"), query_id="2", text="green")
    with pytest.raises(DataError, match=r"a\.jsonl:2: doc_id 'a' comes twice with different texts \(first in line 1\)"):
        load_candidates(make(as_lines([record(hit()), other]), "a.jsonl"))
    with pytest.raises(DataError, match=r"a\.jsonl:2: query_id '1' comes twice with different texts \(first in line 1"):
        load_candidates(make(as_lines([record(hit()), record(hit(), text="green")]), "a.jsonl"))
    with pytest.raises(DataError, match=r"a\.jsonl:2: query '1' has other hits than in line 1"):
        load_candidates(make(as_lines([record(hit()), record(hit("b"))]), "a.jsonl"))
    with pytest.raises(DataError, match=r"a\.jsonl:1: query '1' has document 'a' twice"):
        load_candidates(make(as_lines([record(hit(), hit(score=2.0))]), "a.jsonl"), on_bad_line="skip")


def test_identical_duplicates_are_dropped_and_counted_but_not_documents_of_several_queries(make: Make) -> None:
    shared = [record(hit()), record(hit(), query_id="2")]
    assert load_candidates(make(shared)).load_report == LoadReport()
    repeated = [*shared, shared[0], record(hit(), hit(), query_id="3")]
    assert load_candidates(make(repeated)).load_report == LoadReport(dropped_duplicates=2)


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
        "data: 1 of 3 documents judged above 0 (33.3%) are missing from the corpus",
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


@pytest.mark.parametrize("name", ["../x", "a/b", "/etc", "..", ".hidden", "a b", "a\x00b"])
def test_names_that_could_leave_a_folder_are_refused(make: Make, name: str) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.name .* cannot name a file"):
        load_candidates(make(NEWER), name=name)


def test_missing_files_and_wrong_settings_are_named(make: Make, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.json: no such file"):
        load_candidates(str(tmp_path / "none.json"))
    with pytest.raises(DataError, match=r"none\.qrels: no such file"):
        load_candidates(make(NEWER), str(tmp_path / "none.qrels"))
    with pytest.raises(ConfigError, match=r"dataset\.relevance_level is 0"):
        load_candidates(make(NEWER), relevance_level=0)
    for where in ("hf://datasets/a/b/c.json", "hf://models/a/b@main/c", "hf://datasets/../b@x"):
        with pytest.raises(ConfigError, match=r"dataset\.path is .* hf://datasets/OWNER/NAME@COMMIT/FILE"):
            load_candidates(where)
    with pytest.raises(ConfigError, match=r"dataset\.revision 'main' of a/b is no commit"):
        load_candidates("hf://datasets/a/b@main/c.json")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["query", "candidates", "hits", "text", "qid", "docid", "score", "rank", "doc", "content"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(content=st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()), zipped=st.booleans())
def test_any_bytes_are_a_dataset_or_an_error_of_the_data(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, zipped: bool
) -> None:
    path = tmp_path_factory.mktemp("any") / ("a.json.gz" if zipped else "a.json")
    path.write_bytes(gzip.compress(content) if zipped else content)
    try:
        dataset = load_candidates(str(path))
    except DataError as error:
        place = error.path
    else:
        place = path
        assert dataset.first_stage is not None
        assert set(dataset.first_stage) == {query.query_id for query in dataset.queries}
    assert place == path


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
def trec_dl_2019(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folder in BEIR layout, and the same candidates as RankLLM writes them."""
    folder = shared_data / "trec-dl-2019"
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
