"""What an answer depends on, as one hash."""

import hashlib
import json
from collections.abc import Mapping

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
