"""Language models behind the real SDK and the real HTTP client, and candidates that they are asked about."""

from collections.abc import Callable
from typing import Any

from rerank_eval.calls.claude import Claude
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.openai_chat import OpenAIChat
from rerank_eval.types import Request
from tests.chat_server import claude_answer, claude_message, completion, openai_answer, said
from tests.clocks import SkippingClock
from tests.fakes import make_request
from tests.fault_server import FaultServer, relevance

Make = Callable[..., Any]


class Provider:
    """A server that answers well after what it is told to say first, and rerankers that ask it."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.answer, self.message = (claude_answer, claude_message) if kind == "claude" else (openai_answer, completion)

    def server(self, *first: Any) -> FaultServer:
        return FaultServer(said(self.message, first), self.answer)

    def make(self, reranker: Make, url: str, **settings: Any) -> Any:
        chat = Claude("claude-haiku-5-5", url) if self.kind == "claude" else OpenAIChat(url, "qwen")
        return reranker(chat, **settings).with_calls(ApiClient(clock=SkippingClock()))


def candidates(count: int, order: str = "mixed") -> Request:
    request = make_request("q1", "how", [(f"d{number}", f"text {number}") for number in range(count)])
    if order == "mixed":
        return request
    best_first = sorted(request.documents, key=lambda document: -relevance("how", document.text))
    return request._replace(documents=tuple(best_first if order == "best first" else best_first[::-1]))


def relevances(request: Request) -> list[float]:
    return [relevance(request.query.text, document.text) for document in request.documents]
