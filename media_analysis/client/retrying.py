"""Asking again: only what may be asked twice, with growing pauses, and not for longer than somebody has patience."""

import random
import time
from dataclasses import dataclass
from typing import Final

from media_analysis.client.errors import NotUnderstood, Problem, Unreachable, problem_of
from media_analysis.client.steps import Answer, Request, Send, Steps, Wait

FIRST_PAUSE_SECONDS: Final = 0.2
LONGEST_PAUSE_SECONDS: Final = 10.0
PASSING: Final = frozenset({408, 429, 500, 502, 503, 504})
LASTING: Final = frozenset({"object_damaged", "object_missing"})
"""503 of bytes that are not those that were stored: they will not be, next time."""
IN_FLIGHT: Final = frozenset({"upload_in_flight"})
"""409 where the attempt before has not ended yet."""
UNDONE: Final = frozenset({429})
"""Statuses that say that nothing was done, of whatever request."""
REFUSED: Final = 400


@dataclass
class Patience:
    """How long an operation may go on asking, from the first time it failed since it last went on."""

    seconds: float
    _ends_at: float | None = None
    _pause_seconds: float = FIRST_PAUSE_SECONDS

    def renew(self) -> None:
        """Begin anew: it went on."""
        self._ends_at, self._pause_seconds = None, FIRST_PAUSE_SECONDS

    def pause(self, error: Exception) -> Steps[None]:
        """Wait before the next attempt, as long as the server wants or a little longer than the last time.

        Raises:
            Exception: the error that made it pause, where the next attempt would come too late.

        """
        now = time.monotonic()
        if self._ends_at is None:
            self._ends_at = now + self.seconds
        seconds = self._pause_seconds * random.uniform(0.5, 1.0)  # noqa: S311 - so that not all come back at once
        if isinstance(error, Problem) and error.retry_after_seconds is not None:
            seconds = max(seconds, error.retry_after_seconds)
        if now + seconds > self._ends_at:
            raise error
        self._pause_seconds = min(2 * self._pause_seconds, LONGEST_PAUSE_SECONDS)
        yield Wait(seconds)


def ask(request: Request, patience: Patience, *, is_safe: bool = True) -> Steps[Answer]:
    """Return what a request is answered, below 400.

    One that is safe is made again when its answer is lost, or passes; any other only when it was never sent, or was
    refused before anything was done.

    Raises:
        Problem: it is refused.
        Unreachable: nobody answers.

    """
    while True:
        try:
            answer: Answer = yield Send(request)
        except Unreachable as error:
            if not (is_safe or error.is_unsent):
                raise
            yield from patience.pause(error)
            continue
        if answer.status < REFUSED:
            return _understood(answer)
        problem = problem_of(answer)
        if not passes(problem, is_safe=is_safe):
            raise problem
        yield from patience.pause(problem)


def passes(problem: Problem, *, is_safe: bool = True) -> bool:
    """Say whether a refusal may be none the next time."""
    if problem.code in LASTING:
        return False
    return problem.status in (PASSING if is_safe else UNDONE) or (is_safe and problem.code in IN_FLIGHT)


def _understood(answer: Answer) -> Answer:
    if not 200 <= answer.status < 300:  # noqa: PLR2004 - a success
        raise NotUnderstood(f"the server answered {answer.status}, which leads elsewhere; is the address right?")
    return answer
