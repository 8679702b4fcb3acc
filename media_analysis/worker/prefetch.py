"""Jobs claimed before there is a slot for them: of such that are over sooner than a claim takes."""

import time
from collections import deque
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Final

from media_analysis.jobs.attempts.attempt import Attempt

MOST: Final = 64
SHORT_SECONDS: Final = 0.1
"""What a job may take at most for others to be claimed ahead of it, and for how long it counts."""
PATIENCE: Final = timedelta(seconds=1)
"""How long one waits at most: those before it turned out to be long, and another worker may have a slot."""


class Prefetch:
    """What waits here, and for how many more there is reason.

    As many are claimed ahead as short jobs ended within the last `SHORT_SECONDS`, so that one claim takes what runs
    until the next. Where jobs are long, nothing ever waits. Each holds its claim's lease, which is longer than the
    `patience` after which it is handed back.
    """

    def __init__(self, patience: timedelta, clock: Callable[[], float] = time.monotonic) -> None:
        self.patience_seconds = patience.total_seconds()
        self._clock = clock
        self._ended: deque[float] = deque(maxlen=MOST)
        self._waiting: deque[tuple[float, Attempt]] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def room(self) -> int:
        """How many more to claim ahead; 0 while half of them wait still, for few claims of many cost less."""
        since = self._clock() - SHORT_SECONDS
        while self._ended and self._ended[0] < since:
            self._ended.popleft()
        wanted = len(self._ended)
        return wanted - len(self) if 2 * len(self) <= wanted else 0

    def note(self, seconds: float) -> None:
        """Note what a job took that just ended."""
        if seconds < SHORT_SECONDS:
            self._ended.append(self._clock())

    def stop(self) -> None:
        """Claim nothing ahead until others have ended soon."""
        self._ended.clear()

    def add(self, attempt: Attempt) -> None:
        self._waiting.append((self._clock(), attempt))

    def take(self, fits: Callable[[str], bool]) -> Attempt | None:
        """Return the first whose kind fits, and has not waited too long."""
        since = self._clock() - self.patience_seconds
        for place, (claimed_at, attempt) in enumerate(self._waiting):
            if claimed_at >= since and fits(attempt.kind):
                del self._waiting[place]
                return attempt
        return None

    def take_overdue(self) -> Sequence[Attempt]:
        """Return those that waited too long."""
        since, overdue = self._clock() - self.patience_seconds, []
        while self._waiting and self._waiting[0][0] < since:
            overdue.append(self._waiting.popleft()[1])
        return overdue

    def take_all(self) -> Sequence[Attempt]:
        taken = [attempt for _, attempt in self._waiting]
        self._waiting.clear()
        return taken

    def cancel(self, job_id: str) -> None:
        """Let one go that was cancelled."""
        for place, (_, attempt) in enumerate(self._waiting):
            if str(attempt.job_id) == job_id:
                del self._waiting[place]
                return
