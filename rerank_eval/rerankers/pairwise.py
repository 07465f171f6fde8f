"""Pairwise reranking: the model names the better of two documents, asked in both orders (Qin et al. 2024, arXiv:2306.17563)."""

from collections.abc import Sequence

from rerank_eval.calls.chat import Chat
from rerank_eval.calls.interview import Interview
from rerank_eval.rerankers.setwise import Setwise, ask_for_best
from rerank_eval.sorting import Pick


class Pairwise(Setwise):
    """`Setwise` with pairs: a document comes before one that stood before it only if it is named in both orders they can be shown in.

    The second order is asked only where the first names it.
    """

    own_prompt = "pairwise"

    def __init__(
        self,
        chat: Chat,
        name: str = "pairwise",
        prompt: str | None = None,
        max_characters: int | None = 200,
        max_tokens: int | None = None,
        sort: str = "heap",
        top: int = 10,
    ) -> None:
        """Take the model, the sort, and how many documents are wanted in front.

        Raises:
            ConfigError: the prompt cannot be used, or a setting is unknown or out of range.
        """
        # a heap of pairs has two children to a node, and bubbles go over neighbours
        super().__init__(chat, name, prompt, max_characters, max_tokens, sort, 3 if sort == "heap" else 2, top)

    def most_questions(self, num_documents: int) -> int:
        """Return what `Setwise` does, with a duel in both orders against each rival."""
        return 2 * (self._group - 1) * super().most_questions(num_documents)

    def pick_by(self, interview: Interview) -> Pick:
        """Return what finds the best of a few candidates by duels; the one that comes first, where the model is in two minds."""

        def pick(items: Sequence[int]) -> int:
            best = items[0]
            for rival in items[1:]:
                if all(ask_for_best(interview, pair) == rival for pair in ([best, rival], [rival, best])):
                    best = rival
            return best

        return pick
