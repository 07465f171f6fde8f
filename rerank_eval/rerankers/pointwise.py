"""Pointwise reranking: the model grades each document from 0 to 3."""

from collections.abc import Mapping, Sequence
from typing import Any

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

    Several documents are graded by one question. A document that an answer leaves out has grade 0, and counts as repaired. Without a usable
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
        def read(value: Mapping[str, Any]) -> list[int | None] | None:
            found = read_grades(value, len(items))
            if found is not None and None in found:
                interview.repaired()
            return found

        found = interview.ask(items, _SCHEMA, read, 64 + 24 * len(items))
        return [UNKNOWN] * len(items) if found is None else [grade or 0 for grade in found]

    def identity(self) -> Mapping[str, object]:
        """Return what `ChatReranker` does, and how many documents a question has."""
        return {**super().identity(), "documents_per_call": self._documents_per_call}


def read_grades(value: Mapping[str, Any], num_documents: int) -> list[int | None] | None:
    """Return a grade per document, None for one that has none; None if there is no grade at all. Of several the first counts."""
    said = value.get("grades")
    grades: list[int | None] = [None] * num_documents
    for row in said if isinstance(said, list) else ():
        number, grade = (row.get("number"), row.get("grade")) if isinstance(row, Mapping) else (None, None)
        if type(number) is not int or type(grade) is not int:
            continue
        if 1 <= number <= num_documents and 0 <= grade <= HIGHEST and grades[number - 1] is None:
            grades[number - 1] = grade
    return None if grades.count(None) == num_documents else grades
