"""What went wrong at the hub, in words that name the place and the cure."""

import errno

from rerank_eval.errors import ConfigError, NotEvaluableError, RerankEvalError, UnreachableError


def explain_hub_error(what: str, error: Exception) -> RerankEvalError:
    """Return the error to show for one of huggingface_hub, of its HTTP library, or of the disk."""
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
        return NotEvaluableError(f"{what}: {reason} ({status}); try again later: what has come is kept")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return NotEvaluableError(f"{what}: the disk is full; make room, or set dataset.cache_dir to another disk")
    if isinstance(error, OSError) and error.strerror is not None:
        return NotEvaluableError(f"{what} cannot be kept: {error.strerror}")
    reason = " ".join(str(error).split()) or type(error).__name__
    if reason.startswith("Consistency check failed"):  # the cure that huggingface_hub names is none here
        reason = "it came incomplete"
    message = f"{what}: {reason}; check the network and try again: what has come is kept"
    if isinstance(error, httpx2.NetworkError | httpx2.TimeoutException | httpx2.ProxyError):
        return UnreachableError(message, constants.ENDPOINT)
    return NotEvaluableError(message)
