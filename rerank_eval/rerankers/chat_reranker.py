"""What rerankers have in common that ask a language model about numbered documents."""

from abc import ABC, abstractmethod
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import ClassVar

from rerank_eval.calls.asking import AsksThroughCalls
from rerank_eval.calls.chat import Chat
from rerank_eval.calls.interview import Interview
from rerank_eval.calls.prompt_file import OWN, PromptFile
from rerank_eval.calls.token_estimate import estimate_tokens
from rerank_eval.integers import check_integer
from rerank_eval.types import Request, Scores


class ChatReranker(AsksThroughCalls, ABC):
    """Shows a model the query and the beginnings of documents; a subclass says what it asks, by `judge`."""

    pointwise = False
    own_prompt: ClassVar[str]
    """The name of the package's own prompt."""

    def __init__(
        self, chat: Chat, name: str, prompt: str | None, max_characters: int | None, max_tokens: int | None
    ) -> None:
        """Take the model, the path of a prompt, None for the package's own, and how much of a document is shown.

        Raises:
            ConfigError: the prompt cannot be used, or a setting is out of range.
        """
        check_integer("max_characters", max_characters, 1, may_be_none=True)
        check_integer("max_tokens", max_tokens, 1, may_be_none=True)
        super().__init__()
        self.name = name
        self.endpoint = chat.endpoint
        self.concurrency = chat.endpoint.concurrency
        """How many queries may be in flight; the questions of one query are asked one after the other."""
        self._chat = chat
        self._prompt = PromptFile(OWN / f"{self.own_prompt}.txt" if prompt is None else prompt)
        self._max_characters, self._max_tokens = max_characters, max_tokens

    def score(self, request: Request) -> Scores:
        """Return the scores that `judge` finds, with what all questions took."""
        texts = [document.text for document in request.documents]
        shown = [self._cut(text) for text in texts]
        interview = Interview(self._calls, self._chat, self._prompt, request.query.text, shown)
        values = self.judge(interview, len(texts))
        truncated = [len(part) < len(text) for part, text in zip(shown, texts, strict=True)]
        return Scores(values, interview.usage, truncated, interview.timings)

    @abstractmethod
    def judge(self, interview: Interview, num_documents: int) -> Sequence[float]:
        """Return one score per document."""

    def identity(self) -> Mapping[str, object]:
        """Return the model with its settings, the prompt's hash and how much of a document is shown."""
        return {
            "chat": dict(self._chat.identity()),
            "prompt": self._prompt.sha256,
            "max_characters": self._max_characters,
            "max_tokens": self._max_tokens,
        }

    def _cut(self, text: str) -> str:
        shown = text[: self._max_characters]
        if self._max_tokens is None or estimate_tokens(shown) <= self._max_tokens:
            return shown
        longest = bisect_right(range(len(shown)), self._max_tokens, key=lambda end: estimate_tokens(shown[:end]))
        return shown[: longest - 1]


def values_of_order(order: Sequence[int]) -> list[float]:
    """Return n for the best item, n - 1 for the next, … 1, each at the item's own place."""
    values = [0.0] * len(order)
    for rank, item in enumerate(order):
        values[item] = float(len(order) - rank)
    return values
