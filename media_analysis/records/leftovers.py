"""Ends what is left in a store of objects that were never whole, and that no row names any more."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog

from media_analysis.db.database import Database
from media_analysis.integrity.verify import list_unclaimed
from media_analysis.storage.store import ObjectStore

UNTOUCHED_FOR: Final = timedelta(days=1)
"""What is longer than any write may be late."""
log = structlog.get_logger()


@dataclass(frozen=True)
class LeftoverService:
    """Aborts uploads whose process was killed amid an object that has no name before it is whole."""

    db: Database
    store: ObjectStore

    async def end(self, *, now: datetime) -> int:
        """Delete what is left, and return of how many objects.

        Raises:
            MarkerMismatch: this is not the database's store.
            StoreUnavailable: it does not answer.

        """
        ended = 0
        async for keys in self.store.abandoned(now - UNTOUCHED_FOR):
            async with self.db.read_only() as session:
                unclaimed = await list_unclaimed(session, list(dict.fromkeys(keys)))
            outcome = await self.store.abort(unclaimed)
            for key, reason in outcome.failed.items():
                log.warning("leftovers.kept", key=key, reason=reason)
            ended += len(outcome.gone)
        return ended
