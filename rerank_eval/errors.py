"""The one exception tree.

RerankEvalError
  ConfigError            a setting is wrong                         exit 2
    MissingExtraError    an optional package is not installed       exit 2
    NotCachedError       it must be downloaded, and may not be      exit 2
  DataError              an input file is wrong (path, line)        exit 2
    DuplicateIdError     two documents have one id                  exit 2
    NotComparableError   two results do not belong together         exit 2
  RerankerError          a reranker failed on one query             that query fails
  NotEvaluableError      there is no result to trust                exit 3
    StoreError           the store cannot be used                   exit 3
    UnreachableError     a host does not answer                     exit 3
  RunStoppingError       asking further makes no sense              the run ends, its partial result is kept
    RefusedError         the provider refuses key, model or request exit 2
    ProviderBusyError    the provider asks for too long a wait      exit 3
    BudgetError          the next call would pass the budget        exit 3
    TooManyFailuresError a reranker fails on too many queries       exit 3
"""

import difflib
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path


class RerankEvalError(Exception):
    """A fault with a message for the user; `exit_code` is what the command ends with."""

    exit_code = 2


class ConfigError(RerankEvalError):
    """A setting is wrong; the message names it and what it may be."""


class MissingExtraError(ConfigError):
    """An optional package is missing; the message has the command that installs it."""

    def __init__(self, package: str, extra: str) -> None:
        """Name the missing package and the extra of rerank-eval that brings it."""
        super().__init__(
            f"the package {package!r} is not installed; install it with: pip install -e '.[{extra}]' in the clone of rerank_eval, "
            f"or pip install 'rerank-eval[{extra}]' where an index has it"
        )


class NotCachedError(ConfigError):
    """A file of the hub is not on this machine, and a setting forbids to download it."""


class DataError(RerankEvalError):
    """An input file is wrong; the message begins with `path:line`."""

    def __init__(self, message: str, path: Path | str | None = None, line: int | None = None) -> None:
        """Put the place in front of the message."""
        place = "" if path is None else f"{path}: " if line is None else f"{path}:{line}: "
        super().__init__(f"{place}{message}")
        self.path = path
        self.line = line


class DuplicateIdError(DataError):
    """Two documents of a corpus have one id and different texts."""

    def __init__(self, doc_id: str) -> None:
        """Keep the id, so that a loader can add the lines."""
        super().__init__(f"doc_id {doc_id!r} comes twice with different texts")
        self.doc_id = doc_id


class NotComparableError(DataError):
    """Two results have no common ground; the message begins with "not comparable: "."""

    def __init__(self, message: str) -> None:
        """Put in front what follows from it."""
        super().__init__(f"not comparable: {message}")


class RerankerError(RerankEvalError):
    """A reranker failed on one query; the run goes on and counts it."""

    exit_code = 3


class NotEvaluableError(RerankEvalError):
    """There is no result to trust: nothing to score, or too many failures."""

    exit_code = 3


class StoreError(NotEvaluableError):
    """The store is held by another process or cannot be written."""


class UnreachableError(NotEvaluableError):
    """A host cannot be reached; what else needs it will fail likewise."""

    def __init__(self, message: str, host: str) -> None:
        """Keep the host."""
        super().__init__(message)
        self.host = host


class RunStoppingError(RerankEvalError):
    """Asking further makes no sense, or is not allowed: the run ends at once, and what it has is kept."""

    exit_code = 3


class RefusedError(RunStoppingError):
    """A provider refuses the key, the model or the form of the request; no other query would fare better."""

    exit_code = 2


class ProviderBusyError(RunStoppingError):
    """A provider asks to wait longer than the run is prepared to."""


class BudgetError(RunStoppingError):
    """The next call would pass the budget."""


class TooManyFailuresError(RunStoppingError):
    """A reranker that asks a provider has failed on more queries than the settings allow."""


def causes(error: BaseException) -> Iterator[BaseException]:
    """Yield `error` and what it was raised from, each once: a chain may run in a circle."""
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def nearest(name: str, valid: Iterable[str]) -> str:
    """Return a hint with the valid names nearest to `name`, whatever their case, or all of them where none is near."""
    names = sorted(set(valid))
    by_folded = {known.casefold(): known for known in names}
    close = [by_folded[found] for found in difflib.get_close_matches(name.casefold(), by_folded, n=3, cutoff=0.5)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"valid: {', '.join(names)}" if names else "there is none to choose from"


def shortened(text: str, limit: int = 80) -> str:
    """Return `text` on one printable line of at most `limit` characters, for a message."""
    shown = text if len(text) <= limit else text[: limit - 1] + "…"
    return repr(shown)[1:-1]


def printable(text: str) -> str:
    """Return `text` on one line, with a replacement character for each that is unseen, turns the direction, or is none."""
    return "".join("\N{REPLACEMENT CHARACTER}" if _is_unseen(character) else character for character in text)


def _is_unseen(character: str) -> bool:
    return unicodedata.category(character) in ("Cc", "Cs", "Cn", "Zl", "Zp") or unicodedata.bidirectional(
        character
    ) in (
        *("LRE", "RLE", "LRO", "RLO", "PDF"),
        *("LRI", "RLI", "FSI", "PDI"),
    )
