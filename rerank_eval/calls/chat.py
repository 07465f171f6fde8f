"""Language models that are sent a prompt and answer with JSON: what a reranker sees of one, whoever provides it."""

import hashlib
import json
import random
from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol

from rerank_eval.calls.types import Body, Endpoint

Schema = Mapping[str, Any]
"""A JSON schema."""
_MOST_IMAGINED = 200
"""Numbers in an imagined list; those of no document are passed over, and in longer lists the first ones move."""


class Prompt(NamedTuple):
    """What the model is told, and what it is asked."""

    system: str
    user: str


class ChatAnswer(NamedTuple):
    """What an answer says: a JSON object, or None where it is of no use; `refused` where the model declined."""

    value: Mapping[str, Any] | None
    refused: bool = False


class Chat(Protocol):
    """One model of one provider."""

    endpoint: Endpoint

    def make_body(self, prompt: Prompt, schema: Schema, answer_tokens: int) -> Body:
        """Return what is sent for an answer of the schema, which has up to `answer_tokens` tokens."""
        ...

    def read(self, decoded: Any) -> ChatAnswer:
        """Return what the decoded reply says.

        Raises:
            RerankerError: it is no reply of this provider.
        """
        ...

    def identity(self) -> Mapping[str, object]:
        """Return everything that can change an answer."""
        ...


def read_object(text: str) -> Mapping[str, Any] | None:
    """Return the JSON object that the whole text is; None for anything else, such as prose around one."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, Mapping) else None


def imagine_object(schema: Schema, body: Body) -> str:
    """Return a JSON object of the schema, for a run in which nothing is sent.

    Choices and the order of numbers are drawn, the same for a body; texts and other lists are empty.
    """
    drawn = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    values: dict[str, Any] = {}
    for name, kind in schema.get("properties", {}).items():
        if kind.get("enum"):
            values[name] = kind["enum"][drawn[0] % len(kind["enum"])]
        elif kind["type"] != "array":
            values[name] = ""
        else:
            numbers = range(1, _MOST_IMAGINED + 1) if kind["items"].get("type") == "integer" else ()
            values[name] = random.Random(drawn).sample(numbers, len(numbers))
    return json.dumps(values)
