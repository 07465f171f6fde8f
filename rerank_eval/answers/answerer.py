"""The last step of retrieval-augmented generation: a language model that answers a query from the first documents of a ranking."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rerank_eval.calls.chat import Chat, Schema
from rerank_eval.calls.interview import Interview
from rerank_eval.calls.prompt_file import OWN, PromptFile
from rerank_eval.calls.types import Body, Calls
from rerank_eval.corpus import replace_surrogates
from rerank_eval.errors import ConfigError
from rerank_eval.integers import check_integer
from rerank_eval.types import NO_USAGE, CallTiming, Usage

_SCHEMA: Schema = {
    "type": "object",
    "properties": {"answer": {"type": "string"}},
    "required": ["answer"],
    "additionalProperties": False,
}


class Reply(NamedTuple):
    """What a model answered, and what that took.

    `text` is empty where the documents do not hold the answer, and None where there was no usable answer: a refusal, an answer that was
    cut off. `timings` has the calls, one after the other.
    """

    text: str | None
    usage: Usage = NO_USAGE
    timings: Sequence[CallTiming] = ()


class Answerer:
    """Asks a chat about one query and its context: the first `context` documents of a ranking, each cut to `max_characters`."""

    def __init__(
        self,
        chat: Chat,
        prompt: str | None = None,
        context: int = 5,
        max_characters: int | None = 2000,
        answer_tokens: int = 256,
        depths: Sequence[int] | None = None,
    ) -> None:
        """Take the model, the path of a prompt, None for the package's own, and the depths to answer at, None for the largest.

        Raises:
            ConfigError: the prompt cannot be used, or a setting is out of range.
        """
        check_integer("answer.context", context, 1)
        check_integer("answer.max_characters", max_characters, 1, may_be_none=True)
        check_integer("answer.answer_tokens", answer_tokens, 1)
        self.endpoint = chat.endpoint
        self.context = context
        self.concurrency = chat.endpoint.concurrency
        """How many queries may be in flight."""
        self._chat = chat
        self._prompt = PromptFile(OWN / "answer.txt" if prompt is None else prompt)
        self._max_characters, self._answer_tokens = max_characters, answer_tokens
        self._depths = depths

    def depths_among(self, depths: Sequence[int]) -> tuple[int, ...]:
        """Return the depths to answer at, ascending: always 0, the first stage alone.

        Raises:
            ConfigError: one is not among those that are evaluated.
        """
        for depth in self._depths or ():
            if depth not in (0, *depths):
                raise ConfigError(
                    f"answer.depths has {depth!r}; valid: 0, {', '.join(map(str, depths))}, as depths has them"
                )
        return tuple(sorted({0, *(depths[-1:] if self._depths is None else self._depths)}))

    def make_body(self, query: str, documents: Sequence[str]) -> Body:
        """Return what is asked of the model."""
        return self._chat.make_body(self._prompt.fill(query, self._cut(documents)), _SCHEMA, self._answer_tokens)

    def answer(self, calls: Calls, query: str, documents: Sequence[str]) -> Reply:
        """Return the model's answer; of no use once, it is asked once more. Without a document nobody is asked. Thread-safe.

        Raises:
            RerankerError: the provider gave no answer.
            RunStoppingError: asking further makes no sense, or is not allowed.
        """
        if not documents:
            return Reply("")
        interview = Interview(calls, self._chat, self._prompt, query, self._cut(documents))
        text = interview.ask(range(len(documents)), _SCHEMA, _read, self._answer_tokens)
        return Reply(text, interview.usage, interview.timings)

    def identity(self) -> Mapping[str, object]:
        """Return everything that can change an answer, besides query and documents."""
        return {
            "chat": dict(self._chat.identity()),
            "prompt": self._prompt.sha256,
            "context": self.context,
            "max_characters": self._max_characters,
            "answer_tokens": self._answer_tokens,
        }

    def _cut(self, documents: Sequence[str]) -> list[str]:
        return [text[: self._max_characters] for text in documents]


def _read(value: Mapping[str, Any]) -> str | None:
    text = value.get("answer")
    return replace_surrogates(text).strip() if isinstance(text, str) else None
