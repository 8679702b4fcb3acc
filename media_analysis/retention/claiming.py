"""Claims of due files: locked, decided about and taken in one transaction, batch by batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.expiry import delete_with_runs, list_bound
from media_analysis.db.database import Database, retried
from media_analysis.deletion import tombstones
from media_analysis.deletion.decisions import Decisions, decide_each
from media_analysis.deletion.deleter import Deleter
from media_analysis.deletion.due import DueFile, DuePosition, list_due
from media_analysis.deletion.pauses import require_running
from media_analysis.deletion.strategy import Strategy
from media_analysis.deletion.tombstones import Claim, Order
from media_analysis.failpoints import failpoint
from media_analysis.files import ledger
from media_analysis.files.transitions import reschedule
from media_analysis.policy.decision import CategoryRules
from media_analysis.storage.category import Category


@dataclass(frozen=True, slots=True)
class ClaimedBatch:
    """What one transaction took: claims to purge, one a rule, and what went to the trash; often nothing at all."""

    claims: Sequence[Claim]
    trashed: Sequence[DueFile]
    last: DuePosition
    is_full: bool
    """Whether as many were due as were asked for: there may be more."""


@dataclass(frozen=True)
class Claimer:
    """Takes what is due; the deleter removes its bytes afterwards."""

    db: Database
    deleter: Deleter

    @retried
    async def claim(
        self,
        category: Category,
        order: Order,
        *,
        rules: CategoryRules,
        after: DuePosition | None,
        limit: int,
        only_pending: bool = False,
    ) -> ClaimedBatch | None:
        """Take one batch of due files of a category, most overdue first; None when none is due after `after`.

        Raises:
            MarkerMismatch: this is not the database's store; nothing was claimed.
            DeletionPaused: somebody has to confirm first.

        """
        await self.deleter.store.require_marker()
        async with self.db.transaction() as session:
            await require_running(session, category, only_pending=only_pending)
            due = await list_due(
                session, category, now=order.now, after=after, limit=limit, only_pending=only_pending, lock=True
            )
            if not due:
                return None
            bound = await list_bound(session, [file.id for file in due]) if category is Category.ARCHIVES else ()
            free = [file for file in due if file.id not in bound]
            decided = decide_each(
                free, rules, order.now, trash=self.deleter.strategy.kept_when_swept(category) is not None
            )
            decided.kept.update(dict.fromkeys(bound, order.now + timedelta(days=1)))
            claims = await take(session, category, decided, order, self.deleter.strategy)
            failpoint("delete.claiming")
        failpoint("delete.claimed")
        trashed = [file for files in decided.trashed.values() for file in files]
        return ClaimedBatch(claims, trashed, due[-1].position, is_full=len(due) == limit)


async def take(
    session: AsyncSession, category: Category, decided: Decisions, order: Order, strategy: Strategy
) -> Sequence[Claim]:
    """Act on locked files as decided, in the caller's transaction; the claims are purged after its commit."""
    if decided.kept:
        await reschedule(session, decided.kept)
    claims, moved = await delete_with_runs(session, decided.deleted, order, category=category)
    kept_for = strategy.kept_when_swept(category)
    if decided.trashed and kept_for is not None:
        moved += await tombstones.move_to_trash(session, decided.trashed, order, kept_for=kept_for)
    await ledger.move(session, moved)
    return claims
