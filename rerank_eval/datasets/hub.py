"""A dataset from the Hugging Face hub, in the layout of BeIR/*, mteb/* or NanoBEIR."""

from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from functools import partial
from typing import NamedTuple, TypeVar

from rerank_eval.conventions import Conventions
from rerank_eval.corpus import Corpus
from rerank_eval.datasets.gathering import QueryTexts, assemble, gather_corpus
from rerank_eval.datasets.hub_cards import Patterns, read_configs
from rerank_eval.datasets.hub_files import HubRepository
from rerank_eval.datasets.hub_rows import ENDINGS, Row, parse_document, parse_judgment, parse_query, read_records
from rerank_eval.errors import ConfigError, nearest
from rerank_eval.files.paths import check_name
from rerank_eval.files.text_files import LineReader, OnBadLine, Place
from rerank_eval.protocols import Progress
from rerank_eval.qrels import QrelsGatherer
from rerank_eval.types import Dataset, Qrels

Record = TypeVar("Record")


def load_hub(
    repository: str,
    revision: str,
    corpus: Mapping[str, str],
    queries: Mapping[str, str],
    qrels: Mapping[str, str],
    name: str | None = None,
    relevance_level: int = 1,
    titles: bool = True,
    removes_query_document: bool = False,
    published_bm25: Mapping[str, float] | None = None,
    part_of: str | None = None,
    cache_dir: str | None = None,
    offline: bool = False,
    on_bad_line: OnBadLine = "error",
    progress: Progress | None = None,
) -> Dataset:
    """Return the documents, and the queries that the split of `qrels` has judgments for.

    `corpus`, `queries` and `qrels` each name a `config` and a `split` of the repository, or of another one by `repository` and
    `revision`. Files are downloaded once, at the commit `revision`, verified, and kept in `cache_dir`; code of a repository is never
    run. Queries of other splits are not counted. Downloads show on `progress`; without one, as huggingface_hub shows them.

    Raises:
        ConfigError: a name or coordinate is wrong, the repository needs a login, or it needs code to be read.
        DataError: a file or row is wrong (file and row).
        NotEvaluableError: the hub cannot be reached or fails.
    """
    conventions = Conventions(
        relevance_level=relevance_level,
        removes_query_document=removes_query_document,
        published_bm25=published_bm25 or {},
        part_of=part_of,
    )
    where = partial(HubRepository, cache_dir=cache_dir, offline=offline, progress=progress)
    parts = [
        _locate(part, what, repository, revision, where)
        for what, part in (("corpus", corpus), ("queries", queries), ("qrels", qrels))
    ]
    reader = LineReader(on_bad_line)
    judgments = _read_qrels(parts[2], reader)
    texts = _read_queries(parts[1], reader, judgments)
    documents = _read_corpus(parts[0], reader, titles)
    return assemble(
        name=check_name(name or repository.split("/")[1], "dataset.name"),
        split=parts[2].split,
        corpus=documents,
        queries=texts,
        qrels=judgments,
        conventions=conventions,
        skipped_lines=reader.skipped_lines,
        dropped_duplicates=reader.dropped_duplicates + documents.dropped_duplicates,
    )


class Part(NamedTuple):
    """Where documents, queries or judgments are."""

    repository: HubRepository
    config: str
    split: str

    def records(self, parse: Callable[[Row], Record], reader: LineReader) -> Iterator[tuple[Place, Record]]:
        """Yield (place, parsed row) of every file of the split, in the order of their names."""
        try:
            paths = self._paths()
        except ConfigError:
            if not self.repository.list_again():
                raise
            paths = self._paths()
        for path in map(self.repository.fetch, paths):
            for number, record in read_records(path, parse, reader):
                yield Place(path, number), record

    def _paths(self) -> list[str]:
        """Return the data files, which the repository's README names, or which are named after the split.

        Raises:
            ConfigError: there is none, or they would have to be made by code.
        """
        files = [file.path for file in self.repository.files]
        script = f"{self.repository.name.split('/')[1]}.py"
        if script in files:
            raise ConfigError(
                f"{self.repository} is made by its script {script}, which is never run; name a repository of Parquet, JSONL or TSV files"
            )
        splits = self._declared(files) or {
            self.split: [f"{folder}{self.split}{end}" for folder in ("", "*/") for end in (".*", "-*")]
        }
        if self.split not in splits:
            raise ConfigError(
                f"{self.repository} has no split {self.split!r} in its config {self.config!r}: {nearest(self.split, splits)}"
            )
        found = [path for path in files if any(fnmatchcase(path, pattern) for pattern in splits[self.split])]
        paths = sorted(path for path in found if path.endswith(ENDINGS))
        if not paths:
            kinds = f"files of a kind that cannot be read: {', '.join(found)}" if found else "no file"
            raise ConfigError(f"{self.repository} has {kinds} for config {self.config!r}, split {self.split!r}")
        return paths

    def _declared(self, files: list[str]) -> Patterns:
        """Return the patterns of paths by split that the README gives for the config; none if it declares no config."""
        declared = read_configs(self.repository.fetch("README.md")) if "README.md" in files else {}
        if declared and self.config not in declared:
            raise ConfigError(f"{self.repository} has no config {self.config!r}: {nearest(self.config, declared)}")
        return declared.get(self.config, {})


def _locate(
    part: Mapping[str, str], what: str, repository: str, revision: str, where: Callable[[str, str], HubRepository]
) -> Part:
    """Return where a part is; the repository is that of the dataset unless the part names another."""
    known = {"config", "split", "repository", "revision"}
    if not isinstance(part, Mapping) or not {"config", "split"} <= part.keys() <= known:
        raise ConfigError(
            f"dataset.{what} is {part!r}; it has config and split, and where it is elsewhere repository and revision"
        )
    if ("repository" in part) != ("revision" in part):
        raise ConfigError(f"dataset.{what} has a repository or a revision of its own; it needs both")
    split = check_name(str(part["split"]), f"dataset.{what}.split")
    opened = where(part.get("repository", repository), part.get("revision", revision))
    return Part(opened, str(part["config"]), split)


def _read_qrels(part: Part, reader: LineReader) -> Qrels:
    gathered = QrelsGatherer()
    for place, judgment in part.records(parse_judgment, reader):
        reader.dropped_duplicates += not gathered.add(place, *judgment)
    return gathered.qrels


def _read_queries(part: Part, reader: LineReader, qrels: Qrels) -> QueryTexts:
    """Return the queries that have a judgment."""
    queries = QueryTexts()
    for place, (query_id, text) in part.records(parse_query, reader):
        if query_id in qrels:
            reader.dropped_duplicates += not queries.add(place, query_id, text)
    return queries


def _read_corpus(part: Part, reader: LineReader, titles: bool) -> Corpus:
    parse = partial(parse_document, titles=titles)
    return gather_corpus(lambda: ((place, *document) for place, document in part.records(parse, reader)))
