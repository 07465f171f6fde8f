"""How right an answer is: exact match and token F1, as the evaluation of SQuAD counts them (Rajpurkar et al., 2016, arXiv:1606.05250).

The texts are compared in lower case, without ASCII punctuation, without the articles a, an and the, and with single spaces.
"""

import re
import string
from collections import Counter
from collections.abc import Sequence

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalise(text: str) -> str:
    """Return what is compared of a text; rules and order of SQuAD's evaluate-v1.1.py, read on 2026-11-23."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


def exact_match(answer: str, references: Sequence[str]) -> float:
    """Return 1 if the answer is one of the references, otherwise 0."""
    return float(normalise(answer) in {normalise(reference) for reference in references})


def token_f1(answer: str, references: Sequence[str]) -> float:
    """Return the best F1 of the answer's words with those of a reference; of two texts without a word it is 1, as in SQuAD 2.0, of one 0."""
    words = Counter(normalise(answer).split())
    return max(_f1(words, Counter(normalise(reference).split())) for reference in references)


def _f1(found: Counter[str], wanted: Counter[str]) -> float:
    if not found or not wanted:
        return float(found == wanted)
    return 2 * (found & wanted).total() / (found.total() + wanted.total())
