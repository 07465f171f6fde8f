"""How many tokens a text has, without the tokenizer of the model."""

import math
import re

_PIECES = re.compile(r"[A-Za-z]{1,9}|[0-9]{1,3}|[!-/:-@\[-`{-~]")
_TOKENS_BEYOND_ASCII = 0.7


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a text has: within 10% for English prose, by a factor of two wrong where letters are not ASCII.

    Nine letters of a word, three digits and a sign of punctuation are a token each, and ten characters beyond ASCII are seven: a
    middle between tokenizers that differ there by a factor of three. Compared with those of GPT-4, GPT-4o, Claude 2, DeepSeek and BERT.
    """
    tokens = float(len(_PIECES.findall(text)))
    if not text.isascii():
        tokens += _TOKENS_BEYOND_ASCII * (len(text) - len(text.encode("ascii", "ignore")))
    return math.ceil(tokens)
