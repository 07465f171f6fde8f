"""The command-line arguments that report, compare and baseline have in common: errors are ours, numbers are checked."""

import argparse
import math
from typing import NoReturn

from rerank_eval.errors import ConfigError


class Parser(argparse.ArgumentParser):
    """A parser that raises `ConfigError`, so that all commands report their errors alike."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of exiting."""
        raise ConfigError(f"{message}; {self.prog} --help shows the arguments")


def number_from_0(text: str) -> float:
    """Return a finite number of at least 0."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 0")
    return number


def number_above_0(text: str) -> float:
    """Return a finite number above 0."""
    number = number_from_0(text)
    if number == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number above 0")
    return number


def seed(text: str) -> int:
    """Return an integer of at least 0."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(f"{text!r} is no integer of at least 0")
    return int(text)
