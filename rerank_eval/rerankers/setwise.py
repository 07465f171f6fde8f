"""Setwise reranking: the model names the best of a few documents, and a sort asks it until the top is known (arXiv:2310.09497)."""

from collections.abc import Mapping, Sequence
from typing import Any

from rerank_eval.calls.chat import Chat
from rerank_eval.calls.interview import Interview
from rerank_eval.errors import ConfigError
from rerank_eval.integers import check_integer
from rerank_eval.rerankers.chat_reranker import ChatReranker, values_of_order
from rerank_eval.sorting import Pick, most_picks_by_bubbles, most_picks_by_heap, sort_by_bubbles, sort_by_heap

_ANSWER_TOKENS = 64
_SORTS = {"heap": sort_by_heap, "bubble": sort_by_bubbles}
_MOST_PICKS = {"heap": most_picks_by_heap, "bubble": most_picks_by_bubbles}


class Setwise(ChatReranker):
    """Brings the best `top` candidates to the front; the others stay below, in candidate order (heap) or as the passes left them (bubble).

    Without a usable answer the documents of a question stay as they were. No question is asked twice for one query. Scores are `n - rank`.
    """

    own_prompt = "setwise"

    def __init__(
        self,
        chat: Chat,
        name: str = "setwise",
        prompt: str | None = None,
        max_characters: int | None = 200,
        max_tokens: int | None = None,
        sort: str = "heap",
        group: int = 4,
        top: int = 10,
    ) -> None:
        """Take the model, the sort, how many documents it is shown at once, and how many are wanted in front.

        Raises:
            ConfigError: the prompt cannot be used, or a setting is unknown or out of range.
        """
        super().__init__(chat, name, prompt, max_characters, max_tokens)
        check_integer("group", group, 2)
        check_integer("top", top, 1)
        if sort not in _SORTS:
            raise ConfigError(f"sort is {sort!r}; valid: {', '.join(_SORTS)}")
        self._sort, self._group, self._top = sort, group, top

    def judge(self, interview: Interview, num_documents: int) -> list[float]:
        """Return n for the best document, n - 1 for the next, … 1."""
        return values_of_order(_SORTS[self._sort](num_documents, self.pick_by(interview), self._group, self._top))

    def most_questions(self, num_documents: int) -> int:
        """Return how many questions it asks at most about so many documents, but for those asked again for want of a usable answer."""
        return _MOST_PICKS[self._sort](num_documents, self._group, self._top)

    def pick_by(self, interview: Interview) -> Pick:
        """Return what names the best of a few candidates; the first, where the model is of no help."""

        def pick(items: Sequence[int]) -> int:
            best = ask_for_best(interview, items)
            return items[0] if best is None else best

        return pick

    def identity(self) -> Mapping[str, object]:
        """Return what `ChatReranker` does, and how it is sorted."""
        return {**super().identity(), "sort": self._sort, "group": self._group, "top": self._top}


def ask_for_best(interview: Interview, items: Sequence[int]) -> int | None:
    """Return the candidate that the model names as the best of these; None where it names none of them twice."""

    def read(value: Mapping[str, Any]) -> int | None:
        best = value.get("best")
        return best if type(best) is int and 1 <= best <= len(items) else None

    numbers = {"type": "integer", "enum": list(range(1, len(items) + 1))}
    schema = {"type": "object", "properties": {"best": numbers}, "required": ["best"], "additionalProperties": False}
    number = interview.ask(items, schema, read, _ANSWER_TOKENS)
    return None if number is None else items[number - 1]
