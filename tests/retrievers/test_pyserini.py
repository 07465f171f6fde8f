"""Pyserini needs Java 21, so Lucene itself is not run here: what is tested is what happens without it, and the calls that are made.

The stand-in has the signatures of pyserini 1.6.0 (`pyserini/search/lucene/_searcher.py`).
"""

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from rerank_eval.errors import ConfigError, DataError, MissingExtraError
from rerank_eval.retrievers.pyserini import Pyserini
from rerank_eval.types import Dataset, Query
from tests.fakes import make_dataset

WITHOUT_JAVA = """
raise SystemError("Error calling dlopen(b'libjvm.so'):\\n no such file")
"""
STAND_IN = """
from pathlib import Path
from types import SimpleNamespace

class LuceneSearcher:
    def __init__(self, index_dir, prebuilt_index_name=None, index_reader=None):
        if not list(Path(index_dir).glob("segments_*")):
            raise RuntimeError("JVM exception occurred: no segments* file found")
        self.index_dir = index_dir

    @classmethod
    def from_prebuilt_index(cls, prebuilt_index_name, verbose=False):
        return cls("{folder}", prebuilt_index_name) if prebuilt_index_name == "msmarco-v1-passage" else None

    def set_bm25(self, k1=0.9, b=0.4):
        self.bm25 = (k1, b)

    def batch_search(self, queries, qids, k=10, threads=1, query_generator=None, fields=dict()):
        self.asked = (queries, qids, threads)
        hits = [SimpleNamespace(docid="d001", score=1.5), SimpleNamespace(docid="d002", score=1.5)]
        hits += [SimpleNamespace(docid="d000", score=0.5)]
        return {{qid: hits[:k] for qid in qids}}
"""

Install = Callable[[str], None]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """What stands for a Lucene index."""
    path = tmp_path / "index"
    path.mkdir()
    (path / "segments_2").write_bytes(b"commit")
    return path


@pytest.fixture
def install(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package named pyserini, whose search module has this text, where it is found first."""

    def write(text: str) -> None:
        package = tmp_path / "site" / "pyserini" / "search" / "lucene"
        package.mkdir(parents=True)
        for path in (package, package.parent, package.parent.parent):
            (path / "__init__.py").touch()
        (package / "__init__.py").write_text(text.format(folder=folder) if "{folder}" in text else text)
        metadata = tmp_path / "site" / "pyserini-1.6.0.dist-info"
        metadata.mkdir()
        (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: pyserini\nVersion: 1.6.0\n")
        for name in [name for name in sys.modules if name.split(".")[0] == "pyserini"]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.syspath_prepend(tmp_path / "site")

    return write


def test_a_missing_package_is_named_with_the_extra_that_brings_it(folder: Path) -> None:
    if importlib.util.find_spec("pyserini") is not None:
        pytest.skip("pyserini is installed")
    with pytest.raises(MissingExtraError, match=r"'pyserini' is not installed; .* 'rerank-eval\[pyserini\]'"):
        Pyserini(str(folder))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"k1": -1.0}, r"k1 is -1\.0 and b is 0\.4; k1 must be at least 0, b between 0 and 1"),
        ({"b": 1.5}, r"b is 1\.5"),
        ({"k1": float("nan")}, "k1 is nan"),
        ({"threads": 0}, "threads is 0; at least 1"),
        ({"index": "./nowhere"}, r"the index folder \./nowhere does not exist"),
    ],
)
def test_a_wrong_setting_is_named_before_java_is_started(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Pyserini(**{"index": "msmarco-v1-passage"} | settings)  # type: ignore[arg-type]


def test_without_java_it_says_which_java_it_needs(install: Install, folder: Path) -> None:
    install(WITHOUT_JAVA)
    with pytest.raises(ConfigError) as caught:
        Pyserini(str(folder))
    assert str(caught.value) == (
        "pyserini cannot be used: Error calling dlopen(b'libjvm.so'): no such file; it needs a JDK of version 21 or later, and "
        "JAVA_HOME must name its folder"
    )


def test_a_folder_without_an_index_and_an_unknown_prebuilt_name_are_refused(install: Install, tmp_path: Path) -> None:
    install(STAND_IN)
    with pytest.raises(ConfigError, match=r"cannot be opened: JVM exception occurred: no segments\* file found"):
        Pyserini(str(tmp_path))
    with pytest.raises(ConfigError, match="'msmarco-v9' is no folder, and Pyserini has no prebuilt index of this name"):
        Pyserini("msmarco-v9")


@pytest.mark.parametrize("prebuilt", [False, True])
def test_hits_become_rankings_and_a_blank_query_is_not_asked(install: Install, folder: Path, prebuilt: bool) -> None:
    install(STAND_IN)
    retriever = Pyserini("msmarco-v1-passage" if prebuilt else str(folder), k1=1.2, b=0.75, threads=3)
    tiny = make_dataset(num_queries=1)
    dataset = Dataset("x", "test", tiny.corpus, (*tiny.queries, Query("blank", " \n")), {"q000": {}, "blank": {}})
    run = retriever.retrieve(dataset, 2)
    assert {query_id: ranking.doc_ids for query_id, ranking in run.items()} == {"q000": ("d002", "d001")}
    searcher = retriever._searcher
    assert (searcher.bm25, searcher.asked) == ((1.2, 0.75), ([tiny.queries[0].text], ["q000"], 3))
    assert Pyserini(str(folder)).retrieve(dataset, 10)["q000"].doc_ids == ("d002", "d001", "d000")


def test_a_document_twice_in_the_index_is_an_error(install: Install, folder: Path) -> None:
    install(STAND_IN.replace('"d002"', '"d001"'))
    with pytest.raises(DataError, match="document 'd001' comes twice"):
        Pyserini(str(folder)).retrieve(make_dataset(), 10)


def test_its_identity_changes_with_the_index_and_the_parameters_but_not_with_the_threads(
    install: Install, folder: Path
) -> None:
    install(STAND_IN)
    identity = Pyserini(str(folder)).identity()
    assert identity["pyserini"] == "1.6.0"
    assert Pyserini("msmarco-v1-passage", threads=2, name="lucene").identity() == identity
    assert Pyserini(str(folder), k1=1.0).identity() != identity
    assert Pyserini(str(folder), b=0.5).identity() != identity
    (folder / "segments_2").write_bytes(b"another commit")
    assert Pyserini(str(folder)).identity() != identity
