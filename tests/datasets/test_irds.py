"""Collections of ir_datasets, built in the test with the package's own classes: wrong records, missing judgments, failed downloads."""

from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from threading import Thread
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rerank_eval import evaluate
from rerank_eval.components import make_component
from rerank_eval.datasets.irds import load_irds
from rerank_eval.errors import ConfigError, DataError, NotEvaluableError, UnreachableError
from rerank_eval.rerankers.none import NoReranker
from rerank_eval.retrievers.bm25 import BM25
from rerank_eval.settings import LatencySettings, Settings
from rerank_eval.types import Dataset, LoadReport, Query
from tests.conftest import RunPython
from tests.test_missing_extras import HIDE

QUICK = Settings(depths=(2, 9), latency=LatencySettings(queries=0))
DOCUMENTS = [("d1", "one"), ("d2", " two red\n"), ("d3", "three")]
QUERIES = [("q1", "red\n"), ("q2", "green")]
QRELS = [("q1", "d2", 2), ("q1", "d1", 0), ("q2", "d3", 1)]
Rows = Sequence[tuple[Any, ...]]
numbers = count()


class Titled(NamedTuple):
    """A document of several fields without a default text, as some of the package's are."""

    doc_id: str
    title: str
    body: str


@pytest.fixture(scope="module", autouse=True)
def _own_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the package, which reads the variable when it is imported, from the user's folder; ask once, not three times."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IR_DATASETS_HOME", str(tmp_path_factory.mktemp("irds")))
        patch.setenv("IR_DATASETS_DL_TRIES", "1")
        patch.setenv("IR_DATASETS_DL_403_TRIES", "1")
        yield


def register(
    documents: Rows | None = DOCUMENTS,
    queries: Rows | None = QUERIES,
    qrels: Rows | None = QRELS,
    document_class: Any = None,
    suffix: str = "",
) -> str:
    """Make the collection known to the package and return its id."""
    import ir_datasets
    from ir_datasets.formats import BaseDocs, BaseQrels, BaseQueries, GenericDoc, GenericQuery, TrecQrel

    class Docs(BaseDocs):  # type: ignore[misc] # the package has no types
        def docs_cls(self) -> Any:
            return document_class or GenericDoc

        def docs_iter(self) -> Iterator[Any]:
            return iter([self.docs_cls()(*row) for row in documents or ()])

    class Queries(BaseQueries):  # type: ignore[misc]
        def queries_cls(self) -> Any:
            return GenericQuery

        def queries_iter(self) -> Iterator[Any]:
            return iter([GenericQuery(*row) for row in queries or ()])

    class Qrels(BaseQrels):  # type: ignore[misc]
        def qrels_cls(self) -> Any:
            return TrecQrel

        def qrels_iter(self) -> Iterator[Any]:
            return iter([TrecQrel(*row, "0") for row in qrels or ()])

    parts = [made for rows, made in ((documents, Docs()), (queries, Queries()), (qrels, Qrels())) if rows is not None]
    id = f"rerank-eval-test-{next(numbers)}{suffix}"
    ir_datasets.registry.register(id, ir_datasets.Dataset(*parts))
    return id


def texts_of(dataset: Dataset) -> dict[str, str]:
    return dict(zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True))


def test_documents_queries_and_judgments_of_an_id_are_read() -> None:
    id = register(suffix="/dl/judged")
    dataset = load_irds(id, relevance_level=2)
    assert (dataset.name, dataset.split, dataset.relevance_level) == (id.replace("/", "-"), "judged", 2)
    assert texts_of(dataset) == {"d1": "one", "d2": "two red", "d3": "three"}
    assert dataset.queries == (Query("q1", "red"), Query("q2", "green"))
    assert dataset.qrels == {"q1": {"d2": 2, "d1": 0}, "q2": {"d3": 1}}
    assert dataset.load_report == LoadReport()


def test_fields_may_be_chosen_and_must_be_where_there_is_no_default_text() -> None:
    id = register([("d1", "T", "b"), ("d2", "", "c")], document_class=Titled)
    with pytest.raises(ConfigError, match=r"dataset\.document_fields: .* no default text; choose from title, body"):
        load_irds(id)
    with pytest.raises(ConfigError, match=r"dataset\.document_fields has 'text': valid: body, title"):
        load_irds(id, document_fields=["text"])
    assert texts_of(load_irds(id, document_fields=["title", "body"])) == {"d1": "T b", "d2": "c"}
    assert texts_of(load_irds(id, document_fields=["body"])) == {"d1": "b", "d2": "c"}


def test_without_judgments_it_is_a_query_log() -> None:
    dataset = load_irds(register(qrels=None))
    assert (dataset.split, dataset.is_judged, len(dataset.queries)) == ("unjudged", False, 2)


def test_an_unknown_id_names_the_nearest_and_half_a_collection_those_within() -> None:
    with pytest.raises(ConfigError, match=r"dataset\.id: ir_datasets knows no 'vaswanni': did you mean vaswani\?"):
        load_irds("vaswanni")
    with pytest.raises(ConfigError, match="has not both documents and queries: did you mean msmarco-passage/"):
        load_irds("msmarco-passage")
    for id in ("../../etc", "/etc/passwd", "", "http://127.0.0.1/x"):
        with pytest.raises(ConfigError, match=r"dataset\.id: ir_datasets knows no") as caught:
            load_irds(id)
        assert len(str(caught.value)) < 400


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"documents": [*DOCUMENTS, ("d1", "else")]}, r":4: doc_id 'd1' .* \(first in line 1\)"),
        ({"queries": [*QUERIES, ("q1", "else")]}, r":3: query_id 'q1' .* \(first in line 1\)"),
        (
            {"qrels": [*QRELS, ("q1", "d2", 0)]},
            r"qrels:4: query 'q1', document 'd2' is judged 0 here and judged 2 in line 1",
        ),
        ({"documents": [("a b", "one")]}, ":1: doc_id has white space"),
        ({"queries": [("", "one")]}, ":1: query_id must be a non-empty string"),
        ({"qrels": [("q1", "d1", "x")]}, r"qrels:1: the relevance must be an integer"),
        ({"qrels": [("q1", "d1", 10_000)]}, r"qrels:1: the relevance must be an integer between -9999 and 9999"),
        ({"qrels": [("q1", "d 1", 1)]}, r"qrels:1: doc_id has white space"),
    ],
)
def test_records_that_are_wrong_or_disagree_are_named(changed: dict[str, Any], reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        load_irds(register(**changed))


def test_what_loading_found_is_in_the_report() -> None:
    documents = [*DOCUMENTS, DOCUMENTS[0], ("d4", " "), ("d5", "x\udfff\0中文")]
    queries = [*QUERIES, QUERIES[0], ("q3", ""), ("q4", "no judgment")]
    qrels = [*QRELS, QRELS[0], ("q1", "gone", 1), ("q3", "d4", 0), ("q9", "d1", 1)]
    dataset = load_irds(register(documents, queries, qrels))
    assert dataset.load_report == LoadReport(
        dropped_duplicates=3,
        replaced_surrogates=1,
        blank_documents=1,
        blank_queries=1,
        unjudged_queries=1,
        unknown_judged_queries=1,
    )
    assert dataset.corpus.text("d5") == "x\ufffd\0中文"
    warnings = evaluate(dataset, BM25(), [NoReranker()], QUICK).warnings
    for expected in ("1 queries have no judgment", "the corpus lacks", "no relevant document", "depth 9 asked"):
        assert any(expected in warning for warning in warnings), (expected, warnings)


@pytest.mark.parametrize("name", ["../x", "a/b", "..", ".hidden", "a b"])
def test_names_that_could_leave_a_folder_are_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.name .* cannot name a file"):
        load_irds(register(), name=name)


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    documents=st.dictionaries(st.text(max_size=3), TEXTS, max_size=4),
    queries=st.dictionaries(st.text(max_size=3), TEXTS, max_size=4),
)
def test_any_records_are_a_dataset_or_an_error_of_the_data(documents: dict[str, str], queries: dict[str, str]) -> None:
    id = register(list(documents.items()), list(queries.items()), None)
    try:
        dataset = load_irds(id)
    except DataError as error:
        place = error.path
    else:
        place = id
        assert texts_of(dataset) == {doc_id: text.strip() for doc_id, text in documents.items()}
        assert dict(dataset.queries) == {query_id: text.strip() for query_id, text in queries.items()}
    assert place == id


@pytest.mark.parametrize(
    ("status", "reason"),
    # the package reads the page of an error as content, but for 403, and finds out by its hash
    [(404, "HashVerificationError"), (403, "HTTPError: 403"), (500, "HashVerificationError")],
)
def test_a_download_that_fails_is_named_with_its_reason(tmp_path: Path, status: int, reason: str) -> None:
    import ir_datasets
    from ir_datasets.formats import TrecQrels, TsvDocs, TsvQueries
    from ir_datasets.util import Cache, Download, RequestsDownload

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *arguments: object) -> None:
            """Keep stderr for the tests."""

        def do_GET(self) -> None:
            self.send_error(status)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}"
        docs, queries, qrels = (
            Cache(Download([RequestsDownload(f"{url}/{name}")], tmp_path / f"{name}.raw", "0" * 32), tmp_path / name)
            for name in ("docs", "queries", "qrels")
        )
        id = f"rerank-eval-test-{next(numbers)}/{status}"
        ir_datasets.registry.register(id, ir_datasets.Dataset(TsvDocs(docs), TsvQueries(queries), TrecQrels(qrels, {})))
        try:
            with pytest.raises(NotEvaluableError, match=rf"cannot give the qrels of '{id}' \({reason}"):
                load_irds(id)
        finally:
            server.shutdown()
            thread.join()
    with pytest.raises(
        UnreachableError, match=rf"^cannot reach 127\.0\.0\.1 for the qrels of '{id}', which ir_datasets down"
    ) as gone:
        load_irds(id)
    assert gone.value.host == "127.0.0.1"


def test_no_mirror_that_can_be_reached_is_one_error_and_no_line_of_the_package(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import ir_datasets
    from ir_datasets.formats import TsvDocs, TsvQueries
    from ir_datasets.util import Cache, Download, RequestsDownload

    mirrors = [RequestsDownload(f"http://127.0.0.1:1/{name}") for name in ("one", "two")]
    docs, queries = (
        Cache(Download(mirrors, tmp_path / f"{name}.raw"), tmp_path / name) for name in ("docs", "queries")
    )
    id = f"rerank-eval-test-{next(numbers)}"
    ir_datasets.registry.register(id, ir_datasets.Dataset(TsvDocs(docs), TsvQueries(queries)))
    with pytest.raises(UnreachableError, match=r"^cannot reach 127\.0\.0\.1 for the queries of"):
        load_irds(id)
    assert capfd.readouterr() == ("", "")


def test_a_collection_of_the_package_is_evaluated_from_the_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, run_python: RunPython
) -> None:
    home = tmp_path / "home" / "vaswani"
    home.mkdir(parents=True)
    (home / "docs.txt").write_text("1\ncompact memories\n   /\n2\nnoise in circuits\n   /\n")
    (home / "queries.txt").write_text("1\nmemories\n/\n2\ncircuits\n/\n")
    (home / "qrels.txt").write_text("1\n1\n   /\n2\n2 1\n   /\n")
    monkeypatch.setenv("IR_DATASETS_HOME", str(home.parent))
    arguments = ("dataset=irds", "dataset.id=vaswani", "depths=[2]", "store.path=null", "latency.queries=0")
    done = run_python("-m", "rerank_eval", *arguments, "reranker=[none]", "measures=[RR@10]", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "vaswani (vaswani): 2 documents, 2 judged queries" in done.stdout
    failed = run_python("-m", "rerank_eval", *arguments, "dataset.id=vaswanni", cwd=tmp_path)
    assert (failed.returncode, failed.stdout) == (2, "")
    assert "did you mean vaswani?" in failed.stderr
    assert "Traceback" not in failed.stderr


def test_without_the_package_the_extra_that_brings_it_is_named(run_python: RunPython) -> None:
    program = "from rerank_eval.datasets.irds import load_irds\nload_irds('vaswani')\n"
    done = run_python("-c", HIDE + program, "ir_datasets")
    assert "MissingExtraError: the package 'ir_datasets' is not installed" in done.stderr
    assert "pip install 'rerank-eval[irds]'" in done.stderr


def test_the_setting_is_named_where_it_is_wrong() -> None:
    component = {"_target_": "rerank_eval.datasets.irds.load_irds", "id": "vaswani", "relevance_level": 0}
    with pytest.raises(ConfigError, match=r"dataset\.relevance_level is 0"):
        make_component(component, "dataset")
