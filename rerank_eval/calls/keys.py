"""API keys: read from the environment, sent in a header, and shown nowhere."""

import logging
import os
import re
from urllib.parse import urlsplit

from rerank_eval.errors import ConfigError

REDACTED = "[api key removed]"


class ApiKey:
    """A key from an environment variable. Neither `repr` nor pickling gives it away."""

    __slots__ = ("_text", "variable")

    def __init__(self, variable: str) -> None:
        """Read the variable.

        Raises:
            ConfigError: it is no name of a variable, is not set, or holds what no HTTP header can.
        """
        if not isinstance(variable, str) or not re.fullmatch(r"[A-Z_][A-Z0-9_]{0,63}", variable):
            raise ConfigError(
                "api_key_env must be the name of an environment variable, in capitals, e.g. COHERE_API_KEY, and never the key itself"
            )
        text = os.environ.get(variable, "").strip()
        if not text:
            raise ConfigError(f"the environment variable {variable} is not set; it must hold the API key")
        if not re.fullmatch(r"[\x21-\x7e]+", text):
            raise ConfigError(f"the environment variable {variable} holds characters that no API key has")
        self.variable = variable
        self._text = text

    def reveal(self) -> str:
        """Return the key itself, for the header that carries it."""
        return self._text

    def remove_from(self, text: str) -> str:
        """Return `text` without the key."""
        return text.replace(self._text, REDACTED)

    def remove_from_bytes(self, content: bytes) -> bytes:
        """Return `content` without the key."""
        return content.replace(self._text.encode(), REDACTED.encode())

    def __repr__(self) -> str:
        """Name the variable."""
        return f"ApiKey({self.variable})"

    def __reduce__(self) -> str:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("an API key is not pickled")


def read_key(variable: str | None) -> ApiKey | None:
    """Return the key that the variable holds; None where no variable is named, for a server that asks for none.

    Raises:
        ConfigError: as `ApiKey`.
    """
    return None if variable is None else ApiKey(variable)


def check_url(url: object, setting: str = "url") -> str:
    """Return the URL.

    Raises:
        ConfigError: it is no http(s) URL, or holds a password.
    """
    try:
        parts = urlsplit(url if isinstance(url, str) else "")
        known = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        secret = "@" in parts.netloc
    except ValueError:
        known = secret = False
    if secret:
        raise ConfigError(f"{setting} holds a user name or password; keys go into an environment variable, api_key_env")
    if not known:
        raise ConfigError(f"{setting} is {url!r}; it must be like https://api.example.com/v1/rerank")
    return str(url)


class KeyFilter(logging.Filter):
    """Removes a key from log records: at DEBUG, HTTP libraries log the reply's headers, and a server may echo what it was sent."""

    def __init__(self, key: ApiKey) -> None:
        """Take the key to remove."""
        super().__init__()
        self._key = key

    def removes(self, key: ApiKey) -> bool:
        """Return whether it removes this key."""
        return self._key.reveal() == key.reveal()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, without the key."""
        message = record.getMessage()
        cleaned = self._key.remove_from(message)
        if cleaned != message:
            record.msg, record.args = cleaned, ()
        return True
