from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from rerank_eval.calls.prices import Price, Prices, Unit, gather_prices, read_prices
from rerank_eval.configuration import CONF
from rerank_eval.errors import ConfigError
from rerank_eval.types import Usage

DAY = date(2026, 11, 23)
ENTRY: Mapping[str, Any] = {
    "provider": "p",
    "model": "m",
    "unit": "search",
    "price": 2.0,
    "per": 1000,
    "currency": "USD",
    "valid_from": date(2026, 1, 1),
    "source": "https://example.com",
}
TOKENS = Prices(
    [
        Price("p", "llm", "input_token", 3e-6, date(2026, 1, 1), "s"),
        Price("p", "llm", "output_token", 15e-6, date(2026, 1, 1), "s"),
        Price("p", "llm", "cached_token", 3e-7, date(2026, 1, 1), "s"),
    ]
)


def write(path: Path, *entries: Any) -> Path:
    path.write_text(yaml.safe_dump(list(entries)), encoding="utf-8")
    return path


def test_the_price_list_of_this_package_is_right() -> None:
    prices = read_prices(CONF / "prices.yaml")
    assert prices.prices
    assert all(price.source.startswith("https://") for price in prices.prices)


def test_usage_times_price(tmp_path: Path) -> None:
    prices = read_prices(write(tmp_path / "p.yaml", ENTRY))
    assert prices.usd("p", "m", Usage(search_units=5), DAY) == pytest.approx(0.01)
    assert prices.usd("p", "m", Usage(search_units=0), DAY) == 0


def test_cached_tokens_have_their_own_price_and_are_not_counted_twice() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=100_000, cached_tokens=400_000)
    assert TOKENS.usd("p", "llm", usage, DAY) == pytest.approx(0.6 * 3 + 0.4 * 0.3 + 1.5)


@pytest.mark.parametrize(("read", "cached"), [(100, 1_000_000), (100, 101), (100, -1), (-1, None)])
def test_counts_that_cannot_be_cost_none_and_not_less_than_nothing(read: int, cached: int | None) -> None:
    assert TOKENS.usd("p", "llm", Usage(input_tokens=read, output_tokens=5, cached_tokens=cached), DAY) is None


@pytest.mark.parametrize(
    ("model", "usage"),
    [("m", Usage(input_tokens=1, output_tokens=1)), ("llm", Usage(input_tokens=1)), ("llm", Usage(output_tokens=1))],
)
def test_what_is_not_known_costs_none_and_not_nothing(model: str, usage: Usage) -> None:
    assert TOKENS.usd("p", model, usage, DAY) is None


@pytest.mark.parametrize("unit", ["search", "input_token", "output_token", "cached_token"])
def test_what_is_free_costs_nothing_also_where_the_server_counts_nothing(unit: str, tmp_path: Path) -> None:
    prices = read_prices(write(tmp_path / "p.yaml", {**ENTRY, "unit": unit, "price": 0}))
    assert prices.usd("p", "m", Usage(), DAY) == 0
    assert prices.usd("p", "other", Usage(), DAY) is None


def test_a_unit_that_is_not_free_must_be_counted(tmp_path: Path) -> None:
    prices = read_prices(write(tmp_path / "p.yaml", {**ENTRY, "price": 0}, {**ENTRY, "unit": "output_token"}))
    assert prices.usd("p", "m", Usage(search_units=1), DAY) is None


def test_a_list_of_ones_own_is_put_over_the_other_model_by_model(tmp_path: Path) -> None:
    theirs = write(
        tmp_path / "theirs.yaml",
        {**ENTRY, "valid_from": date(2026, 9, 1)},
        {**ENTRY, "unit": "cached_token"},
        {**ENTRY, "model": "other"},
    )
    own = write(tmp_path / "own.yaml", {**ENTRY, "price": 1.0}, {**ENTRY, "provider": "new"})
    prices = gather_prices(theirs, own)
    assert prices.of("p", "m", DAY) == {"search": 0.001}
    assert prices.of("p", "other", DAY) == prices.of("new", "m", DAY) == {"search": 0.002}
    assert gather_prices(None, own).of("p", "other", DAY) == {}


@pytest.mark.parametrize(
    ("day", "price"),
    [
        (date(2026, 5, 31), 0.002),
        (date(2026, 6, 1), 0.004),
        (date(2026, 11, 23), 0.004),
        (date(2099, 1, 1), 0.006),
        (date(2025, 1, 1), 0.002),
    ],
)
def test_the_price_of_the_day_holds_and_before_the_first_one_the_first(day: date, price: float, tmp_path: Path) -> None:
    later = [{**ENTRY, "price": 6.0, "valid_from": date(2099, 1, 1)}]
    later += [{**ENTRY, "price": 4.0, "valid_from": date(2026, 6, 1)}]
    assert read_prices(write(tmp_path / "p.yaml", *later, ENTRY)).of("p", "m", day) == {"search": price}


@pytest.mark.parametrize(
    ("day", "units"),
    [
        (date(2025, 1, 1), {"search"}),
        (date(2026, 3, 1), {"search"}),
        (date(2026, 6, 1), {"input_token", "output_token"}),
        (date(2026, 8, 1), {"input_token", "output_token"}),
        (date(2026, 9, 1), {"search", "input_token", "output_token"}),
    ],
)
def test_a_model_that_goes_over_to_another_unit_is_not_billed_by_both(day: date, units: set[str]) -> None:
    lines: list[tuple[Unit, date]] = [("search", date(2026, 1, 1)), ("input_token", date(2026, 6, 1))]
    lines += [("output_token", date(2026, 6, 1)), ("input_token", date(2026, 7, 1))]
    lines += [("search", date(2026, 9, 1)), ("input_token", date(2026, 9, 1))]
    assert set(Prices([Price("p", "m", unit, 1.0, start, "s") for unit, start in lines]).of("p", "m", day)) == units


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"unit": "query"}, r"price 1 has the unit 'query'; valid: search, input_token"),
        ({"price": -1}, "price 1: price is -1"),
        ({"price": True}, "price is True"),
        ({"price": float("nan")}, "price is nan"),
        ({"price": "2"}, "price is '2'"),
        ({"per": 0}, "per is 0"),
        ({"currency": "EUR"}, "is in 'EUR'; prices are in USD"),
        ({"price": 10**400}, "price 1: price is 1000"),
        ({"price": 1e300}, "from 0 to 1e"),
        ({"per": 1e-300}, "per is 1e-300"),
        ({"valid_from": datetime(2026, 1, 1, 9)}, r"valid_from is datetime\.datetime\(.*write a date"),
        ({"valid_from": "soon"}, "valid_from is 'soon'; write a date"),
        ({"model": ""}, "model is ''"),
        ({"unti": "search"}, "unknown field 'unti': did you mean unit"),
    ],
)
def test_a_wrong_price_is_named_with_its_place(change: Mapping[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=words):
        read_prices(write(tmp_path / "p.yaml", {**ENTRY, **change}))


def test_a_list_that_is_none_lacks_a_field_or_says_two_things_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    with pytest.raises(ConfigError, match="cannot be read"):
        read_prices(path)
    path.write_text("a: [", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_prices(path)
    path.write_text(f"- {'9' * 5000}", encoding="utf-8")
    with pytest.raises(ConfigError, match="cannot be read"):
        read_prices(path)
    path.write_text("a: 1", encoding="utf-8")
    with pytest.raises(ConfigError, match="must be a list"):
        read_prices(path)
    with pytest.raises(ConfigError, match="is no mapping"):
        read_prices(write(path, 5))
    with pytest.raises(ConfigError, match="price 1 lacks source"):
        read_prices(write(path, {name: value for name, value in ENTRY.items() if name != "source"}))
    with pytest.raises(ConfigError, match="two prices for p m, search, valid from 2026-01-01"):
        read_prices(write(path, ENTRY, ENTRY))
