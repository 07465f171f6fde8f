"""Text without meaning whose words are as frequent as in English, and queries about it, for measuring at scale.

The word of rank r comes with a probability in proportion to 1 / (r + 2.7) (Zipf's law as Mandelbrot corrected it). The
first 33 ranks are the English stop words; the others are made of letters, and the frequent ones are short.
"""

import math
import random
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from bm25s.stopwords import STOPWORDS_EN
from numpy.typing import NDArray

WORDS_PER_DOCUMENT = 56
"""The mean of MS MARCO's passages."""

_BATCH = 8192
_FREQUENT = 100


class ZipfText(NamedTuple):
    """A vocabulary and how often each word comes."""

    words: NDArray[np.object_]
    cumulative: NDArray[np.float64]
    """The probability of a word or a more frequent one."""

    def documents(self, number: int, seed: int = 13) -> Iterator[tuple[str, str]]:
        """Yield (doc_id, text) pairs with 28 to 84 words each, 56 in the mean."""
        draw = np.random.default_rng(seed)
        for first in range(0, number, _BATCH):
            lengths = draw.integers(WORDS_PER_DOCUMENT // 2, 3 * WORDS_PER_DOCUMENT // 2, _BATCH, endpoint=True)
            words = self.words[np.searchsorted(self.cumulative, draw.random(lengths.sum()))].tolist()
            ends = np.cumsum(lengths).tolist()
            for place in range(min(_BATCH, number - first)):
                yield f"{first + place}", " ".join(words[ends[place] - lengths[place] : ends[place]])

    def queries(self, number: int, seed: int = 17) -> list[str]:
        """Return queries of 4 to 8 words, none a stop word.

        A third of the words is drawn evenly from the 100 most frequent ones, which real queries are full of ("how", "long",
        "many"); the others as in the text.
        """
        draw = np.random.default_rng(seed)
        texts = []
        for length in draw.integers(4, 8, number, endpoint=True):
            num_frequent = round(length / 3)
            frequent = len(STOPWORDS_EN) + draw.integers(0, _FREQUENT, num_frequent)
            below_stop_words = draw.uniform(self.cumulative[len(STOPWORDS_EN) - 1], 1, length - num_frequent)
            chosen = np.concatenate([frequent, np.searchsorted(self.cumulative, below_stop_words)])
            texts.append(" ".join(self.words[draw.permutation(chosen)]))
        return texts


def make_zipf_text(vocabulary_size: int = 1_000_000, seed: int = 11) -> ZipfText:
    """Return a vocabulary of this size; equal seeds give equal words."""
    draw = random.Random(seed)
    words = dict.fromkeys(STOPWORDS_EN)
    while len(words) < vocabulary_size:
        length = 2 + round(math.log(len(words), 26) + draw.random() * 4)
        words["".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=length))] = None
    weights = 1 / (np.arange(1, vocabulary_size + 1) + 2.7)
    cumulative = np.cumsum(weights / weights.sum())
    cumulative[-1] = 1.0
    return ZipfText(np.array(list(words), dtype=object), cumulative)
