"""What an answer or a file depends on, as one hash."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from rerank_eval.errors import ConfigError
from rerank_eval.types import Request

SCHEMA_VERSION = 1
"""Part of every key: a change of what a row means makes old rows unreachable instead of wrong."""


def fingerprint(value: Mapping[str, object]) -> str:
    """Return the SHA-256 of a mapping of plain values, whatever the order of its keys.

    Raises:
        ConfigError: a value is not plain; as text, two that differ could look the same.
    """
    try:
        return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
    except (TypeError, ValueError) as error:
        raise ConfigError(
            f"identity() or the settings hold a value that is no plain text, number, list or mapping ({error}); convert it, e.g. by str()"
        ) from error


def class_name(thing: object) -> str:
    """Return module and name of the class of `thing`, which tell apart two that describe their settings alike."""
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content, in hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def answer_key(system_fingerprint: str, request: Request) -> str:
    """Return the key of an answer: schema version, system, and the whole request: ids, texts, and scores if it has them."""
    digest = hashlib.sha256(f"{SCHEMA_VERSION} {system_fingerprint}".encode())
    parts = [*request.query, *(part for document in request.documents for part in document)]
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        digest.update(b"%d " % len(encoded) + encoded)
    for score in request.first_stage_scores:
        digest.update(f"score {score.hex()} ".encode())
    return digest.hexdigest()
