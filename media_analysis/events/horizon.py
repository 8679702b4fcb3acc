"""Up to where the log is complete: ids are given before what they tell of is committed, and not all at once."""

from collections import deque
from dataclasses import dataclass, field
from typing import Final

from media_analysis.db.database import Database

MOST_PENDING: Final = 64
_GIVEN: Final = "SELECT last_value - (NOT is_called)::int AS given FROM events_id_seq"
# Its own number is newer than that of every transaction that was given an id before.
_UNDER_WAY: Final = """
    SELECT pg_current_xact_id()::text::bigint AS own, pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest
"""


@dataclass
class EventHorizon:
    """The last id below which nothing more can come.

    An id is given by a transaction that has its number already. So all ids that were given until now are settled once
    no transaction is left that is older than one which begins now.
    """

    db: Database
    settled: int = 0
    given: int = 0
    """The last id that was given to anybody when that was last looked at."""
    _pending: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=MOST_PENDING))
    """Ids, each with the number of the transaction before which all have to have ended."""

    @property
    def is_behind(self) -> bool:
        """Whether ids were given, when that was last looked at, that had not settled yet."""
        return self.settled < self.given

    async def look(self) -> int:
        """Return the last settled id, as of now; a long transaction holds it back, and everything comes once it ends.

        Raises:
            DatabaseUnavailable: PostgreSQL is away.

        """
        reads = self.db.driver.reads
        given: int = (await reads.fetch(_GIVEN))[0]["given"]
        self.given = max(self.given, given)
        if given > self.settled:
            # Asked after the ids, in a snapshot of its own.
            own, oldest = (await reads.fetch(_UNDER_WAY))[0]
            self._note(given, own, oldest)
        return self.settled

    def _note(self, given: int, own: int, oldest: int) -> None:
        if len(self._pending) == MOST_PENDING:
            self._pending.pop()
        self._pending.append((given, own))
        while self._pending and self._pending[0][1] <= oldest:
            # Two that look at once may be answered in any order.
            self.settled = max(self.settled, self._pending.popleft()[0])
