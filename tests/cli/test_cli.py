"""The command: exit codes, one clear message, and the files it leaves."""

import sys
from pathlib import Path

import pytest

from rerank_eval import cli
from tests.cli.conftest import Command, user_class

NONE = "reranker=[none]"


def test_a_run_ends_with_0_a_table_and_the_result_folder(command: Command) -> None:
    ended = command("reranker=[none,oracle]", "experiment_name=first")
    assert ended.code == 0
    assert "nDCG@10 [95%]" in ended.out
    result = ended.result()
    assert result["status"] == "complete"
    assert str(result["folder"]).startswith("experiments/first/data/")
    assert "path: null" not in (Path(str(result["folder"])) / "config.yaml").read_text()
    assert Path("experiments/store.sqlite").is_file()
    assert [path.name for path in Path().iterdir()] == ["experiments"]


def test_a_repeated_run_is_read_from_the_store_and_gives_the_same_bytes(command: Command) -> None:
    first, second = command("reranker=[none,random]"), command("reranker=[none,random]")
    assert "random: resumed 6 of 6 queries from the store" in second.err
    assert "resumed" not in first.err
    files = [(Path(str(ended.result()["folder"])) / "scores.jsonl").read_bytes() for ended in (first, second)]
    assert files[0] == files[1]


def test_two_results_of_one_second_get_two_folders(command: Command) -> None:
    folders = {str(command(NONE).result()["folder"]) for _ in range(3)}
    assert len(folders) == 3


def test_numbers_as_names_and_no_store(command: Command) -> None:
    ended = command(NONE, "experiment_name=3", "output_dir=7", "store.path=null")
    assert str(ended.result()["folder"]).startswith("7/3/data/")
    assert not Path("7/store.sqlite").exists()


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["reranker=[minlm]"], "there is no reranker 'minlm': did you mean minilm?"),
        (["reranker=[]"], "the setting rerankers is missing"),
        (["dephts=[1]"], "there is no setting 'dephts': did you mean depths"),
        (["+depth=[1]"], "there is no setting depth: did you mean depths"),
        (["+latency.querys=1"], "there is no setting latency.querys: did you mean queries?"),
        (["rerankers.random.sed=1"], "there is no setting 'rerankers.random.sed': did you mean rerankers.random.seed"),
        (["+rerankers.random.sed=1"], "rerankers.random has no setting 'sed': did you mean seed?"),
        (["measures=[nDGC@10]"], "unknown measure 'nDGC@10': did you mean nDCG"),
        (["measures=nDCG@10"], "measures is 'nDCG@10'; write a list, e.g. 'measures=[nDCG@10]'"),
        (["depths=10"], "depths is 10; write a list, e.g. 'depths=[10]'"),
        (["seed=abc"], "seed is 'abc'; it must be an integer of at least 0"),
        (["dataset.path=???"], "dataset.path must be set: dataset.path=VALUE"),
        (["dataset.path=nowhere"], "dataset.path: nowhere is not a folder"),
        (["dataset.split=dev"], "dataset.split 'dev' has no file"),
        (["retriever.path=nowhere.trec"], "nowhere.trec: no such file"),
        (["reranker=[cross_encoder]"], "rerankers.cross_encoder.model must be set"),
        (["experiment_name=../up"], "the name '../up' cannot name a file"),
        (["dataset.name=../up"], "dataset.name '../up' cannot name a file"),
        (["dataset.split=../test"], "dataset.split '../test' cannot name a file"),
        (["output_dir=null"], "output_dir is null; name a folder"),
        (["output_dir="], "output_dir is ''; name a folder"),
        (["output_dir=[a]"], "output_dir is ['a']; name a folder"),
        (["output_dir=/dev/full"], "output_dir: /dev/full is no folder; name another"),
        (["output_dir=/dev/full/deeper"], "output_dir: /dev/full is no folder; name another"),
        (["output_dir=" + "n" * 256], "has more than 255 bytes; name another"),
        (["-m", "output_dir=null", "seed=1"], "output_dir is null; name a folder"),
        (["-m", "output_dir=/dev/full", "seed=1"], "output_dir: /dev/full is no folder; name another"),
        (["experiment_name=null"], "experiment_name is null; name a folder"),
        (["depths=null"], "depths is null; write a list, e.g. 'depths=[10,50,100]'"),
        (["depths=[99999999999999999999]"], "depths is 99999999999999999999; it must be at most 1000000000000000"),
        (["~dataset"], "~dataset takes the dataset away, and dataset.path with it; leave ~dataset out"),
        (["store.path=/dev/full"], "name a file, or null to keep no answers"),
        (["store.path=/dev/full/store"], "store.path: /dev/full is no folder; name another"),
        (["store.path=" + "n" * 256], "has more than 255 bytes; name another"),
        (["prices=true"], "prices is true; name a file, or null for none"),
        (["store.path="], "name a file, or null to keep no answers"),
        (["store.path=."], "name a file, or null to keep no answers"),
        (["+rerankers.x._target_=nope.X"], "rerankers.x: there is no module 'nope'"),
        (
            ["+rerankers.x._target_=rerank_eval.rerankers.none.NoRerankr"],
            "has no class 'NoRerankr': did you mean NoReranker",
        ),
        (["+rerankers.x=3"], "rerankers.x needs a _target_"),
        (["depths=["], "no viable alternative at input '['"),
        (["retriever=null"], "retriever is null; it takes a name: bm25, "),
        (["dataset=1.5"], "dataset is 1.5; it takes a name: "),
        (["+experiment=null"], "experiment is null; it takes a name: beir, "),
        (["+experiment="], "there is no experiment '': valid: beir"),
        (["reranker=5"], "reranker is 5; it takes a name: "),
        (["reranker=[none,null]"], "reranker is [none,null]; it takes a name: "),
        (["reranker=[[none]]"], "reranker is [[none]]; it takes a name: "),
        (["answer=null"], "answer is null; it takes a name: claude, openai_compatible; ~answer turns it off"),
        (["~retriever=5"], "retriever is 5; it takes a name: bm25, "),
        (["hydra/launcher=null"], "hydra/launcher is null; it takes a name"),
        (["-m", "retriever=null,bm25"], "retriever is null,bm25; it takes a name: "),
        (["-m", "retriever=range(1,3)"], "retriever is range(1,3); it takes a name: "),
        (["-m", "--cfg=job"], "--cfg only shows something, and -m runs; leave one of them out"),
        (["--shell-completion"], "--shell-completion takes one of install=SHELL"),
        (["--experimental-rerun=x"], "--experimental-rerun is not offered, because it reads a pickle"),
        (
            ["reprot"],
            "'reprot' is neither a command (report, compare, baseline, check-data, verify, store) nor a setting; settings are written",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_setting_ends_with_2_and_one_message(command: Command, overrides: list[str], message: str) -> None:
    ended = command(*overrides)
    assert ended.code == 2
    assert message in ended.err
    assert ended.err.startswith("rerank_eval: ")
    assert ended.err.count("\n") == 1
    assert ended.out == ""
    assert not Path("experiments").exists()


def test_options_may_stand_between_settings(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rerank_eval", "seed=3", "--cfg", "job", "depths=[7]"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code in (0, None)


def test_everything_is_checked_before_anything_is_loaded(command: Command) -> None:
    user_class("    def __init__(self): raise AssertionError('made')\n    def score(self, request): return None\n")
    for wrong in ("experiment_name=../up", "measures=[x]", "+rerankers.z._target_=nope.X", "seed=-1"):
        assert command("+rerankers.mine._target_=mine.Mine", wrong).code == 2


def test_a_missing_extra_says_how_to_install_it(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # what an import finds where the package is not installed
    ended = command("reranker=[minilm]")
    assert ended.code == 2
    assert ended.err.splitlines()[-1] == (
        "rerank_eval: the package 'onnxruntime' is not installed; install it with: pip install -e '.[onnx]' in the clone of "
        "rerank_eval, or pip install 'rerank-eval[onnx]' where an index has it"
    )


def test_no_argument_runs_quickstart(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # so that it ends at its third reranker
    ended = command(base=False)
    assert sys.argv[1:] == ["+experiment=quickstart"]
    assert (ended.code, "'onnxruntime' is not installed" in ended.err) == (2, True)


def test_bad_data_is_named_by_file_and_line(command: Command, tmp_path: Path) -> None:
    path = tmp_path / "data" / "qrels" / "test.tsv"
    path.write_text(path.read_text() + "q000\td001\tvery\n")
    ended = command(NONE)
    number = len(path.read_text().splitlines())
    assert ended.code == 2
    assert f"{path}:{number}: the relevance must be an integer between -9999 and 9999: q000\\td001\\tvery" in ended.err


def test_a_class_of_the_users_own_is_found_in_the_current_folder(command: Command) -> None:
    user_class("    def score(self, request): return Scores([float(len(d.text)) for d in request.documents])\n")
    ended = command("+rerankers.mine._target_=mine.Mine")
    assert ended.code == 0
    assert "\nmine " in ended.out


def test_a_user_class_that_lacks_something_is_explained(command: Command) -> None:
    user_class("    pointwise = None\n    def score(self, request): return None\n")
    ended = command("+rerankers.mine._target_=mine.Mine")
    assert ended.code == 2
    assert ended.err.splitlines()[-1].startswith("rerank_eval: the reranker mine does not say whether it is pointwise")


@pytest.mark.parametrize("limit", ["0.0", "1.0"])
def test_when_all_queries_fail_the_exit_code_is_3_and_no_measure_is_0(command: Command, limit: str) -> None:
    user_class("    def score(self, request): return Scores([float('nan')] * len(request.documents))\n")
    ended = command(NONE, "+rerankers.mine._target_=mine.Mine", f"max_error_rate={limit}")
    assert ended.code == 3
    assert "failed: mine returned NaN for query q000, document d" in ended.err
    assert ended.err.splitlines()[-1].startswith("rerank_eval: failed queries: mine 6 of 6, ")
    row = next(line.split() for line in ended.out.splitlines() if line.startswith("mine"))
    assert row[:6] == ["mine", "(0", "of", "6", "queries)", "2"]
    assert row[6] == "n/a"
    result = ended.result()
    assert result["status"] == "not_evaluable"
    depths = result["systems"][1]["depths"][1:]
    assert [depth["measures"]["nDCG@10"]["mean"] for depth in depths] == [None, None]


def test_without_a_judged_query_the_exit_code_is_3(command: Command, tmp_path: Path) -> None:
    (tmp_path / "data" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    ended = command(NONE)
    assert ended.code == 3
    assert "data has no query with a judgment in the split 'test'" in ended.err
    assert not list(Path("experiments").rglob("result.json"))


@pytest.mark.parametrize("flags", [[], ["-m"]])
def test_a_bug_in_a_run_shows_its_traceback_and_ends_with_3(
    command: Command, monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(cli, "evaluate_configuration", broken)
    ended = command(*flags, NONE, "seed=1")
    assert ended.code == 3
    assert "ZeroDivisionError" in ended.err
    assert "this is a bug of rerank_eval, and the command was not carried out" in ended.err


def test_a_bug_before_a_run_begins_does_not_end_like_a_regression(
    command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(settings: object) -> None:
        raise LookupError("planted")

    monkeypatch.setattr(cli, "check_overrides", broken)
    ended = command(NONE)
    assert ended.code == 3
    assert "LookupError: planted" in ended.err
    assert "this is a bug of rerank_eval" in ended.err


def test_help_lists_choices_settings_and_exit_codes(command: Command) -> None:
    ended = command("--help", base=False)
    assert ended.code == 0
    for word in ("minilm", "depths:", "Exit codes: 0 done", "+experiment=msmarco"):
        assert word in ended.out


def test_a_bug_in_a_command_does_not_end_like_a_regression(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(name: str, arguments: object) -> int:
        raise ZeroDivisionError(name, arguments)

    monkeypatch.setattr(cli, "run_command", broken)
    monkeypatch.setattr("sys.argv", ["rerank_eval", "compare", "a", "b"])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 3
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("flags", [[], ["-m"]])
@pytest.mark.parametrize(
    "override",
    [
        "+rerankers.http_rerank.headers.Authorization='Bearer SECRET'",
        "+rerankers.http_rerank.request.also.api_key=sk-SECRET",
        "rerankers.http_rerank.request.also={api_key: sk-SECRET}",
        "rerankers.http_rerank.url='http://127.0.0.1:1/r?api_key=SECRET'",
        "rerankers.http_rerank.auth_prefix='Bearer SECRET'",
    ],
)
def test_a_secret_in_a_setting_is_written_nowhere(override: str, flags: list[str], command: Command) -> None:
    settings = [
        "reranker=[http_rerank]",
        "rerankers.http_rerank.url=http://127.0.0.1:1/r",
        "rerankers.http_rerank.model=m",
    ]
    secret = "4f1c9d2e7a5b8e3f"
    ended = command(*flags, *settings, override.replace("SECRET", secret))
    assert ended.code == 2
    assert "holds what looks like a key or a password" in ended.err
    assert secret not in ended.out + ended.err
    assert not list(Path.cwd().rglob("*"))
