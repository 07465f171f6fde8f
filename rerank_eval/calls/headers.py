"""What a reply's headers say about limits and waits, in the forms that providers use."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NamedTuple

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0}
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)(ms|s|m|h|d))")
_EPOCH = 1e9
"""A number above this is a time of day in seconds since 1970, not a wait."""

_LARGEST = 1e15
"""A number above this is as good as this one."""


class Limits(NamedTuple):
    """What is known of an account's limits; None where nothing is said. `exhausted_s` is how long nothing is left for."""

    calls_per_minute: float | None = None
    tokens_per_minute: float | None = None
    exhausted_s: float | None = None


def read_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return how many seconds the provider asks to wait: `Retry-After` as seconds or HTTP date (RFC 9110), or `retry-after-ms`.

    None if it does not say, or says what cannot be read.
    """
    milliseconds = _number(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    return read_wait(headers.get("retry-after"), _server_time(headers, now))


def read_limits(headers: Mapping[str, str], now: datetime) -> Limits:
    """Return the limits that the headers of a reply tell.

    A number per minute is taken only from headers that are documented to mean one: Anthropic's
    (https://docs.anthropic.com/en/api/rate-limits), OpenAI's (https://platform.openai.com/docs/guides/rate-limits) and Cohere's for
    trial keys. Those that only say what is left (IETF's RateLimit fields, many gateways) tell when to pause.
    """
    calls = _first(
        headers,
        "anthropic-ratelimit-requests-limit",
        "x-ratelimit-limit-requests",
        "x-trial-endpoint-call-limit",
    )
    tokens = _first(
        headers,
        "anthropic-ratelimit-input-tokens-limit",
        "anthropic-ratelimit-tokens-limit",
        "x-ratelimit-limit-tokens",
    )
    if calls is not None and calls < 1:
        calls = None  # no account has so little; the run would stand still
    return Limits(calls, tokens, _exhausted(headers, _server_time(headers, now)))


def _server_time(headers: Mapping[str, str], now: datetime) -> datetime:
    """Return the reply's own time of day where it has one: this machine's clock may be wrong."""
    return _moment(headers.get("date", "").strip()) or now


def _exhausted(headers: Mapping[str, str], now: datetime) -> float | None:
    waits = []
    for remaining, reset in (
        ("anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset"),
        ("anthropic-ratelimit-input-tokens-remaining", "anthropic-ratelimit-input-tokens-reset"),
        ("x-ratelimit-remaining-requests", "x-ratelimit-reset-requests"),
        ("x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens"),
        ("x-ratelimit-remaining", "x-ratelimit-reset"),
        ("ratelimit-remaining", "ratelimit-reset"),
    ):
        if _number(headers.get(remaining)) == 0 and (wait := read_wait(headers.get(reset), now)) is not None:
            waits.append(wait)
    return max(waits, default=None)


def read_wait(text: str | None, now: datetime) -> float | None:
    """Return seconds from `now`, given as `12`, `0.5`, `6m0s`, `120ms`, seconds since 1970, an ISO 8601 time or an HTTP date."""
    if text is None:
        return None
    number = _number(text)
    if number is not None:
        return max(0.0, number - now.timestamp()) if number > _EPOCH else number
    text = text.strip()
    if parts := _DURATION.findall(text):
        if _DURATION.sub("", text) == "":
            return sum(float(count) * _UNITS[unit] for count, unit in parts)
        return None
    moment = _moment(text)
    return None if moment is None else max(0.0, (moment - now).total_seconds())


def _moment(text: str) -> datetime | None:
    for read in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            moment = read(text)
        except (ValueError, TypeError, OverflowError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None


def _first(headers: Mapping[str, str], *names: str) -> float | None:
    numbers = (_number(headers.get(name)) for name in names)
    return next((number for number in numbers if number), None)


def _number(text: str | None) -> float | None:
    if text is None or not re.fullmatch(r"\s*\d+(\.\d{1,9})?\s*", text, re.ASCII):
        return None
    return min(float(text), _LARGEST)
