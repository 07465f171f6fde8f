"""The embedded test collection: a product's help centre. `helpdesk_data/README.md` is its data card."""

from pathlib import Path

from rerank_eval.datasets.beir_dir import load_beir_dir
from rerank_eval.types import Dataset


def load_helpdesk() -> Dataset:
    """Return the collection; for trying the tool and for tests, not for published comparisons."""
    return load_beir_dir(str(Path(__file__).parent / "helpdesk_data"), name="helpdesk")
