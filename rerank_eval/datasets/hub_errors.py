"""What went wrong at the hub, in words that name the place and the cure."""

import errno
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from rerank_eval.errors import ConfigError, NotEvaluableError, RerankEvalError, UnreachableError, causes

if TYPE_CHECKING:
    import httpx2


class HubLimitError(ValueError):
    """The hub passes one of our limits; the message says which, and what to do."""


class HubUnansweredError(HubLimitError):
    """No request got an answer; the last fault is among the causes."""


def explain_hub_error(what: str, error: Exception, has_part: bool = False) -> RerankEvalError:
    """Return the error to show for one of huggingface_hub, of its HTTP library, or of the disk.

    `has_part` says whether a part of the file is here, which the next download goes on from.
    """
    import httpx2
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, HubUnansweredError):
        error = next((cause for cause in causes(error) if isinstance(cause, httpx2.TransportError)), error)
    kept = ": what has come is kept" if has_part else ""
    status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
    if isinstance(error, OfflineModeIsEnabled):
        return ConfigError(f"{what} is not in the cache, and HF_HUB_OFFLINE is set; run once with a network")
    if isinstance(error, GatedRepoError) or status == 403:
        return ConfigError(f"{what} needs permission ({status}); accept its terms on its page, then set HF_TOKEN")
    if isinstance(error, RevisionNotFoundError):
        return ConfigError(f"{what}: the repository has no such commit (404); check dataset.revision")
    if isinstance(error, RepositoryNotFoundError) or status == 401:
        return ConfigError(
            f"{what}: the hub has no such repository, or it is private ({status}); check dataset.repository, and HF_TOKEN if it is yours"
        )
    if isinstance(error, EntryNotFoundError):
        return ConfigError(f"{what} is not there (404); check dataset.repository and dataset.revision")
    if status is not None:
        reason = "the hub has had too many requests" if status == 429 else "the hub failed"
        return NotEvaluableError(f"{what}: {reason} ({status}); try again later{kept}")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return NotEvaluableError(f"{what}: the disk is full; make room, or set dataset.cache_dir to another disk")
    if isinstance(error, OSError) and error.strerror is not None:
        return NotEvaluableError(f"{what} cannot be kept: {error.strerror}")
    reason = " ".join(str(error).split()) or type(error).__name__
    if reason.startswith("Consistency check failed"):  # the cure that huggingface_hub names is none here
        reason = "it came incomplete"
    if isinstance(error, httpx2.NetworkError | httpx2.TimeoutException | httpx2.ProxyError):
        host = _host(error, constants.ENDPOINT)
        return UnreachableError(
            f"{what}: cannot reach {host} ({reason}); check the network, and HF_ENDPOINT if it is set, and try again{kept}. Without a "
            "network there are dataset=helpdesk, files of your own, and what was downloaded before",
            host,
        )
    if isinstance(error, HubLimitError):
        return NotEvaluableError(f"{what}: {reason}{kept}")
    return NotEvaluableError(f"{what}: {reason}; check the network and try again{kept}")


def _host(error: "httpx2.RequestError", endpoint: str) -> str:
    """Return the address that could not be reached: of the hub, or the name of the host to which it sends for large files."""
    try:
        host = error.request.url.host
    except RuntimeError:  # the library knows no request
        return endpoint
    return endpoint if host == urlsplit(endpoint).hostname else host
