"""The time of day, as records have it."""

import re

from rerank_eval.clock import utc_now


def test_the_time_of_day_is_utc_to_the_second() -> None:
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", utc_now())
