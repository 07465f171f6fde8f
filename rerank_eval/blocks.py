"""Arrays that are computed block by block and kept on disk, so that an interrupted computation goes on where it stopped."""

import hashlib
import mmap
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rerank_eval.cache import filling, keep_part
from rerank_eval.protocols import Progress

Arrays = tuple[NDArray[Any], ...]


def complete_blocks(
    folder: Path,
    texts_per_block: Sequence[int],
    compute: Callable[[int], Sequence[NDArray[Any]]],
    progress: Progress,
    description: str,
) -> list[Arrays]:
    """Return the arrays of every block, memory-mapped; `compute(index)` is called for those that are not on disk as they were written.

    Each block is on disk before the next is begun. Of several processes one computes, the others wait for it.

    Raises:
        NotEvaluableError: the disk is full, or another process does not come to an end.
        ConfigError: the place cannot be written to.
    """
    with filling(folder, progress.note):
        blocks = _intact_blocks(folder)
        missing = [index for index in range(len(texts_per_block)) if index not in blocks]
        if missing:
            progress.start(description, sum(texts_per_block))
            progress.advance(sum(texts_per_block) - sum(texts_per_block[index] for index in missing))
        for index in missing:
            blocks[index] = _map(_write(folder, index, compute(index)))
            progress.advance(texts_per_block[index])
    return [blocks[index] for index in range(len(texts_per_block))]


def _write(folder: Path, index: int, arrays: Sequence[NDArray[Any]]) -> Path:
    def write(file: BinaryIO) -> None:
        for array in arrays:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)

    return keep_part(folder, f"{index:08}", write)


def _intact_blocks(folder: Path) -> dict[int, Arrays]:
    """Return the blocks whose content has the hash that their name ends with; everything else is removed."""
    blocks: dict[int, Arrays] = {}
    for path in sorted(folder.iterdir()):
        number = path.stem
        if number.isdecimal() and int(number) not in blocks and path.suffix == f".{_sha256(path)}":
            blocks[int(number)] = _map(path)
        else:
            path.unlink()
    return blocks


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _map(path: Path) -> Arrays:
    """Return views into the mapped file; NumPy's own memmap can hold neither an empty array nor a second one."""
    arrays: list[NDArray[Any]] = []
    with path.open("rb") as file:
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        while file.tell() < len(mapped):
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            count = int(np.prod(shape))
            arrays.append(np.frombuffer(mapped, dtype, count, file.tell()).reshape(shape))
            file.seek(count * dtype.itemsize, os.SEEK_CUR)
    return tuple(arrays)
