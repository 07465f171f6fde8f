"""Servers with OpenAI's chat completions (vLLM, llama.cpp, Ollama, and OpenAI itself): https://platform.openai.com/docs/api-reference/chat."""

from collections.abc import Mapping
from typing import Any

from rerank_eval.calls.chat import ChatAnswer, Prompt, Schema, imagine_object, read_object
from rerank_eval.calls.json_paths import find, find_count
from rerank_eval.calls.keys import check_url, read_key
from rerank_eval.calls.sending import make_post
from rerank_eval.calls.settings import CallSettings
from rerank_eval.calls.token_estimate import estimate_tokens
from rerank_eval.calls.types import Body, Endpoint
from rerank_eval.errors import RerankerError, shortened
from rerank_eval.integers import check_integer
from rerank_eval.types import Usage


class OpenAIChat:
    """One model of such a server, which answers by a JSON schema."""

    def __init__(
        self,
        url: str,
        model: str,
        provider: str = "openai_compatible",
        api_key_env: str | None = None,
        thinking_tokens: int = 0,
        max_tokens_field: str = "max_tokens",
        also: Mapping[str, Any] | None = None,
        calls: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the client; nothing is sent.

        `url` is the whole address, `provider` the name in the price list; `also` is sent as it is, and `thinking_tokens` is what an
        answer may have for thinking, above what the answer itself needs.

        Raises:
            MissingExtraError: httpx is not installed.
            ConfigError: the key's environment variable is not set, or a setting is unknown or out of range.
        """
        check_integer("thinking_tokens", thinking_tokens, 0)
        self._thinking_tokens, self._max_tokens_field, self._also = thinking_tokens, max_tokens_field, dict(also or {})
        key = read_key(api_key_env)
        address = check_url(url)
        headers = {} if key is None else {"Authorization": f"Bearer {key.reveal()}"}
        settings = CallSettings.read(calls)
        self.endpoint = Endpoint(
            provider=provider,
            model=model,
            url=address,
            send=make_post(address, headers, key),
            read_usage=_read_usage,
            estimate=self._estimate,
            key=key,
            settings=settings,
            imagine=_imagine,
            uncounted=("search",),
        )

    def make_body(self, prompt: Prompt, schema: Schema, answer_tokens: int) -> Body:
        """Return the body of the POST."""
        system = [{"role": "system", "content": prompt.system}] if prompt.system else []
        return {
            **self._also,
            "model": self.endpoint.model,
            "messages": [*system, {"role": "user", "content": prompt.user}],
            self._max_tokens_field: answer_tokens + self._thinking_tokens,
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "answer", "strict": True, "schema": schema},
            },
        }

    def read(self, decoded: Any) -> ChatAnswer:
        """Return the JSON object in the text; none where the model declined or stopped before the end."""
        choices = find(decoded, "choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(find(choice, "message"), Mapping):
            raise RerankerError(f"{self.endpoint.provider} returned what is no completion: {shortened(repr(decoded))}")
        reason, text = find(choice, "finish_reason"), find(choice, "message.content")
        if reason == "content_filter" or find(choice, "message.refusal"):
            return ChatAnswer(None, refused=True)
        return ChatAnswer(read_object(text) if reason == "stop" and isinstance(text, str) else None)

    def identity(self) -> Mapping[str, object]:
        """Return the model, its address and what is sent with every call."""
        return {
            "model": self.endpoint.model,
            "url": self.endpoint.url,
            "thinking_tokens": self._thinking_tokens,
            "max_tokens_field": self._max_tokens_field,
            "also": self._also,
        }

    def _estimate(self, body: Body) -> Usage:
        text = "".join(message["content"] for message in body["messages"])
        return Usage(calls=1, input_tokens=estimate_tokens(text), output_tokens=body[self._max_tokens_field])


def _read_usage(decoded: Any) -> Usage:
    return Usage(
        calls=1,
        input_tokens=find_count(decoded, "usage.prompt_tokens"),
        output_tokens=find_count(decoded, "usage.completion_tokens"),
        cached_tokens=find_count(decoded, "usage.prompt_tokens_details.cached_tokens"),
    )


def _imagine(body: Body) -> Any:
    text = imagine_object(body["response_format"]["json_schema"]["schema"], body)
    return {"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}
