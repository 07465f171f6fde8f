"""Names of first stages and systems that are told apart by what differs: their settings, and only then the time of the run."""

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

from rerank_eval.fingerprint import fingerprint
from rerank_eval.results.experiment import SystemResult
from rerank_eval.results.flat_settings import find_differing, flatten
from rerank_eval.results.recorded import RecordedResult

Identity = TypeVar("Identity", bound=Hashable)

_FINGERPRINT = "fingerprint"
_LONGEST = 60
_LONGEST_VALUE = 24
_SHOWN_BEFORE = 6  # letters before the place from which a long value differs

_MADE_FROM_A_DATASET = ("run_sha256", "index_sha256")
"""Settings that differ from dataset to dataset by their nature: they tell apart first stages over one dataset only."""


class Name(NamedTuple):
    """A first stage or a reranker: `key` is the same where name and settings are, `label` is as unique, `whole` has every value uncut."""

    key: str
    label: str
    whole: str


class SystemName(NamedTuple):
    """A reranker over a first stage in one run; `label` is shared with nothing but the same system on another dataset."""

    label: str
    whole: str
    reranker: Name
    retriever: Name


class _Variant(NamedTuple):
    name: str
    settings: Mapping[str, Any]

    @property
    def key(self) -> str:
        known = {name: value for name, value in self.settings.items() if value is not None}
        return fingerprint({"name": self.name, "settings": known})


def name_retrievers(results: Sequence[RecordedResult]) -> list[Name]:
    """Return the name of each result's first stage, with the settings in which others of its name differ, e.g. `bm25 (k1=0.3)`."""
    identities = [flatten(result.retriever.get("identity") or {}) for result in results]
    variants = []
    for result, identity in zip(results, identities, strict=True):
        rivals = [
            found
            for other, found in zip(results, identities, strict=True)
            if (other.dataset["name"], other.retriever["name"]) == (result.dataset["name"], result.retriever["name"])
        ]
        telling = set(find_differing(rivals))
        kept = {name: value for name, value in identity.items() if name in telling or not _is_made_from_a_dataset(name)}
        variants.append(_Variant(str(result.retriever["name"]), kept))
    return _make_names(variants)


def name_systems(results: Sequence[RecordedResult]) -> list[SystemName]:
    """Return the shortest unique name of each system of each result: settings that differ, first stage, time of the run."""
    sources = [
        (result, system, retriever)
        for result, retriever in zip(results, name_retrievers(results), strict=True)
        for system in result.systems
    ]
    rerankers = _make_names([_Variant(system.name, _settings_of(system)) for _, system, _ in sources])
    has_several = len({retriever.key for _, _, retriever in sources}) > 1
    runs = Counter(
        (result.dataset["name"], reranker.key, retriever.key)
        for (result, _, retriever), reranker in zip(sources, rerankers, strict=True)
    )
    seen: Counter[Hashable] = Counter()
    found = []
    for (result, _, retriever), reranker in zip(sources, rerankers, strict=True):
        place = (result.dataset["name"], reranker.key, retriever.key)
        time = str(result.provenance["started"]) if runs[place] > 1 else ""
        over = (f" over {retriever.label}", f" over {retriever.whole}") if has_several else ("", "")
        ending = f" ({time})" if time else ""
        name = SystemName(
            f"{reranker.label}{over[0]}{ending}", f"{reranker.whole}{over[1]}{ending}", reranker, retriever
        )
        seen[*place, time] += 1
        found.append((name, (reranker.key, retriever.key, time, seen[*place, time])))
    labels = _number({identity: name.label for name, identity in found})
    return [name._replace(label=labels[identity]) for name, identity in found]


def _settings_of(system: SystemResult) -> Mapping[str, Any]:
    """Return the flat settings, or the fingerprint where they are not known; that of one that saw judgments is of one dataset."""
    if system.config or system.fingerprint is None or system.saw_judgments:
        return flatten(system.config)
    return {_FINGERPRINT: system.fingerprint}


def _is_made_from_a_dataset(name: str) -> bool:
    return name.rpartition(".")[2] in _MADE_FROM_A_DATASET


def _make_names(variants: Sequence[_Variant]) -> list[Name]:
    distinct = {variant.key: variant for variant in variants}
    labels, wholes = {}, {}
    for key, variant in distinct.items():
        twins = [other.settings for other in distinct.values() if other.name == variant.name]
        labels[key] = _with_settings(variant.name, _join(list(_tell(variant.settings, twins, is_cut=True))))
        wholes[key] = _with_settings(variant.name, ", ".join(_tell(variant.settings, twins, is_cut=False)))
    labels = _number(labels)
    return [Name(variant.key, labels[variant.key], wholes[variant.key]) for variant in variants]


def _number(labels: Mapping[Identity, str]) -> dict[Identity, str]:
    """Return the labels, with a number behind those that several have."""
    counts = Counter(labels.values())
    taken = {label for label, count in counts.items() if count == 1}
    numbered = {}
    for identity, label in labels.items():
        number, unique = 1, label
        while counts[label] > 1 and (unique == label or unique in taken):
            unique = f"{label} #{number}"
            number += 1
        taken.add(unique)
        numbered[identity] = unique
    return numbered


def _tell(own: Mapping[str, Any], twins: Sequence[Mapping[str, Any]], *, is_cut: bool) -> Iterator[str]:
    """Yield name and own value of the settings that are not the same in all, of those that all have where these tell all apart."""
    differing = find_differing(twins)
    common = [name for name in differing if all(name in settings for settings in twins)]
    readable = [name for name in differing if name != _FINGERPRINT]

    def tells_apart(names: Sequence[str]) -> bool:
        return len({tuple(str(settings.get(name)) for name in names) for settings in twins}) == len(twins)

    for name in next((names for names in (common, readable) if tells_apart(names)), differing):
        if name in own or not _is_made_from_a_dataset(name):
            value = str(own.get(name))
            others = [str(settings.get(name)) for settings in twins]
            yield f"{name}={_shorten_value(value, others) if is_cut else value}"


def _shorten_value(value: str, others: Sequence[str]) -> str:
    """Return a long value from where it differs from all others, cut in the middle where that is long too."""
    if len(value) <= _LONGEST_VALUE:
        return value
    same = next(
        (place for place, letters in enumerate(zip(*others, strict=False)) if len(set(letters)) > 1),
        min(map(len, others)),
    )
    start = max(0, same - _SHOWN_BEFORE)
    rest = value[start:]
    if len(rest) > _LONGEST_VALUE:
        rest = f"{rest[: _LONGEST_VALUE // 2]}…{rest[1 - _LONGEST_VALUE // 2 :]}"
    return f"…{rest}" if start else rest


def _join(told: Sequence[str]) -> str:
    """Return as many settings as are short enough together, at least one."""
    shown = list(told)
    while len(shown) > 1 and len(", ".join(shown)) > _LONGEST:
        shown.pop()
    return ", ".join([*shown, "…"] if len(shown) < len(told) else shown)


def _with_settings(name: str, told: str) -> str:
    return f"{name} ({told})" if told else name
