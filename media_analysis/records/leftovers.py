"""Ends what is left in a store of objects that were never whole, or that became so in another way."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import structlog
from sqlalchemy import text

from media_analysis.db.database import Database
from media_analysis.replication.claiming import LEASE_SECONDS
from media_analysis.storage.store import ObjectStore

UNTOUCHED_FOR: Final = timedelta(days=1)
"""What is longer than any write may be late."""
# Of a file that is stored nothing is on its way but a copy, or what heals it, while somebody renews the lease of that.
_WRITTEN = text("""
    SELECT file.key FROM media_files AS file LEFT JOIN replicas AS replica
        ON replica.file_id = file.id AND replica.key = file.key AND replica.lease_id IS NOT NULL
    WHERE file.key = ANY(CAST(:keys AS text[]))
        AND (file.state = 'pending' OR replica.due_at BETWEEN now() AND now() + CAST(:lease AS interval))
""")
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
                asked = {"keys": list(keys), "lease": timedelta(seconds=LEASE_SECONDS)}
                written = set((await session.execute(_WRITTEN, asked)).scalars())
            outcome = await self.store.abort([key for key in dict.fromkeys(keys) if key not in written])
            for key, reason in outcome.failed.items():
                log.warning("leftovers.kept", key=key, reason=reason)
            ended += len(outcome.gone)
        return ended
