"""Prompts as files: what the model is told, a line of three dashes, and what it is asked, with places for the texts."""

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path

from rerank_eval.calls.chat import Prompt
from rerank_eval.errors import ConfigError

OWN = Path(__file__).parents[1] / "prompts"
_PLACES = ("{query}", "{documents}", "{count}", "{key}")
_RULE = re.compile(r"^---[ \t]*$", re.MULTILINE)
_LONGEST = 1_000_000


class PromptFile:
    """A prompt to be filled. A text cannot bring places: braces in it mean nothing.

    {documents} becomes the documents, numbered from 1, each between tags whose names end in {key}. The key is drawn from the texts, so
    that no text can hold it, and the same question always has the same one.
    """

    def __init__(self, path: str | Path) -> None:
        """Read the file, with or without BOM.

        Raises:
            ConfigError: it cannot be read, is no regular file, has more than a million characters, or has not {query} and {documents} once each in what is asked and never in what is told.
        """
        try:
            text = _read(Path(path))
        except (OSError, ValueError, TypeError) as error:
            raise ConfigError(f"the prompt {path} cannot be read: {error}") from error
        parts = _RULE.split(text, maxsplit=1)
        self._system, self._user = ("", *parts)[-2:]
        for place in ("{query}", "{documents}"):
            if self._user.count(place) != 1 or place in self._system:
                raise ConfigError(f"the prompt {path} must have {place} once, below the line --- where it has one")
        self.sha256 = hashlib.sha256(text.encode()).hexdigest()

    def fill(self, query: str, documents: Sequence[str]) -> Prompt:
        """Return the prompt with the texts in their places."""
        key = draw_key(query, documents)
        shown = "\n".join(
            f'<document-{key} number="{number}">\n{text}\n</document-{key}>'
            for number, text in enumerate(documents, start=1)
        )
        filling = dict(zip(_PLACES, (query, shown, f"{len(documents)}", key), strict=True))

        def filled(template: str) -> str:
            pattern = "|".join(map(re.escape, _PLACES))
            return re.sub(pattern, lambda place: filling[place[0]], template).strip()

        return Prompt(filled(self._system), filled(self._user))


def _read(path: Path) -> str:
    """Return the text of a regular file; opening a pipe would wait for ever, and a device may never end."""
    if path.exists() and not path.is_file():
        raise ValueError("it is no regular file")
    with path.open(encoding="utf-8-sig") as file:
        text = file.read(_LONGEST + 1)
    if len(text) > _LONGEST:
        raise ValueError(f"it has more than {_LONGEST:,} characters")
    return text


def draw_key(query: str, documents: Sequence[str]) -> str:
    """Return 12 hexadecimal digits that none of the texts holds, always the same for the same texts."""
    texts = [query, *documents]
    turn = 0
    while True:
        lengths = [len(text) for text in texts]
        material = f"{turn} {lengths} {''.join(texts)}"
        key = hashlib.sha256(material.encode(errors="replace")).hexdigest()[:12]
        if not any(key in text for text in texts):
            return key
        turn += 1
