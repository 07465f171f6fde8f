"""Every repository that a YAML in conf/dataset names is on the list of what was found to exist, with the same commit and splits."""

import csv
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from rerank_eval.configuration import CONF
from rerank_eval.datasets.hub_files import HubRepository
from tests.conftest import Compose

SETS = sorted(
    path.relative_to(CONF / "dataset").with_suffix("").as_posix() for path in (CONF / "dataset").glob("*/*.yaml")
)
FORUMS = "android english gaming gis mathematica physics programmers stats tex unix webmasters wordpress"
BEIR = "arguana climate-fever dbpedia-entity fever fiqa hotpotqa nfcorpus nq quora scidocs scifact trec-covid webis-touche2020"
NANOBEIR = "arguana climatefever dbpedia fever fiqa hotpotqa msmarco nfcorpus nq quora scidocs scifact touche2020"
MSMARCO = "dev-small dl19 dl19-bm25 dl20 dl20-bm25 dl21 dl22 dl23"


class Recorded(NamedTuple):
    """A line of hub_coordinates.csv; `corpus`, `queries` and `qrels` are CONFIG:SPLIT, the path of a file, or empty."""

    repository: str
    revision: str
    corpus: str
    queries: str
    qrels: str
    columns: str
    num_documents: str
    num_queries: str
    num_judgments: str
    checked: str
    source: str
    how: str


def recorded() -> list[Recorded]:
    with Path(__file__).with_name("hub_coordinates.csv").open(newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert tuple(header) == Recorded._fields
    return [Recorded(*row) for row in rows]


Coordinate = tuple[str, str, str, str]
"""Repository, revision, part (corpus, queries or qrels), and CONFIG:SPLIT or the path of a file."""


def coordinates(name: str, compose: Compose) -> set[Coordinate]:
    """Return where on the hub a set's parts are; those read by ir_datasets have none."""
    dataset: dict[str, Any] = compose(f"dataset={name}")["dataset"]
    match dataset["_target_"].rpartition(".")[2]:
        case "load_hub":
            return {_of_part(dataset, part) for part in ("corpus", "queries", "qrels")}
        case "load_candidates":
            files = {"corpus": dataset["path"], "qrels": dataset["qrels"]}
            return {_of_file(part, file) for part, file in files.items() if file != "???"}
    return set()


def _of_part(dataset: dict[str, Any], name: str) -> Coordinate:
    part = dataset[name]
    where = [part.get(key, dataset[key]) for key in ("repository", "revision")]
    return (where[0], where[1], name, f"{part['config']}:{part['split']}")


def _of_file(name: str, url: str) -> Coordinate:
    found = re.fullmatch(r"hf://datasets/([^@]+)@([^/]+)/(.+)", url)
    assert found
    return (found[1], found[2], name, found[3])


def listed() -> set[Coordinate]:
    return {
        (line.repository, line.revision, part, getattr(line, part))
        for line in recorded()
        for part in ("corpus", "queries", "qrels")
        if getattr(line, part)
    }


def test_the_public_sets_are_all_there() -> None:
    names = {f"beir/{name}" for name in BEIR.split()} | {f"beir/cqadupstack-{name}" for name in FORUMS.split()}
    names |= {f"nanobeir/{name}" for name in NANOBEIR.split()} | {f"msmarco/{name}" for name in MSMARCO.split()}
    assert names == set(SETS)


def test_the_sets_and_the_list_name_the_same_coordinates(compose: Compose) -> None:
    by_set = {name: coordinates(name, compose) for name in SETS}
    assert not {name: found - listed() for name, found in by_set.items() if found - listed()}
    assert listed() == set().union(*by_set.values())


def test_every_line_of_the_list_is_valid_and_says_when_and_how_it_was_checked() -> None:
    lines = recorded()
    assert len({(line.repository, line.corpus, line.qrels) for line in lines}) == len(lines)
    for line in lines:
        HubRepository(line.repository, line.revision)
        assert re.fullmatch(r"20\d\d-\d\d-\d\d", line.checked)
        assert line.source.startswith("https://")
        assert line.how
        assert line.columns
        assert all(count.isdigit() or not count for count in (line.num_documents, line.num_queries, line.num_judgments))


@pytest.mark.parametrize("name", [name for name in SETS if name.startswith("msmarco/")])
def test_an_id_of_ir_datasets_is_known_to_the_package_with_documents_queries_and_judgments(
    name: str, compose: Compose
) -> None:
    import ir_datasets

    dataset = compose(f"dataset={name}")["dataset"]
    if "id" in dataset:
        source = ir_datasets.registry[dataset["id"]]
        assert source.has_docs()
        assert source.has_queries()
        assert source.has_qrels()


@pytest.mark.parametrize("name", SETS)
def test_a_set_says_what_the_published_figures_assume(name: str, compose: Compose) -> None:
    dataset = compose(f"dataset={name}")["dataset"]
    assert dataset["relevance_level"] == (2 if "/dl" in name else 1)
    expected = {"beir": ["nDCG@10"], "msmarco": ["RR@10" if name.endswith("dev-small") else "nDCG@10"], "nanobeir": []}
    assert list(dataset["published_bm25"] or {}) == expected[name.partition("/")[0]]
    if dataset["_target_"].endswith(".load_hub"):
        assert dataset["titles"] is True
        removes = name.startswith("beir/") or name in ("nanobeir/arguana", "nanobeir/quora")
        assert dataset["removes_query_document"] is removes
