"""Discarding what a run staged and nobody will store: the run failed, was cancelled or taken over, or it is temp."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import text

from media_analysis.db.database import Database, retried
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.pending import LOCK_PENDING, delete_pending
from media_analysis.deletion.tombstones import Claim
from media_analysis.errors import MediaAnalysisError
from media_analysis.failpoints import failpoint

BATCH: Final = 2000
BY: Final = "run"
"""Who the tombstones say asked for it."""

# Rows that a writer still has locked are left to the sweep, when their lease ends.
_LOCK_STAGED: Final = text(
    LOCK_PENDING.format(
        which="job_id = ANY(CAST(:job_ids AS uuid[])) AND role IS NOT NULL"
        " AND job_fence < coalesce(CAST(:before AS bigint), 9223372036854775807)"
    )
    + " SKIP LOCKED"
)
log = structlog.get_logger()


@dataclass(frozen=True)
class DiscardService:
    """Deletes the staged products of runs that are over; whatever it leaves the sweep takes when their lease ends."""

    db: Database
    deleter: Deleter

    async def discard(self, job_id: UUID, *, before_fence: int | None = None) -> int:
        """Delete what runs of a job staged, of those before a fence or all; return how many files went.

        Never raises what the database or the store says: nothing here was promised to anybody.
        """
        return await self._discard({"job_ids": [job_id], "before": before_fence})

    async def discard_all(self, job_ids: Sequence[UUID]) -> int:
        """Delete what all runs of many jobs staged, as `discard` does."""
        return await self._discard({"job_ids": list(job_ids), "before": None})

    async def _discard(self, asked: Mapping[str, Any]) -> int:
        discarded = 0
        try:
            while claims := await self._claim(asked):
                for claim in claims:
                    discarded += len(claim.files)
                    await self.deleter.purge(claim)
        except MediaAnalysisError as error:
            log.warning("uploads.left_pending", reason=error.code)
        return discarded

    @retried
    async def _claim(self, asked: Mapping[str, Any]) -> Sequence[Claim]:
        await self.deleter.store.require_marker()
        async with self.db.transaction() as session:
            claims = await delete_pending(session, _LOCK_STAGED, {**asked, "limit": BATCH}, actor=BY)
            failpoint("attempt.discarding")
        failpoint("attempt.discarded")
        return claims
