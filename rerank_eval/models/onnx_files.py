"""The files of an ONNX model: the graph, weights beside it, the tokenizer, and how long a text it takes."""

import json
import mmap
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

from rerank_eval.errors import ConfigError, DataError
from rerank_eval.fingerprint import file_sha256

_EXTERNAL = re.compile(rb"\x0a\x08location\x12([\x80-\xff]?[\x01-\x7f])")
"""How an ONNX file names another one that holds weights: a StringStringEntryProto with the key "location", in protobuf's encoding."""


@dataclass(frozen=True)
class OnnxFiles:
    """What a model is loaded from; `data` are the files of weights that the graph names, by their names in it."""

    model: Path
    tokenizer: Path
    data: Mapping[str, Path]

    def identity(self) -> Mapping[str, object]:
        """Return a hash of every file."""
        return {
            "model_sha256": file_sha256(self.model),
            "tokenizer_sha256": file_sha256(self.tokenizer),
            "data_sha256": {name: file_sha256(path) for name, path in self.data.items()},
        }

    def longest(self) -> int | None:
        """Return how many tokens the model takes, as the files beside the tokenizer say; None if they do not."""
        places = (
            ("tokenizer_config.json", "model_max_length"),
            ("config.json", "max_position_embeddings"),
        )
        for name, key in places:
            length = _read(self.tokenizer.parent / name).get(key)
            if isinstance(length, int | float) and 4 <= length < 1_000_000:  # a tokenizer without a limit says 1e30
                return int(length)
        return None


def find_onnx_files(path: Path) -> OnnxFiles:
    """Return the files of a model given as its .onnx file, or as a folder with `model.onnx` or `onnx/model.onnx`.

    `tokenizer.json` lies beside the model or, as in a repository of the hub, in the folder above `onnx`.

    Raises:
        ConfigError: there is no model or no tokenizer at this place.
        DataError: the model cannot be read, or names a file of weights that is missing or lies outside its folder.
    """
    model = next((p for p in (path, path / "model.onnx", path / "onnx" / "model.onnx") if p.is_file()), None)
    if model is None:
        what = "has neither model.onnx nor onnx/model.onnx" if path.is_dir() else "does not exist"
        raise ConfigError(f"the model {path} {what}; give an .onnx file or a folder with one")
    folders = [model.parent, *([model.parent.parent] if model.parent.name == "onnx" else [])]
    tokenizer = next((folder / "tokenizer.json" for folder in folders if (folder / "tokenizer.json").is_file()), None)
    if tokenizer is None:
        raise ConfigError(
            f"there is no tokenizer.json beside the model {model}; copy it there from the model's repository"
        )
    return OnnxFiles(model, tokenizer, _find_data(model))


def _find_data(model: Path) -> dict[str, Path]:
    """Return the files that the graph names as places of weights."""
    found = {}
    for name in _names_of_data(model):
        is_inside = not PurePosixPath(name).is_absolute() and not PureWindowsPath(name).anchor
        if not is_inside or ".." in PureWindowsPath(name).parts:
            raise DataError(f"the model has weights in {name!r}, outside its folder; they are not read", model)
        if not (model.parent / name).is_file():
            raise DataError(f"the model has weights in {name!r}, which is missing; copy it beside the model", model)
        found[name] = model.parent / name
    return dict(sorted(found.items()))


def _names_of_data(model: Path) -> set[str]:
    names = set()
    try:
        with model.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as graph:
            for match in _EXTERNAL.finditer(graph):
                size = sum((byte & 0x7F) << 7 * place for place, byte in enumerate(match[1]))
                names.add(graph[match.end() : match.end() + size].decode(errors="replace"))
    except (OSError, ValueError) as error:  # ValueError: the file is empty
        raise DataError(f"the model cannot be read: {error}", model) from error
    return names


def _read(path: Path) -> dict[str, Any]:
    """Return the settings in a file; nothing if it is missing.

    Raises:
        DataError: it is no JSON, or cannot be read.
    """
    if not path.is_file():
        return {}
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # RecursionError: thousands of nested lists
        raise DataError(f"no JSON: {error}", path) from error
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", path) from error
    return settings if isinstance(settings, dict) else {}
