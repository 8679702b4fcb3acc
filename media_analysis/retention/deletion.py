"""The one deleter: tombstone first, then the bytes, then the confirmation (design law 4)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.errors import FileGone, FileHeld, FileNotReady, MediaAnalysisError
from media_analysis.failpoints import failpoint
from media_analysis.files.models import FileState, RetentionRule
from media_analysis.files.service import raise_gone
from media_analysis.retention import queries
from media_analysis.retention.policy import Delete, Keep, decide
from media_analysis.retention.queries import Claim, ClaimedFile, DueFile, Position
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Order:
    """Who wants what is due deleted, as of when, and how much of it one transaction takes."""

    now: datetime
    requested_by: str
    sweep_id: UUID | None
    batch_size: int
    only_pending: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction took, one claim a rule; none at all when everything it saw may stay."""

    claims: Sequence[Claim]
    last: Position


@dataclass(frozen=True, slots=True)
class Purged:
    """Whose bytes are gone, and why others are not."""

    category: Category
    gone: Sequence[ClaimedFile | DueFile]
    failed: Sequence[tuple[ClaimedFile | DueFile, str]]


@dataclass(frozen=True)
class Deleter:
    """Removes files that are due or asked for; whatever it leaves half done stays on the outbox."""

    db: Database
    store: ObjectStore
    max_attempts: int

    async def claim(self, category: Category, order: Order, *, after: Position | None) -> Batch | None:
        """Bury one batch of due files of a category, most overdue first; None when none is due after `after`.

        Raises:
            MarkerMismatch: this is not the database's store; nothing was claimed.

        """
        await self.store.require_marker()
        async with self.db.transaction() as session:
            due = await queries.list_due(
                session,
                category,
                now=order.now,
                after=after,
                limit=order.batch_size,
                only_pending=order.only_pending,
                lock=True,
            )
            if not due:
                return None
            claims = await self._bury(session, category, due, order)
            failpoint("delete.claiming")
        failpoint("delete.claimed")
        return Batch(claims, due[-1].position)

    async def claim_unfinished(self, *, now: datetime) -> Claim | None:
        """Take over an outbox entry whose bytes somebody left behind."""
        await self.store.require_marker()
        async with self.db.transaction() as session:
            return await queries.claim_purge(session, now=now)

    async def purge(self, claim: Claim) -> Purged:
        """Remove the bytes of a claim and close its outbox entry.

        A crash before the end leaves the entry open; its lease passes it on to the next sweep.

        Raises:
            MarkerMismatch: the store vanished meanwhile; nothing is confirmed.

        """
        outcome = await self.store.delete_many([file.key for file in claim.files])
        failpoint("delete.purged")
        refused = outcome.failed
        failed = [(file, refused[file.key]) for file in claim.files if file.key in refused] if refused else []
        async with self.db.transaction() as session:
            await queries.confirm(session, claim, failed, max_attempts=self.max_attempts)
        failpoint("delete.confirmed")
        for file, reason in failed:
            log.warning("purge.failed", file_id=str(file.id), reason=reason, attempts=claim.attempts)
        gone = [file for file in claim.files if file.key not in refused] if failed else claim.files
        return Purged(claim.category, gone, failed)

    async def delete(self, file_id: UUID, *, owner: str | None, requested_by: str) -> None:
        """Delete one file because somebody asks for it.

        Raises:
            FileNotFound, FileGone, FileNotReady, FileHeld: there is nothing to delete, or it may not go.
            MarkerMismatch, DatabaseUnavailable: nothing was deleted.

        """
        await self.store.require_marker()
        now = await self.db.now()
        async with self.db.transaction() as session:
            found = await queries.lock_file(session, file_id, owner=owner)
            if found is None:
                await raise_gone(session, file_id, owner=owner)
            category, facts = found
            _require_deletable(facts, now)
            [claim] = await queries.bury(
                session,
                {RetentionRule.REQUESTED: [facts]},
                category=category,
                now=now,
                requested_by=requested_by,
                sweep_id=None,
            )
            failpoint("delete.requesting")
        failpoint("delete.requested")
        await self._purge_committed(claim)

    async def abandon(self, file_id: UUID) -> None:
        """Remove what a failed upload left, if its row is still pending."""
        await self.store.require_marker()
        now = await self.db.now()
        async with self.db.transaction() as session:
            found = await queries.lock_file(session, file_id, owner=None)
            if found is None or found[1].state != FileState.PENDING:
                return
            category, facts = found
            [claim] = await queries.bury(
                session,
                {RetentionRule.UPLOAD_ABANDONED: [facts]},
                category=category,
                now=now,
                requested_by="upload",
                sweep_id=None,
            )
            failpoint("upload.abandoning")
        failpoint("upload.abandoned")
        await self._purge_committed(claim)

    async def _purge_committed(self, claim: Claim) -> None:
        try:
            await self.purge(claim)
        except MediaAnalysisError as error:
            # The tombstone is committed, so the file is deleted whatever happens here; the outbox keeps its bytes.
            log.warning("purge.postponed", purge_id=str(claim.purge_id), reason=error.code)

    async def _bury(
        self, session: AsyncSession, category: Category, due: Sequence[DueFile], order: Order
    ) -> Sequence[Claim]:
        doomed: dict[RetentionRule, list[DueFile]] = {}
        kept: dict[UUID, datetime | None] = {}
        for facts in due:
            decision = decide(facts, order.now)
            if isinstance(decision, Delete):
                doomed.setdefault(decision.rule, []).append(facts)
            else:
                kept[facts.id] = decision.until
        if kept:
            await queries.reschedule(session, kept)
        return await queries.bury(
            session,
            doomed,
            category=category,
            now=order.now,
            requested_by=order.requested_by,
            sweep_id=order.sweep_id,
        )


def _require_deletable(facts: DueFile, now: datetime) -> None:
    if facts.state == FileState.PENDING:
        raise FileNotReady(facts.id)
    match decide(facts, now):
        case Keep(RetentionRule.HOLD | RetentionRule.MINIMUM_RETENTION as rule, until):
            raise FileHeld(facts.id, rule=rule.value, until=until)
        case Delete(rule):
            raise FileGone(facts.id, rule=rule.value, gone_at=facts.expires_at or now, deleted_at=None)
        case Keep():
            return
