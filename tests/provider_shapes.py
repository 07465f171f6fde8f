"""What each provider's right answer looks like, by its documentation; the YAML in conf/reranker names where that is."""

from collections.abc import Callable, Mapping
from typing import Any

from tests.chat_server import claude_answer, openai_answer
from tests.fault_server import relevance, rerank_answer

Body = Mapping[str, Any]


def scored(body: Body, documents: list[str]) -> list[tuple[int, float]]:
    scores = [(index, relevance(body["query"], text)) for index, text in enumerate(documents)]
    return sorted(scores, key=lambda pair: -pair[1])


def jina_like(body: Body) -> Any:
    rows = [{"index": index, "relevance_score": score} for index, score in scored(body, body["documents"])]
    return {"model": body["model"], "results": rows, "usage": {"prompt_tokens": 9, "total_tokens": 9}}


def voyage(body: Body) -> Any:
    rows = [{"index": index, "relevance_score": score} for index, score in scored(body, body["documents"])]
    return {"object": "list", "data": rows, "model": body["model"], "usage": {"total_tokens": 9}}


def mixedbread(body: Body) -> Any:
    rows = [{"index": index, "score": score, "object": "rank_result"} for index, score in scored(body, body["input"])]
    return {"usage": {"prompt_tokens": 9, "total_tokens": 9}, "model": body["model"], "data": rows, "object": "list"}


def pinecone(body: Body) -> Any:
    texts = [document["text"] for document in body["documents"]]
    rows = [{"index": index, "score": score} for index, score in scored(body, texts)]
    return {"model": body["model"], "data": rows, "usage": {"rerank_units": 1}}


def tei(body: Body) -> Any:
    return [{"index": index, "score": score} for index, score in scored(body, body["texts"])]


def vllm(body: Body) -> Any:
    rows = [
        {"index": index, "document": {"text": body["documents"][index], "multi_modal": None}, "relevance_score": score}
        for index, score in scored(body, body["documents"])
    ]
    return {"id": "rerank-1", "model": body["model"], "usage": {"total_tokens": 9}, "results": rows}


_SHAPES: Mapping[str, Callable[[Body], Any]] = {
    "claude": claude_answer,
    "cohere": rerank_answer,
    "http_rerank": rerank_answer,
    "infinity": jina_like,
    "jina": jina_like,
    "mixedbread": mixedbread,
    "openai_compatible": openai_answer,
    "pinecone": pinecone,
    "tei": tei,
    "vllm": vllm,
    "voyage": voyage,
}


def shape_of(choice: str) -> Callable[[Body], Any]:
    """How the provider of a choice in conf/reranker answers; a new provider must be added here."""
    shape = _SHAPES.get(choice) or _SHAPES.get(choice.split("_")[0])
    assert shape, (
        f"add to _SHAPES in tests/provider_shapes.py how the provider of {choice} answers, by its documentation"
    )
    return shape
