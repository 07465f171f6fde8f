"""Where what was computed once is kept on disk."""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def cache_root() -> Path:
    """Return `$RERANK_EVAL_CACHE`, or `rerank_eval` in the user's cache folder."""
    chosen = os.environ.get("RERANK_EVAL_CACHE")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rerank_eval"


def build_folder(folder: Path, build: Callable[[Path], None]) -> None:
    """Make `folder` by `build`, which fills an empty one; the folder appears whole or not at all.

    A folder that another process made in the meantime is kept.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name[:20]}-", dir=folder.parent))
    try:
        build(unfinished)
        try:
            unfinished.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
