"""Settings that hold a secret: refused before they are written anywhere, since settings are part of every result."""

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, urlsplit

from rerank_eval.errors import ConfigError

_SECRET_NAME = re.compile(
    r"authori[sz]ation$|api[-_]?key$|credentials?$|passw(or)?d$|secret|(access|private|subscription)[-_]?key$",
    re.IGNORECASE,
)
_MAYBE_SECRET_NAME = re.compile(r"(^|[^a-z])(cookie|key|signature|sig|token)$", re.IGNORECASE)
"""A model has tokens, too; what such a setting holds is taken for a secret where it is a word of some length with a digit."""
_KNOWN_KEY = re.compile(
    r"(?<![A-Za-z0-9])(sk-(?=[\w-]*\d)[\w-]{16,}"  # OpenAI, Anthropic (sk-ant-) and many others
    r"|(co|pa)-(?=\w*\d)\w{20,}"  # Voyage: pa-
    r"|(jina|hf|gsk|ghp|pcsk|mxb)_(?=\w*\d)[A-Za-z0-9]{20,}\w*|(xai|r8)-(?=\w*\d)\w{20,}|AIza[\w-]{30,}|AKIA[A-Z0-9]{16})"
)
_LONG_RANDOM = re.compile(r"(?=[a-z0-9]*[A-Z])(?=[A-Z0-9]*[a-z])(?=(?:[A-Za-z]*\d){3})[A-Za-z0-9]{32,}")
"""Cohere's and others have no mark; a hash, such as a revision's, has no capitals."""
_SCHEME_AND_KEY = re.compile(r"\s*(api-?key|basic|bearer|key|token)\s+\S{8}", re.IGNORECASE)

_INSIDE = re.compile(r"""['"]?([\w.-]+)['"]?\s*:\s*("[^"]*"|'[^']*'|[^,{}\[\]]+)""")
"""A name and its value in a mapping as hydra reads one from an override."""


def refuse_secrets(value: object, name: str = "") -> None:
    """Check a setting, and all settings inside it, by their names and by what their values look like.

    Raises:
        ConfigError: one holds what looks like a secret; the message does not repeat it.
    """
    if isinstance(value, Mapping):
        for key, part in value.items():
            refuse_secrets(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, list | tuple):
        for index, part in enumerate(value):
            refuse_secrets(part, f"{name}[{index}]")
    elif _is_secret(value, name):
        raise ConfigError(
            f"{_KNOWN_KEY.sub('…', name)} holds what looks like a key or a password, and settings are written into results; "
            "put it into an environment variable and name that in api_key_env"
        )


def refuse_secret_overrides(words: list[str]) -> None:
    """Check settings as they are written on the command line, where a sweep writes them down before it begins.

    Raises:
        ConfigError: as `refuse_secrets`.
    """
    for word in words:
        name, _, value = word.partition("=")
        refuse_secrets(value.strip("'\""), name.lstrip("+"))
        for inner, text in _INSIDE.findall(value) if "{" in value else ():
            refuse_secrets(text.strip("'\" "), f"{name.lstrip('+')}.{inner}")


def _is_secret(value: object, name: str) -> bool:
    if value is None or isinstance(value, bool) or value in ("", "null"):
        return False
    plain_name = re.sub(r"\[\d+\]$", "", name)
    if _SECRET_NAME.search(plain_name):
        return True
    if _MAYBE_SECRET_NAME.search(plain_name) and re.fullmatch(r"(?=.*\d)\S{8,}", str(value)):
        return True
    return isinstance(value, str) and (_looks_secret(value) or _is_secret_address(value))


def _looks_secret(text: str) -> bool:
    return bool(_KNOWN_KEY.search(text) or _LONG_RANDOM.search(text) or _SCHEME_AND_KEY.match(text))


def _is_secret_address(text: str) -> bool:
    try:
        address = urlsplit(text)
    except ValueError:
        return False
    if not address.scheme or not address.netloc:
        return False
    return "@" in address.netloc or any(
        _SECRET_NAME.search(name) or _MAYBE_SECRET_NAME.search(name) for name, _ in parse_qsl(address.query)
    )
