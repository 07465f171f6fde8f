"""Arrays that are computed block by block and kept on disk, so that an interrupted computation goes on where it stopped."""

import mmap
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from rerank_eval.cache import filling, find_parts, intact_parts, keep_part
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

    The last array of a block has one row per text. Each block is on disk before the next is begun. Of several processes one computes, the others wait for it.
    Where all blocks are there, nothing is written, so that they may lie where nothing can be.

    Raises:
        NotEvaluableError: the disk is full, or another process does not come to an end.
        ConfigError: the place cannot be written to.
    """
    blocks = _read(intact_parts(folder), texts_per_block)
    if len(blocks) < len(texts_per_block):
        with filling(folder, progress.note):
            blocks = _read(find_parts(folder), texts_per_block)
            missing = [index for index in range(len(texts_per_block)) if index not in blocks]
            if missing:
                progress.start(description, sum(texts_per_block))
                progress.advance(sum(texts_per_block[index] for index in blocks))
            for index in missing:
                blocks[index] = _map(_write(folder, index, compute(index)))
                progress.advance(texts_per_block[index])
    return [blocks[index] for index in range(len(texts_per_block))]


def _name(index: int) -> str:
    return f"{index:08}"


def _read(parts: Mapping[str, Path], texts_per_block: Sequence[int]) -> dict[int, Arrays]:
    """Return the blocks that are there and have as many texts as they should."""
    blocks = {index: _map(parts[_name(index)]) for index in range(len(texts_per_block)) if _name(index) in parts}
    return {index: arrays for index, arrays in blocks.items() if len(arrays[-1]) == texts_per_block[index]}


def _write(folder: Path, index: int, arrays: Sequence[NDArray[Any]]) -> Path:
    def write(file: BinaryIO) -> None:
        for array in arrays:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)

    return keep_part(folder, _name(index), write)


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
