"""Listwise reranking: the model puts a list of documents in order, whole or by a sliding window (RankGPT, arXiv:2304.09542)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rerank_eval.calls.chat import Chat, Schema
from rerank_eval.calls.interview import Interview
from rerank_eval.errors import ConfigError
from rerank_eval.integers import check_integer
from rerank_eval.rerankers.chat_reranker import ChatReranker, values_of_order
from rerank_eval.sorting import sort_by_windows

_SCHEMA: Schema = {
    "type": "object",
    "properties": {"ranking": {"type": "array", "items": {"type": "integer"}}},
    "required": ["ranking"],
    "additionalProperties": False,
}


class Listwise(ChatReranker):
    """Orders the candidates by one question, or by one for each window.

    An answer that is no permutation is repaired: what is no number of a document is dropped, of several the first counts, and what is
    missing comes last, in the order it was shown in. A window without a usable answer stays as it was. Scores are `n - rank`.
    """

    own_prompt = "listwise"

    def __init__(
        self,
        chat: Chat,
        name: str = "listwise",
        prompt: str | None = None,
        max_characters: int | None = 200,
        max_tokens: int | None = None,
        window: int | None = 20,
        stride: int = 10,
        passes: int = 1,
    ) -> None:
        """Take the model and the size of the window; None shows it all candidates at once.

        Raises:
            ConfigError: the prompt cannot be used, or a setting is out of range.
        """
        super().__init__(chat, name, prompt, max_characters, max_tokens)
        check_integer("window", window, 2, may_be_none=True)
        check_integer("stride", stride, 1)
        check_integer("passes", passes, 1)
        if window is not None and stride >= window:
            raise ConfigError(f"stride is {stride} and window {window}; windows must overlap, or nothing can come up")
        self._window, self._stride, self._passes = window, stride, passes

    def judge(self, interview: Interview, num_documents: int) -> list[float]:
        """Return n for the best document, n - 1 for the next, … 1."""

        def order(items: Sequence[int]) -> Sequence[int]:
            def read(value: Mapping[str, Any]) -> Permutation | None:
                found = read_permutation(value, len(items))
                if found is not None and not found.is_whole:
                    interview.repaired()
                return found

            found = interview.ask(items, _SCHEMA, read, 64 + 8 * len(items))
            return items if found is None else [items[number - 1] for number in found.numbers]

        window = self._window or max(num_documents, 2)
        return values_of_order(sort_by_windows(num_documents, order, window, self._stride, self._passes))

    def identity(self) -> Mapping[str, object]:
        """Return what `ChatReranker` does, and the window."""
        window = {"window": self._window, "stride": self._stride, "passes": self._passes}
        return {**super().identity(), **window}


class Permutation(NamedTuple):
    """All numbers from 1 on, each once; `is_whole` says that nothing had to be repaired."""

    numbers: list[int]
    is_whole: bool


def read_permutation(value: Mapping[str, Any], num_documents: int) -> Permutation | None:
    """Return the ranking, repaired; None if there is none, or not one number in it is that of a document."""
    said = value.get("ranking")
    if not isinstance(said, list):
        return None
    valid = [
        number
        for number in said
        if isinstance(number, int) and not isinstance(number, bool) and 1 <= number <= num_documents
    ]
    numbers = list(dict.fromkeys(valid))
    if not numbers:
        return None
    missing = [number for number in range(1, num_documents + 1) if number not in numbers]
    return Permutation(numbers + missing, len(said) == len(numbers) == num_documents)
