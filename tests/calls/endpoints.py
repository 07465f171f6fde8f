"""The four ways to a provider, each asked about the three documents of `make_request`: two rerank APIs and two language models."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from rerank_eval.calls.claude import Claude
from rerank_eval.calls.client import ApiClient
from rerank_eval.calls.openai_chat import OpenAIChat
from rerank_eval.protocols import Reranker
from rerank_eval.rerankers.cohere import Cohere
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.rerankers.listwise import Listwise
from rerank_eval.types import Request
from tests.chat_server import claude_answer, openai_answer
from tests.clocks import SkippingClock
from tests.fault_server import Behave, Behaviour, FaultServer, relevance, rerank_answer

KEY = "co-planted-4f1c9d2e7a"
KEY_ENV = "PLANTED_API_KEY"
ENDPOINTS = ("cohere", "http_rerank", "claude", "openai_compatible")
MODEL = "rerank-v3.5"
"""What all of them are told to ask for; the servers do not mind."""


class Way(NamedTuple):
    """One way to a provider: its name there, the path of its endpoint, a right answer, and how a reranker is made that asks it."""

    provider: str
    path: str
    answer: Callable[[Mapping[str, Any]], Any]
    make_reranker: Callable[[str, Mapping[str, Any]], Any]
    is_chat: bool

    def server(self, behave: Behave | Sequence[Behaviour] = ()) -> FaultServer:
        """A server of this provider's wire format."""
        return FaultServer(behave, self.answer)

    def make(self, url: str, client: ApiClient | None = None, **calls: Any) -> Reranker:
        """A reranker with these settings of calls, whose waits take no time."""
        made: Reranker = self.make_reranker(url, calls).with_calls(client or ApiClient(clock=SkippingClock()))
        return made

    def right(self, request: Request) -> list[float]:
        """The scores of the right answer."""
        scores = [relevance(request.query.text, document.text) for document in request.documents]
        return [1.0 + sum(other < score for other in scores) for score in scores] if self.is_chat else scores


def _cohere(url: str, calls: Mapping[str, Any]) -> Cohere:
    return Cohere(MODEL, base_url=url, api_key_env=KEY_ENV, calls=calls)


def _http_rerank(url: str, calls: Mapping[str, Any]) -> HttpRerank:
    response = {"search_units": "meta.billed_units.search_units"}
    return HttpRerank(f"{url}/rerank", MODEL, "http", api_key_env=KEY_ENV, response=response, calls=calls)


def _claude(url: str, calls: Mapping[str, Any]) -> Listwise:
    return Listwise(Claude(MODEL, url, api_key_env=KEY_ENV, calls=calls))


def _openai(url: str, calls: Mapping[str, Any]) -> Listwise:
    return Listwise(OpenAIChat(f"{url}/v1/chat/completions", MODEL, api_key_env=KEY_ENV, calls=calls))


WAYS: Mapping[str, Way] = {
    "cohere": Way("cohere", "/v2/rerank", rerank_answer, _cohere, is_chat=False),
    "http_rerank": Way("http", "/rerank", rerank_answer, _http_rerank, is_chat=False),
    "claude": Way("anthropic", "/v1/messages", claude_answer, _claude, is_chat=True),
    "openai_compatible": Way("openai_compatible", "/v1/chat/completions", openai_answer, _openai, is_chat=True),
}
