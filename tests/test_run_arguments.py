"""The words of a run: in any order, and refused where hydra would say nothing of use."""

import pytest

from rerank_eval.errors import ConfigError
from rerank_eval.run_arguments import read_run_arguments


@pytest.mark.parametrize(
    ("words", "settings", "options"),
    [
        (["a=1", "-m", "b=1,2"], ["a=1", "b=1,2"], ["-m"]),
        (["a=1", "--cfg", "job", "~b"], ["a=1", "~b"], ["--cfg", "job"]),
        (["--info", "a=1"], ["a=1"], ["--info"]),
        (["a=1", "--info", "config", "b=2"], ["a=1", "b=2"], ["--info", "config"]),
        (["--config-dir", "with=sign", "a=1"], ["a=1"], ["--config-dir", "with=sign"]),
        (["--shell-completion", "install=bash"], ["install=bash"], ["--shell-completion"]),
    ],
)
def test_settings_stand_together_however_they_were_given(
    words: list[str], settings: list[str], options: list[str]
) -> None:
    assert read_run_arguments(words) == (settings, options)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--cfg", "job", "word"], "'word' is neither a command"),
        (["--experimental-rerun", "x"], "reads a pickle"),
        (["--shell-completion"], "takes one of install=SHELL"),
        (["-r", "--info"], "--info only shows something, and -r runs"),
    ],
)
def test_what_hydra_has_no_message_for_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read_run_arguments(words)
