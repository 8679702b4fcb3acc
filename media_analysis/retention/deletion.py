"""The one deleter: tombstone first, then the bytes, then the confirmation (design law 4)."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.errors import MediaAnalysisError
from media_analysis.failpoints import failpoint
from media_analysis.files.models import FileState, RetentionRule
from media_analysis.retention import burial, outbox
from media_analysis.retention.burial import Claim, ClaimedFile, Order
from media_analysis.retention.due import DueFile, Position, get_facts, list_due, lock_file, reschedule
from media_analysis.retention.guard.pauses import find_pause, require_running
from media_analysis.retention.policies import get_policy
from media_analysis.retention.policy import CategoryRules
from media_analysis.retention.removal import families
from media_analysis.retention.removal.archive_expiry import ArchiveExpiry, bury_with_runs, list_bound
from media_analysis.retention.removal.condemned import Haul
from media_analysis.retention.removal.families import FileRemoval
from media_analysis.retention.removal.requests import RemovalRequest
from media_analysis.retention.sorting import Sorted, sort_out
from media_analysis.retention.strategy import Strategy
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore

PURGE_SECONDS: Final = 10.0
"""How long somebody who deletes a hundred thousand files waits for their bytes to go; the rest goes by the outbox."""
PURGERS: Final = 3
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction took: claims to purge, one a rule, and what went to the trash; often nothing at all."""

    claims: Sequence[Claim]
    trashed: Sequence[DueFile]
    last: Position


@dataclass(frozen=True, slots=True)
class Purged:
    """Whose bytes are gone, and why others are not."""

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
    async def claim(
        self,
        category: Category,
        order: Order,
        *,
        rules: CategoryRules,
        after: Position | None,
        limit: int,
        only_pending: bool = False,
    ) -> Batch | None:
        """Take one batch of due files of a category, most overdue first; None when none is due after `after`.

        Raises:
            MarkerMismatch: this is not the database's store; nothing was claimed.
            DeletionPaused: somebody has to confirm first.

        """
        await self.store.require_marker()
        async with self.db.transaction() as session:
            await require_running(session, category, only_pending=only_pending)
            due = await list_due(
                session, category, now=order.now, after=after, limit=limit, only_pending=only_pending, lock=True
            )
            if not due:
                return None
            bound = await list_bound(session, [file.id for file in due]) if category is Category.ARCHIVES else ()
            free = [file for file in due if file.id not in bound]
            decided = sort_out(free, rules, order.now, trash=self.strategy.kept_when_swept(category) is not None)
            decided.kept.update(dict.fromkeys(bound, order.now + timedelta(days=1)))
            claims = await self.take(session, category, decided, order)
            failpoint("delete.claiming")
        failpoint("delete.claimed")
        return Batch(claims, [file for files in decided.trashed.values() for file in files], due[-1].position)

    async def take(self, session: AsyncSession, category: Category, decided: Sorted, order: Order) -> Sequence[Claim]:
        """Act on locked files as decided, in the caller's transaction; the claims are purged after its commit."""
        if decided.kept:
            await reschedule(session, decided.kept)
        claims, moved = await bury_with_runs(session, decided.buried, order, category=category)
        kept_for = self.strategy.kept_when_swept(category)
        if decided.trashed and kept_for is not None:
            moved += await burial.throw_away(session, decided.trashed, order, kept_for=kept_for)
        await burial.settle(session, moved)
        return claims

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
            await outbox.confirm(session, claim, failed, max_attempts=self.max_attempts)
        failpoint("delete.confirmed")
        for file, reason in failed:
            log.warning("purge.failed", file_id=str(file.id), reason=reason, attempts=claim.attempts)
        gone = [file for file in claim.files if file.key not in refused] if failed else claim.files
        return Purged(claim.category, gone, failed)

    async def _is_paused(self, claim: Claim) -> bool:
        async with self.db.read_only() as session:
            pause = await find_pause(session, claim.category)
        if pause is None:
            return False
        async with self.db.transaction() as session:
            await outbox.postpone(session, claim)
        log.info("purge.paused", purge_id=str(claim.purge_id), reason=pause.reason)
        return True

    async def delete(
        self,
        file_id: UUID,
        *,
        owner: str | None,
        requested_by: str,
        reason: str | None = None,
        hard: bool = False,
        secure: bool = False,
        soft: bool = False,
        derived: bool = True,
    ) -> FileRemoval:
        """Delete one file as `remove` does; the stronger wish wins."""
        asked = RemovalRequest(requested_by=requested_by, reason=reason, hard=hard, secure=secure, soft=soft)
        return await self.remove(file_id, asked, owner=owner, derived=derived)

    @retried
    async def remove(
        self, file_id: UUID, asked: RemovalRequest, *, owner: str | None, derived: bool = True
    ) -> FileRemoval:
        """Delete one file because somebody asks for it: into the trash if there is one, unless scratch or for good.

        What was `derived` from it, and the results about all of them, go with it in the same transaction. A deletion
        for good also takes what is in the trash, or expired already. Law holds for both: what is held stays.

        Raises:
            FileNotFound, FileGone, FileNotReady, FileHeld: there is nothing to delete, or it may not go.
            ArchiveOfJob, DerivedArchived: it, or what was derived from it, goes with a run only.
            MarkerMismatch, DatabaseUnavailable: nothing was deleted.

        """
        await self.store.require_marker()
        now = await self.db.now()
        async with self.db.transaction() as session:
            if derived:
                await families.lock_family(session, file_id, owner=owner)
            found = await lock_file(session, file_id, owner=owner)
            head = await families.require_head(session, found, file_id, owner=owner, now=now, asked=asked)
            going = await families.weigh_family(
                session, head, now=now, asked=asked, strategy=self.strategy, derived=derived
            )
            families.require_derived_unprotected(going)
            haul = await self.begin(session, asked, now=now, kept_for=going.kept_for)
            await families.take_family(session, going, haul)
            failpoint("delete.requesting")
        failpoint("delete.requested")
        if haul.kept_for is None:
            haul.purges += await self._drop_copies([file_id, *going.derived_ids], haul.order)
        pending = await self.purge_entries(haul.purges)
        return replace(going, pending=pending)

    async def _drop_copies(self, file_ids: Sequence[UUID], order: Order) -> Sequence[UUID]:
        """Let go of archives with copies of files just deleted; what a crash or an error leaves the sweep finds."""
        try:
            return await ArchiveExpiry(self.db).drop_copies_of(file_ids, order)
        except MediaAnalysisError as error:
            # The tombstones are committed, so the files are deleted whatever happens here.
            log.warning("archive.drop_postponed", reason=error.code)
            return ()

    async def preview(
        self, file_id: UUID, asked: RemovalRequest, *, owner: str | None, derived: bool = True
    ) -> FileRemoval:
        """Say what a deletion of a file would take, and what protects some of what was derived from it.

        Raises:
            FileNotFound, FileGone, FileNotReady, FileHeld: there is nothing to delete, or it may not go.

        """
        now = await self.db.now()
        async with self.db.read_only() as session:
            found = await get_facts(session, file_id, owner=owner)
            head = await families.require_head(session, found, file_id, owner=owner, now=now, asked=asked)
            return await families.weigh_family(
                session, head, now=now, asked=asked, strategy=self.strategy, derived=derived
            )

    async def begin(
        self, session: AsyncSession, asked: RemovalRequest, *, now: datetime, kept_for: timedelta | None
    ) -> Haul:
        """Begin a deletion somebody asks for, in the caller's transaction; `purge_entries` ends it."""
        policy = await get_policy(session)
        order = Order(
            now=now,
            requested_by=asked.requested_by,
            policy_version=policy.version if policy else None,
            reason=asked.reason,
            secure=asked.secure,
            by_request=True,
        )
        return Haul(order, kept_for)

    async def purge_entries(self, purges: Sequence[UUID]) -> bool:
        """Remove the bytes of outbox entries that were just committed; say whether some are left to sweeps.

        Those are what fails, what takes long, and what a pause keeps.
        """
        ends_at = time.monotonic() + PURGE_SECONDS
        waiting = list(reversed(purges))
        left: list[UUID] = []

        async def work() -> None:
            while waiting and time.monotonic() < ends_at:
                purged = await self.purge_entry(purge_id := waiting.pop())
                if purged is None or purged.failed or not purged.gone:
                    left.append(purge_id)

        await asyncio.gather(*(work() for _ in purges[:PURGERS]))
        return bool(waiting or left)

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

    @retried
    async def abandon(self, file_id: UUID) -> None:
        """Remove what a failed upload left, if its row is still pending."""
        await self.store.require_marker()
        order = Order(now=await self.db.now(), requested_by="upload")
        async with self.db.transaction() as session:
            found = await lock_file(session, file_id, owner=None)
            if found is None or found[2].state != FileState.PENDING:
                return
            category, _, facts = found
            [claim], moved = await burial.bury(
                session, {RetentionRule.UPLOAD_ABANDONED: [facts]}, order, category=category
            )
            await burial.settle(session, moved)
            failpoint("upload.abandoning")
        failpoint("upload.abandoned")
        await self.purge_entries([claim.purge_id])
