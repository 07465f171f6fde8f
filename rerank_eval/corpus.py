"""All documents of a dataset, indexable by id, with the texts on disk instead of in memory."""

import errno
import hashlib
import mmap
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from rerank_eval.errors import DuplicateIdError, NotEvaluableError

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Corpus:
    """Documents in the order they were given; texts lie in an unnamed temporary file that is mapped into memory.

    Memory is needed for the ids alone, about 140 MB per million documents (benchmarks/memory.py), and on the disk for temporary files
    ($TMPDIR) the size of the texts.
    Reading is safe from several threads.
    """

    def __init__(self, documents: Iterable[tuple[str, str]]) -> None:
        """Read (doc_id, text) pairs once; lone surrogates in texts are replaced and counted.

        Raises:
            DuplicateIdError: a doc_id comes twice with different texts (an identical repetition is dropped and counted).
            NotEvaluableError: the disk for temporary files is full.
        """
        self._positions: dict[str, int] = {}
        self._offsets = array("Q", [0])
        self.dropped_duplicates = 0
        self.blank_documents = 0
        self.replaced_surrogates = 0
        digest = hashlib.sha256()
        with _temporary_file() as file:
            for doc_id, text in documents:
                encoded = self._encode(text)
                if doc_id in self._positions:
                    self._check_identical(file, doc_id, encoded)
                    continue
                self._positions[doc_id] = len(self._positions)
                file.write(encoded)
                self._offsets.append(self._offsets[-1] + len(encoded))
                digest.update(b"%d %d " % (len(doc_id.encode()), len(encoded)) + doc_id.encode() + encoded)
                self.blank_documents += not text.strip()
            file.flush()
            self._texts: mmap.mmap | bytes = (
                mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self._offsets[-1] else b""
            )
        self.sha256 = digest.hexdigest()

    def _encode(self, text: str) -> bytes:
        cleaned = replace_surrogates(text)
        self.replaced_surrogates += cleaned != text
        return cleaned.encode()

    def _check_identical(self, file: BinaryIO, doc_id: str, encoded: bytes) -> None:
        position = self._positions[doc_id]
        file.seek(self._offsets[position])
        if file.read(self._offsets[position + 1] - self._offsets[position]) != encoded:
            raise DuplicateIdError(doc_id)
        file.seek(0, 2)
        self.dropped_duplicates += 1

    @property
    def doc_ids(self) -> list[str]:
        """The ids, in the order given; the index into it is the document's position."""
        return list(self._positions)

    def position(self, doc_id: str) -> int:
        """Return where the document stands, counted from 0; KeyError if it is not there."""
        return self._positions[doc_id]

    def text(self, doc_id: str) -> str:
        """Return the document's text; KeyError if it is not there."""
        position = self._positions[doc_id]
        return self._texts[self._offsets[position] : self._offsets[position + 1]].decode()

    def texts(self) -> Iterator[str]:
        """Yield all texts in order."""
        for position in range(len(self)):
            yield self._texts[self._offsets[position] : self._offsets[position + 1]].decode()

    def __contains__(self, doc_id: object) -> bool:
        """Return whether the document is there."""
        return doc_id in self._positions

    def __len__(self) -> int:
        """Return the number of documents."""
        return len(self._positions)


@contextmanager
def _temporary_file() -> Iterator[BinaryIO]:
    """Open a file without a name; that the disk is full may be seen when a text is written, or only at the end."""
    file = None
    try:
        with tempfile.TemporaryFile(prefix="rerank-eval-corpus-") as file:
            yield file
    except OSError as error:
        if file is not None and error.errno not in _DISK_FULL:
            raise  # of the place that the documents come from
        raise NotEvaluableError(
            f"the texts of the documents cannot be kept in {tempfile.tempdir or 'a temporary folder'} ({error.strerror or error}); make "
            "room there, or set the variable TMPDIR to a folder on another disk"
        ) from error


def replace_surrogates(text: str) -> str:
    """Return `text` with lone surrogates, which UTF-8 cannot hold, replaced by U+FFFD; pairs become their character."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text
