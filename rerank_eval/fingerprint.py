"""What an answer depends on, as one hash."""

import hashlib
import json
from collections.abc import Mapping

from rerank_eval.types import Request

SCHEMA_VERSION = 1
"""Part of every key: a change of what a row means makes old rows unreachable instead of wrong."""


def fingerprint(value: Mapping[str, object]) -> str:
    """Return the SHA-256 of a mapping of plain values, whatever the order of its keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def answer_key(system_fingerprint: str, request: Request) -> str:
    """Return the key of an answer: schema version, system, and the whole request, texts and ids included."""
    digest = hashlib.sha256(f"{SCHEMA_VERSION} {system_fingerprint}".encode())
    parts = [*request.query, *(part for document in request.documents for part in document)]
    for part in parts:
        encoded = part.encode(errors="surrogatepass")
        digest.update(b"%d " % len(encoded) + encoded)
    return digest.hexdigest()
