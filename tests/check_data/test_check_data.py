"""What `check-data` finds in a dataset, and how it ends."""

import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from rerank_eval.check_data.report import DataReport, Unjudged, describe_data
from rerank_eval.check_data.tables import print_data_report
from rerank_eval.commands import run_command
from rerank_eval.corpus import Corpus
from rerank_eval.errors import ConfigError, DataError, NotEvaluableError
from rerank_eval.evaluation.evaluation import prepare
from rerank_eval.evaluation.losses import find_bounds
from rerank_eval.protocols import SilentProgress
from rerank_eval.settings import Settings
from rerank_eval.types import Dataset, Query
from tests.conftest import FindCollection
from tests.fakes import FixedRetriever, Recorder, make_dataset, write_beir_folder

SETTINGS = Settings(depths=(2, 5), measures=("nDCG@10", "R@10"))


def described(dataset: Dataset) -> DataReport:
    return describe_data(prepare(dataset, FixedRetriever(), SETTINGS, SilentProgress()), SilentProgress())


def printed(report: DataReport) -> str:
    console = Console(file=io.StringIO(), width=200)
    print_data_report(report, console)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def with_documents(*added: tuple[str, str]) -> Dataset:
    dataset = make_dataset()
    documents = zip(dataset.corpus.doc_ids, dataset.corpus.texts(), strict=True)
    return replace(dataset, corpus=Corpus([*documents, *added]))


def test_a_sound_dataset_has_no_problem() -> None:
    report = described(make_dataset())
    assert report.problems == ()
    assert (report.documents.count, report.queries.count) == (12, 6)
    assert report.self_retrieval.examples == ()


def test_judgments_are_counted_per_query_and_grade() -> None:
    dataset = make_dataset()
    judgments = described(replace(dataset, relevance_level=2)).judgments
    grades = [grade for judged in dataset.qrels.values() for grade in judged.values()]
    assert judgments is not None
    assert (judgments.count, judgments.relevant) == (18, sum(grade >= 2 for grade in grades))
    assert judgments.grades == {grade: grades.count(grade) for grade in range(4)}
    assert judgments.per_query is not None
    assert (judgments.per_query.minimum, judgments.per_query.maximum) == (3, 3)


def test_queries_without_a_relevant_document_are_named() -> None:
    dataset = make_dataset()
    qrels = {**dataset.qrels, "q002": dict.fromkeys(dataset.qrels["q002"], 0)}
    report = described(replace(dataset, qrels=qrels))
    assert report.judgments is not None
    assert report.judgments.without_relevant == ("q002",)
    assert any("1 queries have no relevant document" in problem for problem in report.problems)


def test_judged_documents_that_are_missing_are_counted_and_named() -> None:
    dataset = make_dataset()
    qrels = {**dataset.qrels, "q001": {"gone1": 0, "gone2": 3, "d001": 1}}
    report = described(replace(dataset, qrels=qrels))
    assert report.judgments is not None
    assert (report.judgments.missing, report.judgments.missing_relevant) == (2, 1)
    assert report.judgments.missing_examples == ("gone1", "gone2")
    assert any("are of documents that the corpus lacks" in problem for problem in report.problems)


def test_the_problem_and_the_table_have_one_relevance_level() -> None:
    dataset = make_dataset()
    qrels = {**dataset.qrels, "q001": {"gone1": 1, "gone2": 3, "d001": 1}}
    report = described(replace(dataset, qrels=qrels, relevance_level=2))
    judgments = report.judgments
    assert judgments is not None
    counts = f"data: {judgments.missing_relevant} of {judgments.relevant} judgments of grade 2 and up "
    assert (judgments.missing_relevant, [p for p in report.problems if p.startswith(counts)]) == (
        1,
        [p for p in report.problems if "corpus lacks" in p],
    )


def test_candidates_without_a_judgment_are_counted() -> None:
    dataset = make_dataset(num_documents=30)
    evaluation = prepare(dataset, FixedRetriever(), replace(SETTINGS, depths=(20,)), SilentProgress())
    report = describe_data(evaluation, SilentProgress())
    tops = {query_id: ranking.doc_ids for query_id, ranking in evaluation.first_stage.items()}
    unjudged = {(q, position) for q, ids in tops.items() for position, d in enumerate(ids) if d not in dataset.qrels[q]}
    in_top_10 = sum(position < 10 for _, position in unjudged)
    assert report.first_stage.unjudged == Unjudged(len(unjudged), 6 * 20, in_top_10, 6 * 10)
    assert 0 < in_top_10 < len(unjudged)
    shares = f"{in_top_10} ({in_top_10 / 60:.1%}) of the 60 in the top 10, {len(unjudged)} ({len(unjudged) / 120:.1%})"
    assert f"without a judgment, so not relevant to a measure: {shares} of all 120 candidates" in printed(report)


def test_an_id_alone_that_query_and_document_share_is_called_harmless() -> None:
    found = printed(described(with_documents(("q000", "Title bill question 0"), ("q001", "something else"))))
    assert "queries that are documents: 1 by id and text, 0 by text\n" in found
    assert "queries that have the id of a document with another text: 1, which is harmless" in found
    assert "harmless" not in printed(described(with_documents(("q000", "Title bill question 0"))))


def test_repeated_and_blank_texts_are_found() -> None:
    report = described(with_documents(("copy", "bill bill number 0"), ("e1", " "), ("e2", ""), ("last", "x")))
    assert (report.documents.repeated, report.documents.repeated_example) == (1, ("d000", "copy"))
    assert report.documents.blank == 2
    assert any("1 documents (6.2%) repeat the text of another, e.g. copy that of d000" in p for p in report.problems)


def test_a_query_that_is_a_document_is_found_by_id_or_text() -> None:
    dataset = with_documents(("q000", "Title bill question 0"), ("q001", "something else"), ("d900", "word question 2"))
    found = described(dataset).self_retrieval
    assert (found.same_id, found.own_document, found.same_text) == (2, 1, 1)
    assert found.examples == (("q000", "q000"), ("q002", "d900"))
    assert dataset.queries[2] == Query("q002", "word question 2")


def test_a_query_in_its_own_document_is_a_problem_unless_that_is_removed() -> None:
    dataset = with_documents(("q000", "Title bill question 0"))
    assert [
        problem for problem in described(dataset).problems if "have their id" in problem or "has their id" in problem
    ]
    assert described(replace(dataset, removes_query_document=True)).problems == ()


def test_the_ceiling_and_the_relevant_found_are_those_of_the_candidates() -> None:
    dataset = make_dataset()
    evaluation = prepare(dataset, FixedRetriever(), SETTINGS, SilentProgress())
    stage = describe_data(evaluation, SilentProgress()).first_stage
    assert {reach.depth: reach.ceiling for reach in stage.reach} == find_bounds(evaluation).ceiling()
    for reach in stage.reach:
        tops = {query_id: set(ranking.doc_ids[: reach.depth]) for query_id, ranking in evaluation.first_stage.items()}
        relevant = {(q, d) for q, grades in dataset.qrels.items() for d, grade in grades.items() if grade >= 1}
        assert reach.relevant_found == sum(doc_id in tops[query_id] for query_id, doc_id in relevant)
        assert reach.ceiling["nDCG@10"] >= stage.means["nDCG@10"]


def test_the_detectable_effect_is_that_of_differences_with_the_stated_correlation() -> None:
    dataset = make_dataset(num_queries=40, num_documents=60)
    evaluation = prepare(dataset, FixedRetriever(), SETTINGS, SilentProgress())
    values = np.array(list(evaluation.score(evaluation.first_stage, ["nDCG@10"])["nDCG@10"].values()))
    found = describe_data(evaluation, SilentProgress()).detectable
    assert [item.correlation for item in found] == [0.9, 0.7, 0.5]
    # a second system with the same spread and the correlation 0.5, made by hand
    random = np.random.default_rng(0).normal(size=len(values))
    centred = values - values.mean()
    noise = random - random.mean() - (random @ centred / (centred @ centred)) * centred
    other = 0.5 * centred + np.sqrt(0.75) * noise * np.linalg.norm(centred) / np.linalg.norm(noise)
    assert found[-1].deviation == pytest.approx((values - other).std(ddof=1))
    # (t of 97.5% + t of 80%) with 39 degrees of freedom, from a table
    assert found[-1].effect == pytest.approx((2.0227 + 0.8512) * found[-1].deviation / np.sqrt(40), rel=1e-4)
    assert found[0].effect < found[-1].effect


@pytest.mark.parametrize(
    ("count", "problem", "note"),
    [(4, "4 queries give no interval", ""), (6, "", "6 queries give intervals that are too narrow"), (20, "", "")],
)
def test_too_few_queries_are_said_with_why_there_is_no_smallest_difference(count: int, problem: str, note: str) -> None:
    report = described(make_dataset(count))
    for sentences, begins in ((report.problems, problem), (report.notes, note)):
        assert len(sentences) == bool(begins)
        assert all(sentence.startswith(begins) for sentence in sentences)
    assert (report.undetectable is None, bool(report.detectable)) == (count >= 6, count >= 6)
    reason = "cannot be told, as fewer than 6 queries show no difference, however large it is"
    assert (reason in printed(report)) is (count < 6)


def test_equal_values_leave_the_smallest_difference_unknown_and_that_is_said() -> None:
    dataset = make_dataset()
    nothing = {query_id: dict.fromkeys(grades, 0) for query_id, grades in dataset.qrels.items()}
    report = described(replace(dataset, qrels=nothing))
    assert report.detectable == ()
    assert "cannot be told, as all 6 queries have the same nDCG@10" in printed(report)


def test_without_judgments_there_is_no_ceiling_and_that_is_said() -> None:
    report = described(replace(make_dataset(), qrels={}))
    assert "fixed, 10 deep: 10 to 10 candidates per query, median 10" in printed(report)
    assert "ceiling" not in printed(report)
    assert (report.judgments, report.detectable, report.first_stage.reach) == (None, (), ())
    assert "note: data: the queries have no judgments" in printed(report)


def test_a_query_log_passes_a_strict_check(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "log.csv"
    path.write_text("query,document\none,first text\ntwo,second text\n")
    log = ["dataset=triples", f"dataset.path={path}", "retriever=candidates", "depths=[1]"]
    assert run_command("check-data", [*log, "--strict"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2].startswith("note: data: the queries have no judgments")
    assert lines[-1] == "no problem found"


def test_a_log_with_a_column_of_no_use_passes_a_strict_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The mapping of the note is the whole one, since it takes the place of the user's own."""
    path = tmp_path / "log.csv"
    path.write_text("question,document,timestamp\none,first text,2\ntwo,second text,1\n")
    log = ["dataset=triples", f"dataset.path={path}", "retriever=candidates", "depths=[1]"]
    assert run_command("check-data", [*log, "dataset.columns={query: question}", "--strict"]) == 0
    note = capsys.readouterr().out.splitlines()[-2]
    assert note.startswith("note: data: columns not used: timestamp;")
    mapping = note.split("'")[1]
    assert mapping == "dataset.columns={query: question, relevance: timestamp}"
    assert run_command("check-data", [*log, mapping]) == 0
    assert "grades: 1 of grade 1, 1 of grade 2" in capsys.readouterr().out


def test_every_document_is_a_step_of_the_progress() -> None:
    dataset = with_documents(*((f"x{i}", f"text {i}") for i in range(1500)))
    recorder = Recorder()
    describe_data(prepare(dataset, FixedRetriever(), SETTINGS, SilentProgress()), recorder)
    assert recorder.totals[0] == ("reading the documents", 1512)
    assert recorder.steps == 1512


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_beir_folder(tmp_path / "data", make_dataset())


def check(folder: Path, *more: str) -> int:
    data: Sequence[str] = ["dataset=beir_dir", f"dataset.path={folder}", "depths=[2,5]", "measures=[nDCG@10]"]
    return run_command("check-data", [*data, "retriever=run_file", f"retriever.path={folder}/run.trec.gz", *more])


def test_the_command_prints_the_report_and_ends_with_0(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert check(folder) == 0
    out = capsys.readouterr().out
    for line in ("data (test), sha256", "documents", "grade 1 and up", "ceiling at depth 5", "no problem found"):
        assert line in out


def test_problems_are_counted_and_fail_only_a_strict_check(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder / "corpus.jsonl"
    path.write_text(path.read_text() + '{"_id": "copy", "text": "bill bill number 0"}\n{"_id": "empty", "text": ""}\n')
    assert check(folder) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "2 problems found"
    assert check(folder, "--strict") == 1


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ([], True),
        (["retriever=bm25"], False),  # then it is this one that is asked for
        (["hydra.mode=RUN"], False),
    ],
)
def test_of_a_sweep_one_run_is_checked_and_that_is_said(
    more: list[str], said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_command("check-data", ["+experiment=first_stages", "depths=[5]", *more]) == 0
    note = "note: of a sweep only this one run is checked, helpdesk over bm25; for another set retriever (bm25,dense,hybrid)"
    assert (note in capsys.readouterr().out.splitlines()) is said


def test_the_file_has_all_numbers(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "out" / "report.json"
    check(folder, "--json", str(path))
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["documents"]["count"] == 12
    assert content["first_stage"]["reach"][1]["depth"] == 5
    first = path.read_bytes()
    check(folder, "--json", str(path))
    assert path.read_bytes() == first


def test_a_file_that_cannot_be_written_ends_with_3(folder: Path) -> None:
    with pytest.raises(NotEvaluableError, match="the report cannot be written") as raised:
        check(folder, "--json", str(folder / "corpus.jsonl" / "report.json"))
    assert raised.value.exit_code == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["dataset.path=nowhere"], "dataset.path: nowhere is not a folder"),
        (["dataset=beir_dirr"], "there is no dataset 'beir_dirr': did you mean beir_dir"),
        (["depths=5"], "depths is 5; write a list"),
        (["dephts=[5]"], "there is no setting 'dephts': did you mean depths"),
        (["retriever.k2=1"], "there is no setting"),
        (["vaswani"], "'vaswani' is no setting; settings are written NAME=VALUE"),
        (["--stric"], "--help shows the arguments"),
    ],
)
def test_a_wrong_argument_is_explained(folder: Path, words: list[str], message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        check(folder, *words)
    assert message in str(raised.value)


def test_a_dataset_that_cannot_be_loaded_is_named_by_file_and_line(folder: Path) -> None:
    path = folder / "queries.jsonl"
    path.write_text(path.read_text() + "not JSON\n")
    with pytest.raises(DataError) as raised:
        check(folder)
    assert str(raised.value).startswith(f"{path}:7: not JSON")


def test_the_reference_collection_is_described(collection: FindCollection, capsys: pytest.CaptureFixture[str]) -> None:
    data = collection("trec-dl-2019")
    run = f"retriever.path={data}/runs/bm25.top100.trec"
    more = ["dataset.relevance_level=2", "retriever=run_file", run, "depths=[10,100]", "measures=[nDCG@10,R@100]"]
    assert run_command("check-data", ["dataset=beir_dir", f"dataset.path={data}", *more]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["documents", "4297", "12", "55", "110", "193", "0", "0", "0"] in rows
    assert ["in", "its", "own", "order", "0.5058", "0.4910"] in rows
    assert ["ceiling", "at", "depth", "100", "846", "(33.8%)", "0.8922", "0.4910"] in rows
