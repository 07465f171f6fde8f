"""A prompt for one query and one document, as tokens."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from rerank_eval.errors import ConfigError

_QUERY, _DOCUMENT = "{query}", "{document}"


class PromptTokens(NamedTuple):
    """The tokens of a filled prompt, and whether a text was cut to make it fit."""

    ids: list[int]
    is_truncated: bool


class _Part(NamedTuple):
    """Some tokens of a prompt, where each stands in their text, and from where to where a query or document does."""

    ids: list[int]
    offsets: list[tuple[int, int]]
    spans: dict[str, tuple[int, int]]


class PairPrompt:
    """Fills a template with a query and a document.

    A text cannot bring control tokens: their names in it, such as `<|im_end|>`, are read as ordinary characters, and what the tokenizer
    takes for a control token all the same is left out. Braces in a text mean nothing.
    What stands between two control tokens of the template is tokenized as one piece, as if it were one string.
    """

    def __init__(self, tokenizer: Any, template: str, max_length: int) -> None:
        """Take a fast tokenizer of transformers and a template with {query} and {document}, each once.

        Raises:
            ConfigError: the template lacks a place or has it twice, or `max_length` leaves no room for the texts.
        """
        for place in (_QUERY, _DOCUMENT):
            if template.count(place) != 1:
                raise ConfigError(f"the prompt has {place} {template.count(place)} times; it must have it once")
        self._tokenizer = tokenizer
        self._max_length = max_length
        added: dict[str, int] = {token.content: token_id for token_id, token in tokenizer.added_tokens_decoder.items()}
        # What is blank is no control token: Gemma adds the end of a line as one.
        used = sorted((name for name in added if name.strip() and name in template), key=len, reverse=True)
        names = re.split(f"({'|'.join(map(re.escape, used))})", template) if used else [template]
        self._pieces: list[int | str] = [added.get(name, name) for name in names if name]
        self._control_ids = {added[name] for name in used} | {
            token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special
        }
        self._control_ids.discard(tokenizer.unk_token_id)
        least = len(self.encode([("", "")])[0].ids) + 4
        if max_length < least:
            raise ConfigError(f"max_length is {max_length}; with this prompt it must be at least {least}")

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[PromptTokens]:
        """Return the prompt of each (query, document), cut to the maximum length.

        The end of the document is cut, and of a query only what is above three quarters of the room; of the prompt itself, nothing.
        """
        if not pairs:
            return []  # the tokenizer fails on an empty list
        pieces = [self._encode_piece(piece, pairs) for piece in self._pieces]
        return [self._join(parts) for parts in zip(*pieces, strict=True)]

    def _encode_piece(self, piece: int | str, pairs: Sequence[tuple[str, str]]) -> list[_Part]:
        """Return the part of each prompt that a piece of the template gives."""
        if isinstance(piece, int):
            return [_Part([piece], [(0, 0)], {})] * len(pairs)
        filled = [_fill(piece, *pair) for pair in pairs]
        encoded = self._tokenizer(
            [text for text, _ in filled],
            add_special_tokens=False,
            split_special_tokens=True,
            return_offsets_mapping=True,
            verbose=False,
        )
        return [
            self._without_control(_Part(ids, offsets, spans))
            for ids, offsets, (_, spans) in zip(encoded["input_ids"], encoded["offset_mapping"], filled, strict=True)
        ]

    def _without_control(self, part: _Part) -> _Part:
        if self._control_ids.isdisjoint(part.ids):
            return part
        kept = [place for place, token_id in enumerate(part.ids) if token_id not in self._control_ids]
        return _Part([part.ids[place] for place in kept], [part.offsets[place] for place in kept], part.spans)

    def _join(self, parts: Sequence[_Part]) -> PromptTokens:
        """Return the parts of one prompt as a whole, cut to the maximum length."""
        ids = [token_id for part in parts for token_id in part.ids]
        if len(ids) <= self._max_length:
            return PromptTokens(ids, False)
        owners = [_owner(part.spans, *offset) for part in parts for offset in part.offsets]
        room = max(0, self._max_length - owners.count(""))
        left = {"": len(ids), _QUERY: min(owners.count(_QUERY), max(room - owners.count(_DOCUMENT), room * 3 // 4))}
        left[_DOCUMENT] = room - left[_QUERY]
        kept = []
        for token_id, owner in zip(ids, owners, strict=True):
            left[owner] -= 1
            if left[owner] >= 0:
                kept.append(token_id)
        return PromptTokens(kept, True)


def _fill(piece: str, query: str, document: str) -> tuple[str, dict[str, tuple[int, int]]]:
    """Return the piece with the texts in their places, and where each text begins and ends in it."""
    text, spans = "", {}
    for part in re.split(f"({re.escape(_QUERY)}|{re.escape(_DOCUMENT)})", piece):
        inserted = {_QUERY: query, _DOCUMENT: document}.get(part, part)
        if part in (_QUERY, _DOCUMENT):
            spans[part] = (len(text), len(text) + len(inserted))
        text += inserted
    return text, spans


def _owner(spans: dict[str, tuple[int, int]], start: int, end: int) -> str:
    """Return the place whose text holds all of a token; "" for what is the prompt's, even in part."""
    return next((place for place, (first, last) in spans.items() if first <= start < end <= last), "")
