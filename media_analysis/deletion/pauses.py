"""Pauses: deletion stands still, in one category or everywhere, until somebody confirms."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, Select, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.db.ids import find_ids
from media_analysis.db.instance import Instance, trust_clock
from media_analysis.deletion.models import EVICTION_CAUSES, Pause, PauseCause
from media_analysis.deletion.outbox import is_under_way
from media_analysis.errors import ConfirmationNeeded, DeletionPaused, PauseNotFound
from media_analysis.storage.category import Category

END_PAUSES: Final = "DELETE FROM pauses"
BREAKER_CAUSES: Final = (PauseCause.SHARE, PauseCause.MEDIAN)
SETTLE_SECONDS: Final = 10.0
SETTLE_LOOK_SECONDS: Final = 0.1
Observe = Callable[[PauseCause], None]
_LOCK_CLOCK: Final = select(Instance.id).with_for_update()
"""Before pauses, as who doubts the clock does."""
log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class PauseFinding:
    """Why deletion should stand still: what would have gone, in numbers and in a sentence."""

    cause: PauseCause
    reason: str
    files: int = 0
    size_bytes: int = 0


async def find_pause(session: AsyncSession, category: Category, *, evicting: bool = False) -> Pause | None:
    """Return the first pause in the way of what is due in a category, or of `evicting` from it."""
    return await _find(session, _in_the_way_of(category, evicting=evicting))


async def find_clock_pause(session: AsyncSession) -> Pause | None:
    """Return the open pause that a distrusted clock left, if there is one."""
    return await _find(session, Pause.cause == PauseCause.CLOCK)


def _in_the_way_of(category: Category, *, evicting: bool = False) -> ColumnElement[bool]:
    stands = or_(Pause.category == category, Pause.category.is_(None))
    return stands if evicting else stands & Pause.cause.not_in(EVICTION_CAUSES)


async def _find(session: AsyncSession, stands: ColumnElement[bool]) -> Pause | None:
    query = select(Pause).where(Pause.resumed_at.is_(None), stands).order_by(Pause.paused_at, Pause.id).limit(1)
    return (await session.scalars(query)).one_or_none()


async def require_running(
    session: AsyncSession, category: Category, *, only_pending: bool = False, evicting: bool = False
) -> None:
    """Return if deletion of what is due, or `evicting`, may go on in a category.

    Uploads that were given up hold nothing anybody was promised, and what they reserve would fill the quota:
    `only_pending` lets them go whatever the breaker thinks of the rest, but not against an operator or a distrusted
    clock, by which they might not even be over.

    Raises:
        DeletionPaused: it may not.

    """
    stands = _in_the_way_of(category, evicting=evicting)
    if only_pending:
        stands &= Pause.cause.not_in(BREAKER_CAUSES)
    pause = await _find(session, stands)
    if pause is not None:
        raise DeletionPaused(category.value, pause_id=pause.id, reason=pause.reason)


async def list_pauses(session: AsyncSession, *, is_open: bool | None, limit: int = 500) -> Sequence[Pause]:
    """Return pauses, latest first: those that are open, those that ended, or both."""
    query = select(Pause).order_by(Pause.paused_at.desc(), Pause.id.desc()).limit(limit)
    if is_open is not None:
        query = query.where(Pause.resumed_at.is_(None) if is_open else Pause.resumed_at.is_not(None))
    return (await session.scalars(query)).all()


async def add_pause(session: AsyncSession, category: Category | None, finding: PauseFinding, *, by: str) -> Pause:
    """Stop deletion in a category, or everywhere, from this transaction's commit on."""
    statement = insert(Pause).values(id=uuid7(), category=category, **vars(finding), paused_at=func.now(), paused_by=by)
    pause = (await session.scalars(statement.returning(Pause))).one()
    await add_events(session, [_act(pause, Action.PAUSED, by, reason=pause.reason)])
    return pause


async def add_confirmation(session: AsyncSession, category: Category, finding: PauseFinding, *, by: str) -> None:
    """Note that somebody let so many files go before anything stopped them: a pause that ends as it begins."""
    await _end(session, [await add_pause(session, category, finding, by=by)], by=by)


def tell(pause: Pause) -> None:
    """Log, once it is committed, that deletion stands still."""
    log.warning(
        "eviction.paused" if pause.cause.stops_evictions_only else "deletion.paused",
        pause_id=str(pause.id),
        category=None if pause.category is None else pause.category.value,
        cause=pause.cause.value,
        reason=pause.reason,
        files=pause.files,
        paused_by=pause.paused_by,
    )


@dataclass(frozen=True)
class PauseService:
    """Lets operators stop deletion, and let it go on after they confirmed what will go."""

    db: Database
    settle_seconds: float = SETTLE_SECONDS
    """How long at most a pause waits for what was being unlinked when it began."""

    async def pause(self, *, category: Category | None, reason: str, by: str) -> Pause:
        """Stop deletion in a category, or everywhere: from when this returns on no stored byte is removed there.

        A sweep under way stops before its next batch; this waits for the one it is at, for `settle_seconds` at most:
        what takes longer, and was gone for everybody before the pause, is logged. What is deleted by request
        meanwhile is gone for everybody, and its bytes wait for the pause to end.
        """
        pause = await self._add(category, reason=reason, by=by)
        tell(pause)
        if not await self._settle(category):
            log.warning("pause.unsettled", pause_id=str(pause.id), waited_seconds=self.settle_seconds)
        return pause

    @retried
    async def _add(self, category: Category | None, *, reason: str, by: str) -> Pause:
        async with self.db.transaction() as session:
            return await add_pause(session, category, PauseFinding(cause=PauseCause.OPERATOR, reason=reason), by=by)

    async def _settle(self, category: Category | None) -> bool:
        """Wait for what is being unlinked; say whether that is over."""
        ends_at = time.monotonic() + self.settle_seconds
        while time.monotonic() < ends_at:
            async with self.db.read_only() as session:
                if not await is_under_way(session, category):
                    return True
            await asyncio.sleep(SETTLE_LOOK_SECONDS)
        return False

    @retried
    async def resume(self, pause_id: UUID, *, confirm: int | None, by: str) -> Pause:
        """End a pause; `confirm` is the number of files it named. One that ended already is returned as it is.

        Raises:
            PauseNotFound: there is none of this id.
            ConfirmationNeeded: the number is another one.

        """
        async with self.db.transaction() as session:
            await session.execute(_LOCK_CLOCK)
            pause = (await session.scalars(_locked(Pause.id == pause_id))).one_or_none()
            if pause is None:
                raise PauseNotFound(pause_id)
            if pause.resumed_at is not None:
                return pause
            _require_confirmation([pause], confirm)
            (resumed,) = await _end(session, [pause], by=by)
        return resumed

    @retried
    async def resume_all(self, *, confirm: int | None, by: str) -> Sequence[Pause]:
        """End every open pause; `confirm` is the number of files they name together.

        Raises:
            ConfirmationNeeded: the number is another one.

        """
        async with self.db.transaction() as session:
            await session.execute(_LOCK_CLOCK)
            pauses = (await session.scalars(_locked(Pause.resumed_at.is_(None)))).all()
            if not pauses:
                return []
            _require_confirmation(pauses, confirm)
            return await _end(session, pauses, by=by)

    async def find(self, digits: str, *, limit: int) -> Sequence[UUID]:
        """Return the ids of pauses that begin or end with these hexadecimal digits."""
        async with self.db.read_only() as session:
            return await find_ids(session, Pause.id, digits, limit=limit)

    async def list(self, *, is_open: bool | None = None, limit: int = 500) -> Sequence[Pause]:
        """Return pauses, latest first: those that are open, those that ended, or both."""
        async with self.db.read_only() as session:
            return await list_pauses(session, is_open=is_open, limit=limit)


def _locked(which: ColumnElement[bool]) -> Select[Pause]:
    return select(Pause).where(which).order_by(Pause.id).with_for_update()


def _require_confirmation(pauses: Sequence[Pause], confirm: int | None) -> None:
    files = sum(pause.files for pause in pauses)
    if confirm != files:
        raise ConfirmationNeeded(confirm=str(files), reason=f"resuming lets {files} files go that a pause names")


async def mark_weighed(session: AsyncSession, pause: Pause, *, files: int, size_bytes: int, reason: str) -> None:
    """Write down what an open pause keeps from going, and its reason."""
    pause.files, pause.size_bytes, pause.reason = files, size_bytes, reason
    weighed = {"files": files, "size_bytes": size_bytes, "reason": reason}
    await session.execute(update(Pause).where(Pause.id == pause.id, Pause.resumed_at.is_(None)).values(weighed))


async def _end(session: AsyncSession, pauses: Sequence[Pause], *, by: str) -> Sequence[Pause]:
    ended = update(Pause).where(Pause.id.in_([pause.id for pause in pauses]))
    ended = ended.values(resumed_at=func.now(), resumed_by=by)
    rows = (await session.scalars(ended.returning(Pause), execution_options={"populate_existing": True})).all()
    if any(pause.cause is PauseCause.CLOCK for pause in rows):
        # Whoever confirms a clock says that it is right now, whichever way it jumped.
        await trust_clock(session)
    await add_events(session, [_act(pause, Action.RESUMED, by) for pause in rows])
    return rows


def _act(pause: Pause, action: Action, by: str, *, reason: str | None = None) -> Act:
    details = {
        "pause_id": str(pause.id),
        "category": None if pause.category is None else pause.category.value,
        "cause": pause.cause.value,
        "files": pause.files,
        "size_bytes": pause.size_bytes,
    }
    return Act(actor=by, action=action, reason=reason, details=details)
