"""Language models on the loopback: they read the prompt, know a hidden relevance, and answer in the wire format of their provider."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.fault_server import Behaviour, relevance

_DOCUMENT = re.compile(r'<document-([0-9a-f]{12}) number="(\d+)">\n(.*?)\n</document-\1>', re.DOTALL)
_QUERY = re.compile(r"<query-([0-9a-f]{12})>\n(.*?)\n</query-\1>", re.DOTALL)


class Shown(NamedTuple):
    """What a prompt shows: the query, and the documents in their order."""

    query: str
    documents: list[str]

    @property
    def best_first(self) -> list[int]:
        """The numbers of the documents, by hidden relevance."""
        numbers = range(1, len(self.documents) + 1)
        return sorted(numbers, key=lambda number: -relevance(self.query, self.documents[number - 1]))


def read_prompt(body: Mapping[str, Any]) -> Shown:
    """What the user's message shows; every document must have the key of the query, and its number."""
    text = body["messages"][-1]["content"]
    query = _QUERY.search(text)
    assert query is not None
    documents = _DOCUMENT.findall(text)
    assert [(key, int(number)) for key, number, _ in documents] == [
        (query[1], number) for number in range(1, len(documents) + 1)
    ]
    return Shown(query[2], [document for _, _, document in documents])


def right_value(body: Mapping[str, Any]) -> dict[str, Any]:
    """The right answer to whatever the schema asks for; to a question, the whole text of the best document shown."""
    schema = (
        body["output_config"]["format"]["schema"]
        if "output_config" in body
        else body["response_format"]["json_schema"]["schema"]
    )
    shown = read_prompt(body)
    grades = [int(4 * relevance(shown.query, text)) for text in shown.documents]
    answers = {
        "ranking": shown.best_first,
        "best": shown.best_first[0],
        "grades": [{"number": number, "grade": grade} for number, grade in enumerate(grades, start=1)],
        "answer": shown.documents[shown.best_first[0] - 1],
    }
    return {name: answers[name] for name in schema["properties"]}


Message = Callable[..., dict[str, Any]]


def claude_message(value: Any, stop_reason: str = "end_turn") -> dict[str, Any]:
    """A message with a thinking block before the text; a text is sent as it is, anything else as JSON."""
    text = value if isinstance(value, str) else json.dumps(value)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-haiku-5-5",
        "content": [{"type": "thinking", "thinking": "", "signature": "s"}, {"type": "text", "text": text}],
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {
            "input_tokens": 70,
            "cache_creation_input_tokens": 10,
            "cache_read_input_tokens": 20,
            "output_tokens": 5,
        },
    }


def completion(value: Any, stop_reason: str = "end_turn") -> dict[str, Any]:
    """The same from a server with OpenAI's chat completions."""
    text = value if isinstance(value, str) else json.dumps(value)
    reasons = {"end_turn": "stop", "refusal": "content_filter"}
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": text},
        "finish_reason": reasons.get(stop_reason, "length"),
    }
    usage = {"prompt_tokens": 100, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 20}}
    return {"id": "c1", "object": "chat.completion", "model": "m", "choices": [choice], "usage": usage}


def claude_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """The right answer in Anthropic's form."""
    return claude_message(right_value(body))


def openai_answer(body: Mapping[str, Any]) -> dict[str, Any]:
    """The right answer in OpenAI's form."""
    return completion(right_value(body))


def said(message: Message, values: Sequence[Any]) -> list[Behaviour]:
    """What the first requests are answered: a value, or (value, stop reason)."""
    return [Behaviour(content=message(*(value if isinstance(value, tuple) else (value,)))) for value in values]
