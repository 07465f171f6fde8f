"""Where the reference collections of tests and benchmarks lie; CONTRIBUTING.md says what they are and how to make them."""

import os
from pathlib import Path

VARIABLE = "RERANK_EVAL_DATA"


class MissingCollectionError(Exception):
    """A reference collection is not there; the message names its folder and the cure."""


def find_collection(name: str) -> Path:
    """Return the folder of a reference collection, absolute: `name` in $RERANK_EVAL_DATA, or in ../shared/data beside the clone.

    Raises:
        MissingCollectionError: there is no such folder.
    """
    beside_clone = Path(__file__).parents[2] / "shared" / "data"
    folder = Path(os.environ.get(VARIABLE) or beside_clone).absolute() / name
    if not folder.is_dir():
        raise MissingCollectionError(
            f"{folder} is not there; {VARIABLE} names another place, CONTRIBUTING.md how to make it"
        )
    return folder
