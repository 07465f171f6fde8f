"""What calls cost: the price list, checked, and usage times price."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from rerank_eval.calls.json_paths import read_number
from rerank_eval.errors import ConfigError, nearest, shortened
from rerank_eval.types import Usage

Unit = Literal["search", "input_token", "output_token", "cached_token"]


class Price(NamedTuple):
    """What one unit of one model costs; from when on that holds, and where it is written."""

    provider: str
    model: str
    unit: Unit
    usd: float
    valid_from: date
    source: str


@dataclass(frozen=True)
class Prices:
    """A price list; of two prices for the same, each holds until the day from which the next one does.

    The first also holds before its own day, which often is only the day on which somebody wrote it down. A model is billed by searches or
    by tokens, as its newest price has it, and by both only where both have a price from the same day on.
    """

    prices: Sequence[Price] = ()

    def usd(self, provider: str, model: str, usage: Usage, on: date) -> float | None:
        """Return what the usage costs in US dollars on a day; None if a price or a count that it needs is not known, or cannot be.

        What is free needs no count.
        """
        prices = self.of(provider, model, on)
        counts = self._counts(usage, cached_priced="cached_token" in prices)
        if not prices or any(
            price and ((count := counts[unit]) is None or count < 0) for unit, price in prices.items()
        ):
            return None
        return math.fsum(price * (counts[unit] or 0) for unit, price in prices.items())

    def of(self, provider: str, model: str, on: date) -> dict[str, float]:
        """Return the price on a day of each unit that the model is billed by; empty if it is not in the list."""
        known = [price for price in self.prices if (price.provider, price.model) == (provider, model)]
        days = [price.valid_from for price in known]
        newest = max((day for day in days if day <= on), default=min(days, default=on))
        kinds = {_is_search(price) for price in known if price.valid_from == newest}
        known = [price for price in known if _is_search(price) in kinds]
        found: dict[str, float] = {}
        for price in sorted(known, key=lambda price: price.valid_from):
            if price.unit not in found or price.valid_from <= on:
                found[price.unit] = price.usd
        return found

    def with_own(self, own: "Prices") -> "Prices":
        """Return both lists as one, where `own` alone holds for every model that it names."""
        named = {(price.provider, price.model) for price in own.prices}
        return Prices([*own.prices, *(price for price in self.prices if (price.provider, price.model) not in named)])

    @staticmethod
    def _counts(usage: Usage, cached_priced: bool) -> dict[str, int | None]:
        cached = usage.cached_tokens or 0
        read = usage.input_tokens if usage.input_tokens is None or not cached_priced else usage.input_tokens - cached
        return {
            "search": usage.search_units,
            "input_token": read,
            "output_token": usage.output_tokens,
            "cached_token": cached,
        }


def gather_prices(path: Path | None, own_path: Path | None = None) -> Prices:
    """Return the price list in one file, none without, with one's own put over it as `Prices.with_own` does.

    Raises:
        ConfigError: as `read_prices`.
    """
    prices = Prices() if path is None else read_prices(path)
    return prices if own_path is None else prices.with_own(read_prices(own_path))


def _is_search(price: Price) -> bool:
    return price.unit == "search"


def read_prices(path: Path) -> Prices:
    """Return the price list in a YAML file: a list of mappings with the fields that `conf/prices.yaml` explains.

    Raises:
        ConfigError: the file or an entry is wrong; the message names both.
    """
    import yaml

    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:  # ValueError: no UTF-8, or a number of too many digits
        raise ConfigError(f"the prices {path} cannot be read: {error}") from error
    if not isinstance(entries, list):
        raise ConfigError(f"the prices {path} must be a list of prices")
    prices = [_read_price(entry, f"{path}, price {number}") for number, entry in enumerate(entries, start=1)]
    keys = [(price.provider, price.model, price.unit, price.valid_from) for price in prices]
    for key in keys:
        if keys.count(key) > 1:
            raise ConfigError(f"{path} has two prices for {key[0]} {key[1]}, {key[2]}, valid from {key[3]}")
    return Prices(prices)


_LARGEST = 1e12
_FIELDS = ("provider", "model", "unit", "price", "per", "currency", "valid_from", "source")


def _read_price(entry: object, where: str) -> Price:
    if not isinstance(entry, Mapping):
        raise ConfigError(f"{where} is no mapping; it needs {', '.join(_FIELDS)}")
    for name in entry:
        if name not in _FIELDS:
            raise ConfigError(f"{where} has the unknown field {name!r}: {nearest(str(name), _FIELDS)}")
    for name in _FIELDS:
        if name not in entry:
            raise ConfigError(f"{where} lacks {name}")
    if entry["unit"] not in get_args(Unit):
        raise ConfigError(f"{where} has the unit {entry['unit']!r}; valid: {', '.join(get_args(Unit))}")
    if entry["currency"] != "USD":
        raise ConfigError(
            f"{where} is in {entry['currency']!r}; prices are in USD, since a rate would have to be guessed"
        )
    if not isinstance(entry["valid_from"], date) or isinstance(entry["valid_from"], datetime):
        raise ConfigError(f"{where}: valid_from is {entry['valid_from']!r}; write a date, e.g. 2026-11-23")
    for name in ("provider", "model", "source"):
        if not isinstance(entry[name], str) or not entry[name]:
            raise ConfigError(f"{where}: {name} is {entry[name]!r}; write a text")
    price, per = (_number(entry[name], f"{where}: {name}") for name in ("price", "per"))
    if per < 1:
        raise ConfigError(f"{where}: per is {per:g}; it is how many units the price is for")
    return Price(entry["provider"], entry["model"], entry["unit"], price / per, entry["valid_from"], entry["source"])


def _number(value: Any, where: str) -> float:
    number = read_number(value)
    if number is None or not 0 <= number <= _LARGEST:
        raise ConfigError(f"{where} is {shortened(repr(value))}; it must be a number from 0 to {_LARGEST:g}")
    return number
