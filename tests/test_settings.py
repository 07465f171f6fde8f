"""Settings are valid as soon as they exist; names stay under their folder."""

from pathlib import Path
from typing import Any

import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.settings import LatencySettings, Settings


def test_depths_are_sorted_without_repetition_and_without_zero() -> None:
    assert Settings(depths=[50, 0, 10, 50]).depths == (10, 50)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depths": []}, "depths has no depth above 0"),
        ({"depths": [0]}, "depths has no depth above 0"),
        ({"depths": [10, -1]}, "depths is -1; it must be an integer of at least 0"),
        ({"depths": [1.5]}, "depths is 1.5"),
        ({"depths": [True]}, "depths is True"),
        ({"depths": ["10"]}, "depths is '10'"),
        ({"measures": []}, "measures is empty"),
        ({"measures": ["nDGC@10"]}, r"unknown measure 'nDGC@10': did you mean nDCG"),
        ({"retrieval_depth": 20, "depths": [50]}, "retrieval_depth is 20, below the largest depth, 50"),
        ({"retrieval_depth": 0}, "retrieval_depth is 0"),
        ({"seed": -1}, "seed is -1"),
        ({"seed": "x"}, "seed is 'x'"),
        ({"max_error_rate": 1.1}, "max_error_rate is 1.1; it must be a number between 0 and 1"),
        ({"max_error_rate": float("nan")}, "max_error_rate is nan"),
        ({"max_error_rate": None}, "max_error_rate is None"),
        ({"store_timeout_s": -1}, "store.timeout_s is -1"),
        ({"store_path": Path()}, "store.path is '.', which is no file; name a file"),
    ],
)
def test_a_wrong_setting_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Settings(**changes)


@pytest.mark.parametrize(("name", "least"), [("queries", 0), ("repetitions", 1), ("warmup", 0)])
def test_a_wrong_latency_setting_is_named(name: str, least: int) -> None:
    LatencySettings(**{name: least})
    with pytest.raises(
        ConfigError, match=rf"latency\.{name} is {least - 1}; it must be an integer of at least {least}"
    ):
        LatencySettings(**{name: least - 1})


@pytest.mark.parametrize(
    ("changes", "depth"),
    [
        ({"depths": [5], "measures": ["nDCG@10"]}, 10),
        ({"depths": [50], "measures": ["nDCG@10"]}, 50),
        ({"depths": [50], "measures": ["nDCG@10", "R@200"]}, 200),
        ({"depths": [50], "measures": ["nDCG@10", "AP"]}, 1000),
        ({"depths": [50], "measures": ["AP"], "retrieval_depth": 60}, 60),
    ],
)
def test_the_first_stage_is_asked_for_enough(changes: dict[str, Any], depth: int) -> None:
    assert Settings(**changes).first_stage_depth == depth
