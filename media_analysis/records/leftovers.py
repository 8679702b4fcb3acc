"""Ends what is left in a store of objects that were never whole, or that became so in another way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text

from media_analysis.db.database import Database
from media_analysis.storage.store import ObjectStore

UNTOUCHED_FOR: Final = timedelta(days=1)
"""What is longer than any write may be late."""
# Of a file that is stored nothing else is on its way: what lies there a request has left whose answer was lost.
_PENDING = text("SELECT key FROM media_files WHERE state = 'pending' AND key = ANY(CAST(:keys AS text[]))")
log = structlog.get_logger()


@dataclass(frozen=True)
class LeftoverService:
    """Aborts what is left of objects whose writer was killed, or not answered, before they were whole."""

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
                pending = set((await session.execute(_PENDING, {"keys": list(keys)})).scalars())
            outcome = await self.store.abort([key for key in dict.fromkeys(keys) if key not in pending])
            for key, reason in outcome.failed.items():
                log.warning("leftovers.kept", key=key, reason=reason)
            ended += len(outcome.gone)
        return ended
