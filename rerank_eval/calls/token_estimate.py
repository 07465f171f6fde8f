"""How many tokens a text has, without the tokenizer of the model."""

import math
import re

_PIECES = re.compile(r"[A-Za-z]{1,9}|[0-9]{1,3}|[!-/:-@\[-`{-~]")
_TOKENS_BEYOND_ASCII = 0.7
ESTIMATE_ACCURACY = "within 10% for English, by a factor of about two wrong in other scripts"
"""How near `estimate_tokens` comes to a tokenizer; measured by benchmarks/token_estimate.py."""


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has; `ESTIMATE_ACCURACY` says how nearly.

    Nine letters of a word, three digits and a sign of punctuation are a token each, and ten characters beyond ASCII are seven: a
    middle between tokenizers, which differ most there.
    """
    tokens = float(len(_PIECES.findall(text)))
    if not text.isascii():
        tokens += _TOKENS_BEYOND_ASCII * (len(text) - len(text.encode("ascii", "ignore")))
    return math.ceil(tokens)
