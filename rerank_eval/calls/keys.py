"""API keys: read from the environment, sent in a header, and shown nowhere."""

import logging
import os
import re
from base64 import b64encode
from typing import AnyStr
from urllib.parse import urlsplit

from rerank_eval.errors import ConfigError

REDACTED = "[api key removed]"
SHORTEST_KEY = 8
"""Characters. No provider's key is shorter, and what is could stand in any answer, which would be lost with it."""


class ApiKey:
    """A key from an environment variable. Neither `repr` nor pickling gives it away."""

    __slots__ = ("_bytes_forms", "_forms", "_text", "variable")

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
        if len(text) < SHORTEST_KEY:
            raise ConfigError(
                f"the environment variable {variable} holds fewer than {SHORTEST_KEY} characters, which is no API key; "
                "where a server asks for none, leave api_key_env out"
            )
        self.variable = variable
        self._text = text
        forms = _forms(text)
        self._forms, self._bytes_forms = re.compile(forms), re.compile(forms.encode())

    def reveal(self) -> str:
        """Return the key itself, for the header that carries it."""
        return self._text

    def remove_from(self, text: str) -> str:
        """Return `text` without the key, also where it is written in one of the forms that `_forms` names."""
        return _replace(self._forms, text, REDACTED, "\\")

    def remove_from_bytes(self, content: bytes) -> bytes:
        """Return `content` without the key, as `remove_from` does; what was JSON still is."""
        return _replace(self._bytes_forms, content, REDACTED.encode(), b"\\")

    def __repr__(self) -> str:
        """Name the variable."""
        return f"ApiKey({self.variable})"

    def __reduce__(self) -> str:
        """Refuse to be pickled or copied.

        Raises:
            TypeError: always.
        """
        raise TypeError("an API key is not pickled")


def _forms(key: str) -> str:
    """Return a pattern of the key as it is, with JSON's escapes (also of JSON in a JSON text), percent-encoded, in UTF-16 or 32, and in base64.

    Each alternative begins with a plain character, which `re` can look for fast, and no repetition is without a bound. The backslashes
    before the first character are not in it: they are `_replace`'s, or every backslash of a text would be a place to begin.
    """
    between = r"\x00{0,3}+"
    first = key[0]
    tail = between + between.join(f"(?:{'|'.join(_ways_to_write(character))})" for character in key[1:])
    forms = [way + tail for way in (re.escape(first), f"u00{_code(first)}", f"%{_code(first)}")]
    for shift in range(3):  # base64 takes three bytes at a time, and the key may begin at any of them
        whole = b64encode(bytes(shift) + key.encode()).decode()
        part = whole[(0, 2, 3)[shift] : (shift + len(key)) * 8 // 6]
        forms += [re.escape(part), re.escape(part.replace("+", "-").replace("/", "_"))]
    return "|".join(forms)


def _ways_to_write(character: str) -> tuple[str, ...]:
    """Return patterns: as it is, escaped in JSON, percent-encoded."""
    plain, code = re.escape(character), _code(character)
    return plain, rf"\\\\{{0,7}}(?:{plain}|u00{code})", f"%{code}"


def _code(character: str) -> str:
    return f"(?i:{ord(character):02x})"


def _replace(pattern: re.Pattern[AnyStr], text: AnyStr, replacement: AnyStr, backslash: AnyStr) -> AnyStr:
    """Return the text with each match replaced, together with the backslashes before it."""
    parts: list[AnyStr] = []
    end = 0
    for found in pattern.finditer(text):
        parts += [text[end : found.start()].rstrip(backslash), replacement]
        end = found.end()
    parts.append(text[end:])
    return text[:0].join(parts)


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


def check_header(name: object, value: object, setting: str) -> str:
    """Return the name of a header in lower case; the value is in no message, as it may hold a key.

    Raises:
        ConfigError: HTTP allows no such name or value (RFC 9110, section 5), or the client itself sends this one.
    """
    if not isinstance(name, str) or not re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name):
        raise ConfigError(f"{setting}: {name!r} is no name of an HTTP header, e.g. X-Api-Key")
    if name.lower() in ("content-length", "transfer-encoding"):
        raise ConfigError(f"{setting}: {name} is sent as the body has it; leave it out")
    if not isinstance(value, str) or not re.fullmatch(r"([\x21-\x7e]([\t\x20-\x7e]*[\x21-\x7e])?)?", value):
        raise ConfigError(
            f"{setting}: the value of {name} has a character that no HTTP header can have, or a blank around it; "
            "write visible ASCII characters on one line"
        )
    return name.lower()


class KeyFilter(logging.Filter):
    """Removes a key from log records: at DEBUG, HTTP libraries and SDKs log what a server sends, which may echo what it was sent."""

    def __init__(self, key: ApiKey) -> None:
        """Take the key to remove."""
        super().__init__()
        self._key = key

    def removes(self, key: ApiKey) -> bool:
        """Return whether it removes this key."""
        return self._key.reveal() == key.reveal()

    def filter(self, record: logging.LogRecord) -> bool:
        """Keep every record, without the key in its message, its arguments, its exception or anything else that it has."""
        message = record.getMessage()
        if self._shows(message) or self._shows(repr(record.args)):
            record.msg, record.args = self._key.remove_from(message), ()
        if record.exc_info:
            trace = logging.Formatter().formatException(record.exc_info)
            if self._shows(trace):
                record.exc_info, record.exc_text = None, self._key.remove_from(trace)
        for name, value in vars(record).items():
            if name != "exc_info" and self._shows(repr(value)):
                setattr(record, name, self._key.remove_from(str(value)))
        return True

    def _shows(self, text: str) -> bool:
        return self._key.remove_from(text) != text
