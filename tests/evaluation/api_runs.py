"""A reranker behind an API on the loopback, and the settings of a run that asks it."""

from pathlib import Path
from typing import Any

from rerank_eval.configuration import CONF
from rerank_eval.rerankers.http_rerank import HttpRerank
from rerank_eval.settings import LatencySettings, Settings

NO_LATENCY = LatencySettings(queries=0)


def make(url: str, **settings: Any) -> HttpRerank:
    response = {"search_units": "meta.billed_units.search_units"}
    return HttpRerank(url, "rerank-v4.0-pro", "cohere", "api", response=response, **settings)


def settings_for(tmp_path: Path, **changes: Any) -> Settings:
    base = {"depths": (3, 6), "store_path": tmp_path / "s.sqlite", "latency": NO_LATENCY}
    return Settings(**{**base, "prices_path": CONF / "prices.yaml", **changes})
