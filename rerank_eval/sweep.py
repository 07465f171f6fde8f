"""What became of the jobs of a sweep, and when it is no use to begin another."""

import os
from collections.abc import Sequence

from rerank_eval.errors import UnreachableError, causes


class Sweep:
    """Counts jobs that run one after the other; when two in a row cannot reach the same host, no other is to begin."""

    def __init__(self) -> None:
        """Begin without a job."""
        self.process = os.getpid()
        """Where the count is kept: what a job notes in another process is lost."""
        self.exit_code = 0
        """That of the job that ended worst."""
        self._jobs: list[tuple[str, ...]] = []
        self._failed: list[tuple[str, ...]] = []
        self._not_begun = 0
        self._unreachable = ""
        """The host that the last job could not reach."""
        self._is_stopped = False

    def begin(self, overrides: Sequence[str]) -> bool:
        """Count a job; return whether to run it."""
        self._jobs.append(tuple(overrides))
        self._not_begun += self._is_stopped
        return not self._is_stopped

    def succeed(self) -> None:
        """Note that the job that was begun last has its result."""
        self._unreachable = ""

    def fail(self, error: BaseException, exit_code: int) -> None:
        """Note that the job that was begun last has none."""
        self._failed.append(self._jobs[-1])
        self.exit_code = max(self.exit_code, exit_code)
        host = next((cause.host for cause in causes(error) if isinstance(cause, UnreachableError)), "")
        self._is_stopped = bool(host) and host == self._unreachable
        self._unreachable = host

    def summary(self) -> str:
        """Return how many jobs failed, and which, by the overrides that not all jobs have in common."""
        common = set.intersection(*map(set, self._jobs))
        names = [" ".join(word for word in job if word not in common) or " ".join(job) for job in self._failed]
        text = f"{len(names)} of {len(self._jobs)} jobs of the sweep failed: {', '.join(names)}"
        if not self._not_begun:
            return text
        return f"{text}; {self._not_begun} not begun, since {self._unreachable} cannot be reached"
