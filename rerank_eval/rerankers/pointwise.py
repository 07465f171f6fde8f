"""Pointwise reranking: the model grades each document from 0 to 3."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from rerank_eval.calls.chat import Chat, Schema
from rerank_eval.calls.interview import Interview
from rerank_eval.integers import check_integer
from rerank_eval.rerankers.chat_reranker import ChatReranker

HIGHEST = 3
UNKNOWN = 1
"""The grade of a document of which no answer could be used: on the subject, as a candidate is, and no more. The same whatever other
documents have, so that with a document a question no other one can change it."""
_SCHEMA: Schema = {
    "type": "object",
    "properties": {
        "grades": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "number": {"type": "integer"},
                    "grade": {"type": "integer", "enum": list(range(HIGHEST + 1))},
                },
                "required": ["number", "grade"],
                "additionalProperties": False,
            },
        }
    },
    "required": ["grades"],
    "additionalProperties": False,
}
_STEP = 1e-6
"""What a document has less than one of the same grade that is a place before it; far below a grade for any depth."""


class Pointwise(ChatReranker):
    """Scores are grades from 0 to 3; among documents of one grade the candidate order stays, by a millionth a place.

    Several documents are graded by one question. An answer with other than one grade per document is repaired, and counted: a
    document that it leaves out has grade 0. Without a usable
    answer all documents of a question have `UNKNOWN`, which ranks them behind those that answer and before those off the subject.
    """

    own_prompt = "pointwise"

    def __init__(
        self,
        chat: Chat,
        name: str = "pointwise",
        prompt: str | None = None,
        max_characters: int | None = 200,
        max_tokens: int | None = None,
        documents_per_call: int = 10,
    ) -> None:
        """Take the model and how many documents a question has.

        Raises:
            ConfigError: the prompt cannot be used, or a setting is out of range.
        """
        super().__init__(chat, name, prompt, max_characters, max_tokens)
        check_integer("documents_per_call", documents_per_call, 1)
        self._documents_per_call = documents_per_call
        self.pointwise = documents_per_call == 1
        """Documents in one question may influence each other's grades."""

    def judge(self, interview: Interview, num_documents: int) -> list[float]:
        """Return the grades, less what keeps those of one grade in candidate order."""
        grades: list[int] = []
        for start in range(0, num_documents, self._documents_per_call):
            items = range(start, min(start + self._documents_per_call, num_documents))
            grades += self._grade(interview, items)
        return [grade - _STEP * place for place, grade in enumerate(grades)]

    def _grade(self, interview: Interview, items: Sequence[int]) -> list[int]:
        def read(value: Mapping[str, Any]) -> list[int] | None:
            found = read_grades(value, len(items))
            if found is None:
                return None
            if not found.is_whole:
                interview.repaired()
            return found.values

        found = interview.ask(items, _SCHEMA, read, 64 + 24 * len(items))
        return [UNKNOWN] * len(items) if found is None else found

    def identity(self) -> Mapping[str, object]:
        """Return what `ChatReranker` does, and how many documents a question has."""
        return {**super().identity(), "documents_per_call": self._documents_per_call}


class Grades(NamedTuple):
    """A grade per document; `is_whole` says that nothing had to be repaired."""

    values: list[int]
    is_whole: bool


def read_grades(value: Mapping[str, Any], num_documents: int) -> Grades | None:
    """Return the grades, repaired: what is no grade of a document is dropped, of several the first counts, a missing one is 0.

    None if not one can be used.
    """
    said = value.get("grades")
    rows = said if isinstance(said, list) else []
    grades: dict[int, int] = {}
    for row in rows:
        number, grade = (row.get("number"), row.get("grade")) if isinstance(row, Mapping) else (None, None)
        if type(number) is not int or type(grade) is not int:
            continue
        if 1 <= number <= num_documents and 0 <= grade <= HIGHEST:
            grades.setdefault(number, grade)
    values = [grades.get(number, 0) for number in range(1, num_documents + 1)]
    return Grades(values, len(grades) == len(rows) == num_documents) if grades else None
