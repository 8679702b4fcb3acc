"""The one deleter: tombstone first, then the bytes, then the confirmation (design law 4)."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.deletion import outbox
from media_analysis.deletion.due import DueFile
from media_analysis.deletion.pauses import find_pause
from media_analysis.deletion.pending import LOCK_PENDING, delete_pending
from media_analysis.deletion.requests import DeletionRequest
from media_analysis.deletion.selection import Amount, DeletionBatch
from media_analysis.deletion.strategy import Strategy
from media_analysis.deletion.tombstones import Claim, ClaimedFile, Order
from media_analysis.errors import MediaAnalysisError
from media_analysis.failpoints import failpoint
from media_analysis.policy.in_force import get_policy
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore

PURGE_SECONDS: Final = 10.0
"""How long work that goes on anyway waits for the bytes of a hundred thousand files; the rest goes by the outbox."""
ANSWER_SECONDS: Final = 3.0
"""How long somebody waits who is to be answered, from the request on; the rest goes by the outbox, too."""
LEAST_SECONDS: Final = 0.5
PURGERS: Final = 3
ABANDONED_AT_ONCE: Final = 2_000
_LOCK_UPLOADS: Final = text(LOCK_PENDING.format(which="id = ANY(CAST(:ids AS uuid[]))"))
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Purged:
    """Whose bytes are gone for the first time, and why others are not."""

    category: Category
    gone: Sequence[ClaimedFile | DueFile] = ()
    failed: Sequence[tuple[ClaimedFile | DueFile, str]] = ()


@dataclass(frozen=True)
class Deleter:
    """Removes files that are due or asked for; whatever it leaves half done stays on the outbox."""

    db: Database
    store: ObjectStore
    max_attempts: int
    strategy: Strategy = field(default_factory=Strategy)

    @retried
    async def claim_unfinished(self, *, now: datetime, after: datetime | None = None) -> Claim | None:
        """Take over an outbox entry whose bytes somebody left behind, due no earlier than the one `after`."""
        await self.store.require_marker()
        async with self.db.transaction() as session:
            return await outbox.claim_purge(session, now=now, after=after)

    @retried
    async def purge(self, claim: Claim) -> Purged:
        """Remove the bytes of a claim and close its outbox entry; while deletion is paused they stay on it instead.

        Stored bytes are removed here and nowhere else. A crash before the end leaves the entry open; its lease passes
        it on to the next sweep.

        Raises:
            MarkerMismatch: the store vanished meanwhile; nothing is confirmed.

        """
        if await self._is_paused(claim):
            return Purged(claim.category)
        outcome = await self.store.delete_many([file.key for file in claim.files], overwrite=claim.secure)
        failpoint("delete.purged")
        refused = outcome.failed
        failed = [(file, refused[file.key]) for file in claim.files if file.key in refused] if refused else []
        async with self.db.transaction() as session:
            key = claim.files[0].key  # all are of one category
            late, keeps = self.store.late_writes(key), self.store.keeps_versions(key)
            most = self.max_attempts
            await outbox.confirm(session, claim, failed, max_attempts=most, late_writes=late, keeps_versions=keeps)
        failpoint("delete.confirmed")
        for file, reason in failed:
            log.warning("purge.failed", file_id=str(file.id), reason=reason, attempts=claim.attempts)
        if claim.again:
            return Purged(claim.category, failed=failed)
        gone = [file for file in claim.files if file.key not in refused] if failed else claim.files
        return Purged(claim.category, gone, failed)

    async def _is_paused(self, claim: Claim) -> bool:
        async with self.db.read_only() as session:
            pause = await find_pause(session, claim.category)
        if pause is None:
            return False
        async with self.db.transaction() as session:
            await outbox.postpone(session, [claim.purge_id])
        log.info("purge.paused", purge_id=str(claim.purge_id), reason=pause.reason)
        return True

    async def begin(
        self, session: AsyncSession, asked: DeletionRequest, *, now: datetime, kept_for: timedelta | None
    ) -> DeletionBatch:
        """Begin a deletion somebody asks for, in the caller's transaction; `purge_entries` ends it."""
        policy = await get_policy(session)
        order = Order(
            now=now,
            actor=asked.actor,
            policy_version=policy.version if policy else None,
            reason=asked.reason,
            secure=asked.secure,
            by_request=True,
        )
        return DeletionBatch(order, kept_for)

    async def purge_for_answer(self, purges: Sequence[UUID], *, since: float) -> Amount | None:
        """Do as `purge_entries` for somebody who waits `since` an instant of the monotonic clock, in seconds."""
        left = since + ANSWER_SECONDS - time.monotonic()
        return await self.purge_entries(purges, seconds=max(LEAST_SECONDS, left))

    async def purge_entries(self, purges: Sequence[UUID], *, seconds: float = PURGE_SECONDS) -> Amount | None:
        """Remove the bytes of outbox entries that were just committed; return what is left to `finish_entries`.

        That is what fails, what would take longer, and what a pause keeps; None is that nobody can tell how much.
        """
        ends_at = time.monotonic() + seconds
        waiting, left, failed = list(reversed(purges)), list[UUID](), list[int]()

        async def work() -> None:
            while waiting and time.monotonic() < ends_at:
                purged = await self.purge_entry(purge_id := waiting.pop())
                if purged is None or not (purged.gone or purged.failed):
                    left.append(purge_id)
                else:
                    failed.extend(file.size_bytes for file, _ in purged.failed)

        await asyncio.gather(*(work() for _ in purges[:PURGERS]))
        refused = Amount(len(failed), sum(failed))
        return refused if not (waiting or left) else await self._leave(waiting, left, refused)

    async def _leave(self, unbegun: Sequence[UUID], left: Sequence[UUID], refused: Amount) -> Amount | None:
        """Let whoever comes first have what was not begun, without waiting for the end of our lease."""
        try:
            async with self.db.transaction() as session:
                await outbox.postpone(session, unbegun)
                return refused.plus(Amount(*await outbox.sum_entries(session, [*unbegun, *left])))
        except MediaAnalysisError as error:
            log.warning("purge.left", purges=len(unbegun) + len(left), reason=error.code)
            return None

    async def finish_entries(self) -> None:
        """Remove the bytes that deletions left behind, and that neither a lease nor a pause keeps."""
        now, after = await self.db.now(), None
        while claim := await self.claim_unfinished(now=now, after=after):
            await self.purge(claim)
            after = claim.due_at

    async def purge_entry(self, purge_id: UUID) -> Purged | None:
        """Remove the bytes of one outbox entry; None if that is left to a sweep, or another has seen to it."""
        try:
            async with self.db.transaction() as session:
                claim = await outbox.get_claim(session, purge_id)
            return None if claim is None else await self.purge(claim)
        except MediaAnalysisError as error:
            # The tombstones are committed, so the files are deleted whatever happens here.
            log.warning("purge.postponed", purge_id=str(purge_id), reason=error.code)
            return None

    async def discard_uploads(self, ids: Sequence[UUID]) -> None:
        """Remove what failed uploads left, of those whose rows are still pending; who stores one is waited for."""
        await self.store.require_marker()
        for start in range(0, len(ids), ABANDONED_AT_ONCE):
            claims = await self._claim_abandoned(ids[start : start + ABANDONED_AT_ONCE])
            await self.purge_entries([claim.purge_id for claim in claims])

    @retried
    async def _claim_abandoned(self, ids: Sequence[UUID]) -> Sequence[Claim]:
        async with self.db.transaction() as session:
            asked = {"ids": list(ids), "limit": len(ids)}
            claims = await delete_pending(session, _LOCK_UPLOADS, asked, actor="upload")
            failpoint("upload.abandoning")
        failpoint("upload.abandoned")
        return claims
