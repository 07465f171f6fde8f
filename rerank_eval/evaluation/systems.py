"""A reranker as one evaluation uses it: its name, its settings, and what its answers depend on."""

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from rerank_eval.calls.types import Calls
from rerank_eval.errors import ConfigError
from rerank_eval.files.paths import check_name
from rerank_eval.fingerprint import fingerprint
from rerank_eval.parts import all_parts, reads_judgments, sees_dataset, show_dataset
from rerank_eval.protocols import CallingReranker, HasIdentity, HasParts, KeepsOrder, Reranker
from rerank_eval.types import Dataset

_NEEDS = "it needs name, pointwise (True or False), concurrency (1 or more) and score(request)"


@dataclass(frozen=True)
class System:
    """A reranker with the name that results show; `config` is what it was made from, where that is known."""

    name: str
    reranker: Reranker
    config: Mapping[str, object] = field(default_factory=dict)
    load_seconds: float | None = None
    seen_dataset: str | None = None
    """The hash of the dataset that the reranker has seen, where it asked for that."""
    calls: Calls | None = None
    """What the reranker asks its provider through; None for one that asks nobody."""

    def on(self, dataset: Dataset) -> "System":
        """Return the system with a reranker that has seen the dataset, where the reranker asks for that."""
        if not sees_dataset(self.reranker):
            return self
        reranker = show_dataset(self.reranker, dataset)
        _check_rerankers(f"{self.name} (as for_dataset returned it)", reranker)
        return replace(self, reranker=reranker, seen_dataset=dataset.sha256)

    @property
    def saw_judgments(self) -> bool:
        """Whether the reranker, or one that it is made of, was shown the judgments."""
        return self.seen_dataset is not None and reads_judgments(self.reranker)

    @property
    def keeps_order(self) -> bool:
        """Whether its ranking is known to be the first stage's."""
        return isinstance(self.reranker, KeepsOrder) and self.reranker.keeps_order

    @property
    def asks_provider(self) -> bool:
        """Whether the reranker, or one that it is made of, asks a provider."""
        return any(isinstance(part, CallingReranker) for _, part in all_parts(self.name, self.reranker))

    def asking(self, calls: Calls) -> "System":
        """Return the system with a reranker that asks through `calls`, where it, or one that it is made of, asks a provider."""
        if not self.asks_provider:
            return self
        return replace(self, reranker=_ask_through(self.reranker, calls), calls=calls)

    @cached_property
    def fingerprint(self) -> str | None:
        """The hash of everything that can change a score; None if that is unknown, and answers cannot be kept.

        A reranker's own `identity()` counts; without one, its settings. The source of its class and of the classes it inherits from
        always counts, as it is when this is first read, so that an edited reranker is never served answers of its former self. Of a
        reranker made of others all of that counts of each.

        Raises:
            ConfigError: `identity()` fails or returns what is no plain value.
        """
        described = self._describe(self.reranker)
        return None if described is None else fingerprint({**described, "dataset": self.seen_dataset})

    def _describe(self, reranker: Reranker) -> dict[str, object] | None:
        identity = self._identity(reranker)
        made_of = reranker.parts if isinstance(reranker, HasParts) else {}
        parts = {name: self._describe(part) for name, part in made_of.items()}
        if identity is None or None in parts.values():
            return None
        kind = type(reranker)
        described: dict[str, object] = {
            "adapter": f"{kind.__module__}.{kind.__qualname__}",
            "sources": [_source(base) for base in kind.__mro__],
            "pointwise": reranker.pointwise,
            "identity": identity,
        }
        return described | {"parts": parts} if parts else described

    def _identity(self, reranker: Reranker) -> Mapping[str, object] | None:
        if not isinstance(reranker, HasIdentity):
            return self.config or None  # of a part too: it has the settings of all
        try:
            return dict(reranker.identity())
        except Exception as error:  # the user's own code may raise anything
            raise ConfigError(f"{self.name}: identity() failed: {type(error).__name__}: {error}") from error


def _ask_through(reranker: Reranker, calls: Calls) -> Reranker:
    if isinstance(reranker, HasParts):
        reranker = reranker.with_parts({name: _ask_through(part, calls) for name, part in reranker.parts.items()})
    return reranker.with_calls(calls) if isinstance(reranker, CallingReranker) else reranker


def _source(kind: type) -> str | None:
    """Return the text of the module that defines a class; None if there is no file (a notebook, say)."""
    try:
        return Path(inspect.getfile(kind)).read_text(encoding="utf-8")
    except (OSError, TypeError):
        return None


def make_systems(rerankers: Iterable[Reranker | System]) -> list[System]:
    """Return a system for each reranker.

    Raises:
        ConfigError: there is none, one lacks what `protocols.Reranker` asks for, two have one name, or a name cannot name a file.
    """
    systems = [item if isinstance(item, System) else _make_system(item) for item in rerankers]
    for system in systems:
        _check_rerankers(system.name, system.reranker)
    if not systems:
        raise ConfigError("there is no reranker; name at least one, e.g. reranker=[none,minilm]")
    names = [check_name(system.name, "the reranker name") for system in systems]
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two rerankers are named {name!r}; give one of them another name")
    return systems


def _make_system(reranker: Reranker) -> System:
    name = getattr(reranker, "name", None)
    if not isinstance(name, str):
        raise ConfigError(f"the reranker {type(reranker).__name__} has no name; {_NEEDS}")
    return System(name, reranker)


def _check_rerankers(name: str, reranker: object) -> None:
    """Check a reranker that may be a class of the user's own, and what it is made of before itself."""
    for part_name, part in all_parts(name, reranker):
        if not callable(getattr(part, "score", None)):
            raise ConfigError(f"the reranker {part_name} has no method score; {_NEEDS}")
        if not isinstance(getattr(part, "pointwise", None), bool):
            raise ConfigError(f"the reranker {part_name} does not say whether it is pointwise; {_NEEDS}")
        concurrency = getattr(part, "concurrency", None)
        if not isinstance(concurrency, int) or concurrency < 1:
            raise ConfigError(f"the reranker {part_name} has the concurrency {concurrency!r}; {_NEEDS}")
