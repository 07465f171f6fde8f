"""The chain of causes ends, and messages stay on one line."""

import pytest

from rerank_eval.errors import ConfigError, causes, nearest, shortened


def raise_from_a_chain() -> None:
    try:
        try:
            raise KeyError("first")
        except KeyError as error:
            raise ValueError("second") from error
    except ValueError:
        raise ConfigError("third")  # noqa: B904 # its context is what is tested


def test_causes_follow_an_explicit_cause_and_a_context() -> None:
    with pytest.raises(ConfigError) as caught:
        raise_from_a_chain()
    assert [str(cause) for cause in causes(caught.value)] == ["third", "second", "'first'"]


def test_causes_of_a_circle_end() -> None:
    """Guards a command that hung: hydra raises an error from one that was raised from it."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert list(causes(first)) == [first, second]


def test_nearest_names_what_is_close_or_all_there_is() -> None:
    assert nearest("minlm", ["minilm", "none"]) == "did you mean minilm?"
    assert nearest("zzz", ["b", "a"]) == "valid: a, b"
    assert nearest("zzz", []) == "there is none to choose from"


def test_shortened_is_one_printable_line() -> None:
    assert shortened("two\nlines\x1b[0m") == "two\\nlines\\x1b[0m"
    assert shortened("x" * 100, 10) == "x" * 9 + "…"
