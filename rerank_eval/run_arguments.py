"""The words on the command line of a run: refused where hydra would not say what is wrong, and brought into the order that it reads."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from rerank_eval.commands import COMMANDS
from rerank_eval.errors import ConfigError

_INFO = ("--info", "-i")
_WITH_VALUE = (
    *("--cfg", "-c", "--package", "-p", "--config-name", "-cn", "--config-path", "-cp", "--config-dir", "-cd"),
    *_INFO,
)
_SWEEPS = ("--multirun", "-m", "--run", "-r")
_COMPLETIONS = ("--shell-completion", "-sc")


class RunArguments(NamedTuple):
    """Settings (`NAME=VALUE`, `~NAME`) and hydra's options with their values."""

    settings: Sequence[str]
    options: Sequence[str]


def read_run_arguments(words: Sequence[str]) -> RunArguments:
    """Return the words of the command line; hydra reads them when the settings stand together, as they do here.

    Raises:
        ConfigError: a word is neither a setting nor an option, an option is not offered, or two exclude each other.
    """
    settings, options = [], []
    for before, word in pairwise(["", *words]):
        is_setting = word.startswith("~") or (not word.startswith("-") and "=" in word)
        is_value = before in _WITH_VALUE and not (before in _INFO and is_setting)
        if word.startswith("-") or is_value:
            options.append(word)
        elif is_setting:
            settings.append(word)
        elif before.partition("=")[0] != "--experimental-rerun":
            raise ConfigError(
                f"{word!r} is neither a command ({', '.join(COMMANDS)}) nor a setting; settings are written NAME=VALUE, and --help lists them"
            )
    _check_options(settings, [word.partition("=")[0] for word in options])
    return RunArguments(settings, options)


def _check_options(settings: Sequence[str], options: Sequence[str]) -> None:
    if "--experimental-rerun" in options:
        raise ConfigError(
            "--experimental-rerun is not offered, because it reads a pickle, which may hold any code; give the settings again"
        )
    does = any(word.startswith(("install=", "uninstall=", "query=")) for word in settings)
    if not does and not {*_COMPLETIONS}.isdisjoint(options):
        raise ConfigError("--shell-completion takes one of install=SHELL, uninstall=SHELL, query=SHELL")
    shows = [word for word in options if word in ("--cfg", "-c", *_INFO, *_COMPLETIONS)]
    if shows and (sweeps := [word for word in options if word in _SWEEPS]):
        raise ConfigError(f"{shows[0]} only shows something, and {sweeps[0]} runs; leave one of them out")
