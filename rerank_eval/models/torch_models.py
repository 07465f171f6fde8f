"""What every model that runs in torch needs: its files on this machine, and what its numbers depend on."""

import errno
import hashlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rerank_eval.errors import ConfigError, MissingExtraError, NotCachedError, NotEvaluableError, RerankEvalError
from rerank_eval.fingerprint import file_sha256

_DTYPES = ("float32", "float16", "bfloat16")
_DOWNLOADED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.metadata")
"""What a model repository is asked for: no pickled weights, and code only where it may be run."""


@dataclass(frozen=True)
class ModelFiles:
    """The folder of a model and what tells its content apart: the commit of the hub, or a hash of a local folder's files."""

    model: str
    folder: Path
    revision: str | None
    files_sha256: str | None

    def identity(self) -> Mapping[str, object]:
        """Return model, revision and file hash as plain values."""
        return {"model": self.model, "revision": self.revision, "files_sha256": self.files_sha256}


def import_torch(package: str) -> tuple[Any, Any]:
    """Return torch and `package`, which is sentence_transformers or transformers.

    Raises:
        MissingExtraError: one of them is not installed.
    """
    try:
        library = import_module(package)
        import torch
    except ImportError as error:
        raise MissingExtraError(error.name or package, "sentence-transformers") from error
    if not sys.stderr.isatty():
        from transformers.utils import logging

        logging.disable_progress_bar()  # by itself it draws a bar into a log file for every model
    return torch, library


def torch_dtype(torch: Any, name: str) -> Any:
    """Return torch's type of numbers of this name.

    Raises:
        ConfigError: it is none of float32, float16 and bfloat16.
    """
    if name not in _DTYPES:
        raise ConfigError(f"dtype {name!r} is unknown; valid: {', '.join(_DTYPES)}")
    return getattr(torch, name)


def check_length(setting: str, length: int, config: Any) -> None:
    """Check a number of tokens against what a model of transformers with this configuration takes.

    Raises:
        ConfigError: it is out of range.
    """
    limit = getattr(config, "max_position_embeddings", None)
    if length < 4 or (limit is not None and length > limit):
        upper = "" if limit is None else f" to {limit}"
        raise ConfigError(f"{setting} is {length}; this model takes 4{upper} tokens")


def best_device(torch: Any) -> str:
    """Return the device to use where none is named: a GPU if there is one."""
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def find_model(
    model: str, revision: str | None = None, local_files_only: bool = False, trust_remote_code: bool = False
) -> ModelFiles:
    """Return the files of a local folder, or of a hub repository, which is downloaded unless it is already cached.

    Weights are read from safetensors only, since other formats can run code when they are opened.

    Raises:
        ConfigError: the folder is missing, the model cannot be downloaded, or weights are there as a pickle only.
        NotCachedError: it must be downloaded, and `local_files_only` forbids it.
        NotEvaluableError: the disk is full.
    """
    folder = Path(model).expanduser()
    if folder.is_dir():
        if not any((folder / name).is_file() for name in ("config.json", "modules.json")):
            raise ConfigError(
                f"the model {model!r} cannot be loaded: the folder has neither config.json nor modules.json"
            )
        _check_files(model, folder)
        return ModelFiles(model, folder, revision, _hash_files(folder))
    if model.startswith((".", "/", "~")):
        raise ConfigError(f"the model folder {model} does not exist")
    with loading(model):
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError

        patterns = [*_DOWNLOADED, *(["*.py"] if trust_remote_code else [])]
        try:
            snapshot = Path(
                snapshot_download(model, revision=revision, allow_patterns=patterns, local_files_only=local_files_only)
            )
        except LocalEntryNotFoundError as error:  # raised as well when the hub cannot be reached
            if not local_files_only:
                raise
            raise NotCachedError(
                f"the model {model!r} is not in the cache of the hub, and local_files_only is set; run once with a network"
            ) from error
    _check_files(model, snapshot)
    return ModelFiles(model, snapshot, snapshot.name, None)  # the hub cache names a snapshot by its commit


@contextmanager
def loading(model: str) -> Iterator[None]:
    """Make what the libraries raise while they load a model a fault with the model's name.

    Raises:
        ConfigError: the model cannot be loaded.
        NotEvaluableError: the disk is full.
    """
    try:
        yield
    except RerankEvalError:
        raise
    except Exception as error:  # safetensors has an exception of its own, and tokenizers raises plain Exception
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise NotEvaluableError(f"the disk is full; the model {model!r} cannot be downloaded: {error}") from error
        raise ConfigError(f"the model {model!r} cannot be loaded: {error}") from error


def torch_environment(device: object, dtype: str) -> Mapping[str, object]:
    """Return what a number depends on besides model and text: device, type of numbers and library versions."""
    versions = {package: version(package) for package in ("sentence-transformers", "transformers", "torch")}
    return {"device": str(device), "dtype": dtype, **versions}


def _check_files(model: str, folder: Path) -> None:
    """Refuse weights that are there as a pickle only, and name a package that the tokenizer needs."""
    for path in sorted(folder.rglob("pytorch_model*.bin")):  # some modules of sentence-transformers would open it
        if not any(path.parent.glob("*.safetensors")):
            raise ConfigError(
                f"the model {model!r} cannot be loaded: {path} is a pickle, which is never opened, and there is no model.safetensors beside it"
            )
    if any(folder.glob("*.model")) and not (folder / "tokenizer.json").exists():
        try:
            version("sentencepiece"), version("protobuf")
        except PackageNotFoundError as error:
            # transformers would then take the file for another kind and ask for tiktoken
            raise ConfigError(
                f"the model {model!r} cannot be loaded: its tokenizer needs two packages: pip install sentencepiece protobuf"
            ) from error


def _hash_files(folder: Path) -> str:
    """Return one hash of the names and contents of all files of a folder."""
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(folder)} {file_sha256(path)}\n".encode())
    return digest.hexdigest()
