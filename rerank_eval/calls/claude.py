"""Claude, through Anthropic's own SDK: https://platform.claude.com/docs/en/api/messages."""

import math
from collections.abc import Mapping
from typing import Any

from rerank_eval.calls.chat import ChatAnswer, Prompt, Schema, imagine_object, read_object
from rerank_eval.calls.claude_batches import ClaudeBatches
from rerank_eval.calls.json_paths import find, find_count
from rerank_eval.calls.keys import ApiKey, check_url
from rerank_eval.calls.sending import Wire
from rerank_eval.calls.settings import BatchSettings, CallSettings
from rerank_eval.calls.token_estimate import estimate_tokens
from rerank_eval.calls.types import Body, Endpoint, Reply
from rerank_eval.errors import ConfigError, MissingExtraError, RerankerError, shortened
from rerank_eval.integers import check_integer
from rerank_eval.types import Usage

_THINKING = ("adaptive", "between_tools", "disabled")
_EFFORT = ("low", "medium", "high", "xhigh", "max")
_NEW_PER_OLD_TOKENIZER = 1.3
"""How many more tokens the tokenizer since Claude 4.7 makes of a text than the one before
(https://platform.claude.com/docs/en/models/haiku-5-5/whats-new-haiku-5-5)."""


class Claude:
    """One Claude model that answers by structured output. The SDK's own retries are off: `calls` says how often and how fast it is asked."""

    def __init__(
        self,
        model: str,
        base_url: str = "https://api.anthropic.com",
        api_key_env: str = "ANTHROPIC_API_KEY",
        thinking: str | None = None,
        thinking_tokens: int = 0,
        effort: str | None = None,
        cache_prompt: bool = False,
        batch: Mapping[str, Any] | None = None,
        calls: Mapping[str, Any] | None = None,
    ) -> None:
        """Make the client; nothing is sent.

        `thinking` and `effort` are sent as they are, None is the model's own default; `thinking_tokens` is what an answer may have for
        thinking, above what the answer itself needs. `cache_prompt` asks for what the model is told, which is the same in every question,
        to be cached; a model has a least length for that. `batch` says whether questions go in message batches, at half the price.

        Raises:
            MissingExtraError: anthropic is not installed.
            ConfigError: the key's environment variable is not set, or a setting is unknown or out of range.
        """
        for name, value, valid in (("thinking", thinking, _THINKING), ("effort", effort, _EFFORT)):
            if value is not None and value not in valid:
                raise ConfigError(f"{name} is {value!r}; valid: null, {', '.join(valid)}")
        check_integer("thinking_tokens", thinking_tokens, 0)
        if thinking == "adaptive" and thinking_tokens == 0:
            raise ConfigError(
                "thinking is adaptive and thinking_tokens is 0; allow for some, e.g. thinking_tokens=4096"
            )
        self._thinking, self._thinking_tokens, self._effort = thinking, thinking_tokens, effort
        self._cache_prompt = cache_prompt
        key = ApiKey(api_key_env)
        url = check_url(base_url, "base_url").rstrip("/")
        sender = _Sender(url, key)
        settings = CallSettings.read(calls)
        self.endpoint = Endpoint(
            provider="anthropic",
            model=model,
            url=f"{url}/v1/messages",
            send=sender.send,
            read_usage=_read_usage,
            estimate=_estimate,
            key=key,
            settings=settings,
            imagine=_imagine,
            uncounted=("search",),
            batches=sender.batches(BatchSettings.read(batch)),
        )

    def make_body(self, prompt: Prompt, schema: Schema, answer_tokens: int) -> Body:
        """Return the arguments of `messages.create`."""
        output: dict[str, Any] = {"format": {"type": "json_schema", "schema": schema}}
        if self._effort is not None:
            output["effort"] = self._effort
        body: dict[str, Any] = {
            "model": self.endpoint.model,
            "max_tokens": answer_tokens + self._thinking_tokens,
            "messages": [{"role": "user", "content": prompt.user}],
            "output_config": output,
        }
        if prompt.system:
            cached = {"cache_control": {"type": "ephemeral"}} if self._cache_prompt else {}
            body["system"] = [{"type": "text", "text": prompt.system, **cached}]
        return body if self._thinking is None else {**body, "thinking": {"type": self._thinking}}

    def read(self, decoded: Any) -> ChatAnswer:
        """Return the JSON object in the text; none where the model declined or stopped before the end."""
        blocks = find(decoded, "content")
        if not isinstance(blocks, list) or not all(isinstance(block, Mapping) for block in blocks):
            raise RerankerError(f"anthropic returned what is no message: {shortened(repr(decoded))}")
        reason = find(decoded, "stop_reason")
        if reason != "end_turn":  # refusal, max_tokens, model_context_window_exceeded
            return ChatAnswer(None, refused=reason == "refusal")
        return ChatAnswer(
            read_object("".join(f"{block.get('text')}" for block in blocks if block.get("type") == "text"))
        )

    def identity(self) -> Mapping[str, object]:
        """Return the model, its address and what is sent with every call."""
        return {
            "model": self.endpoint.model,
            "url": self.endpoint.url,
            "thinking": self._thinking,
            "thinking_tokens": self._thinking_tokens,
            "effort": self._effort,
            "cache_prompt": self._cache_prompt,
        }


class _Sender:
    """Sends a body through the SDK, once."""

    def __init__(self, base_url: str, key: ApiKey) -> None:
        try:
            import anthropic
            import httpx2
        except ImportError as error:
            raise MissingExtraError(error.name or "anthropic", "anthropic") from error
        self._wire = Wire(httpx2, key)
        self._client = anthropic.Anthropic(
            api_key=key.reveal(), base_url=base_url, max_retries=0, http_client=self._wire.client
        )
        # what ANTHROPIC_CUSTOM_HEADERS holds is in no key of an answer, and may be a secret
        self._client._custom_headers = {}

    def batches(self, settings: BatchSettings) -> ClaudeBatches:
        return ClaudeBatches(self._client, self._wire, settings)

    def send(self, body: Body, timeout_s: float) -> Reply:
        return self._wire.exchange(lambda: self._client.messages.create(**body, timeout=timeout_s), timeout_s)


def _read_usage(decoded: Any) -> Usage:
    """Return what is billed; Anthropic counts what its cache was asked for apart from `input_tokens`."""
    read = find_count(decoded, "usage.cache_read_input_tokens") or 0
    written = find_count(decoded, "usage.cache_creation_input_tokens") or 0
    new = find_count(decoded, "usage.input_tokens")
    return Usage(
        calls=1,
        input_tokens=None if new is None else new + written + read,
        output_tokens=find_count(decoded, "usage.output_tokens"),
        cached_tokens=read,
    )


def _estimate(body: Body) -> Usage:
    told = "".join(block["text"] for block in body.get("system", ()))
    text = told + body["messages"][0]["content"] + str(body["output_config"])
    tokens = math.ceil(estimate_tokens(text) * _NEW_PER_OLD_TOKENIZER)
    return Usage(calls=1, input_tokens=tokens, output_tokens=body["max_tokens"])


def _imagine(body: Body) -> Any:
    text = imagine_object(body["output_config"]["format"]["schema"], body)
    return {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn"}
