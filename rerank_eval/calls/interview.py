"""The questions about one query's candidates: asked, asked once more where an answer is of no use, and counted."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeVar

from rerank_eval.calls.chat import Chat, Prompt, Schema
from rerank_eval.calls.prompt_file import PromptFile
from rerank_eval.calls.retry import TooLongError
from rerank_eval.calls.types import Calls
from rerank_eval.types import CallTiming, Usage

T = TypeVar("T")


class Interview:
    """Asks one model about one query and its candidates, which are numbered from 0; `timings` has every call. Not thread-safe."""

    def __init__(self, calls: Calls, chat: Chat, prompt: PromptFile, query: str, texts: Sequence[str]) -> None:
        """Take the texts as they are shown."""
        self._calls, self._chat, self._prompt = calls, chat, prompt
        self._query, self._texts = query, texts
        self._known: dict[Prompt, Any] = {}
        self._usages: list[Usage] = []
        self._repairs = self._refusals = self._fallbacks = 0
        self.timings: list[CallTiming] = []

    def ask(
        self, items: Sequence[int], schema: Schema, read: Callable[[Mapping[str, Any]], T | None], answer_tokens: int
    ) -> T | None:
        """Return what `read` makes of the answer about these candidates, in this order; None if it is of no use twice, or they are too long.

        The second question is the same; a model does not answer it with the same words. What was asked before is known, also of other
        candidates with the same texts: `read`, which is called once an answer, returns places in the question, not candidates.
        """
        prompt = self._prompt.fill(self._query, [self._texts[item] for item in items])
        if prompt not in self._known:
            self._known[prompt] = self._ask(prompt, schema, read, answer_tokens)
        known: T | None = self._known[prompt]
        return known

    def _ask(
        self, prompt: Prompt, schema: Schema, read: Callable[[Mapping[str, Any]], T | None], answer_tokens: int
    ) -> T | None:
        body = self._chat.make_body(prompt, schema, answer_tokens)
        for sample in (0, 1):
            try:
                answer = self._calls.ask(self._chat.endpoint, body, self._chat.read, sample)
            except TooLongError:  # and would be once more
                self._usages.append(Usage(calls=1, input_tokens=0, output_tokens=0, cached_tokens=0))
                break
            self._usages.append(answer.usage)
            self.timings.append(answer.timing)
            said = self._chat.read(answer.body)
            self._refusals += said.refused
            found = None if said.value is None else read(said.value)
            if found is not None:
                return found
        self._fallbacks += 1
        return None

    def repaired(self) -> None:
        """Count an answer that had to be repaired."""
        self._repairs += 1

    @property
    def usage(self) -> Usage:
        """What all questions took."""
        counts = {"repairs": self._repairs, "refusals": self._refusals, "fallbacks": self._fallbacks}
        return replace(Usage.total(self._usages), **counts)
