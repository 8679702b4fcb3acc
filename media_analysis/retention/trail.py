"""Reading the trail: what was deleted, and who did what, newest first and page by page."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from media_analysis.audit import Action, AuditEvent
from media_analysis.db.database import Database
from media_analysis.db.ids import made_between
from media_analysis.deletion.models import Purge
from media_analysis.files.labelled import DELETED, TombstoneLabel, leading, lists_of_deleted, meets
from media_analysis.files.models import Tombstone
from media_analysis.labels import LabelFilter
from media_analysis.retention.models import Sweep, SweepStatus
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category

PAGE: Final = 1_000


class TrailPosition(NamedTuple):
    """Where a tombstone stands in the order of deletion."""

    deleted_at: datetime
    id: UUID


# What is deleted again went, and says so, before anything came late.
_WAITING: Final = select(func.unnest(Purge.tombstone_ids)).where(
    Purge.due_at.is_not(None) | Purge.dead_at.is_not(None), ~Purge.again
)


@dataclass(frozen=True, kw_only=True)
class DeletionFilter:
    """Which deletions a list shows; None means any."""

    owner: str | None = None
    category: Category | None = None
    rule: RetentionRule | None = None
    sweep_id: UUID | None = None
    since: datetime | None = None
    before: datetime | None = None
    unpurged: bool = False
    """Whether only those are told whose bytes are still to be removed."""
    with_uploads: bool = True
    """Whether uploads that never ended are told; to their owner such a file was never there."""
    renditions: bool = False
    """Whether pictures that were kept of files are told, too."""
    labels: tuple[LabelFilter, ...] = ()
    """All of which are to be met; the list is read along the first that is wanted."""

    def conditions(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [
            column == value
            for column, value in (
                (Tombstone.owner, self.owner),
                (Tombstone.category, self.category),
                (Tombstone.rule, self.rule),
                (Tombstone.sweep_id, self.sweep_id),
            )
            if value is not None
        ]
        if self.since is not None:
            wanted.append(Tombstone.deleted_at >= self.since)
        if self.before is not None:
            wanted.append(Tombstone.deleted_at < self.before)
        if self.unpurged:
            wanted.append(Tombstone.id.in_(_WAITING))
        if not self.with_uploads:
            wanted.append(Tombstone.state != FileState.PENDING)
        if not self.renditions:
            wanted.append(Tombstone.rendition.is_(None))
        return [*wanted, *(meets(Tombstone.labels, label) for label in self.labels)]

    def of_label(self, label: LabelFilter) -> list[ColumnElement[bool]]:
        """Return which rows of labels are of what is deleted, has this label, and is as old as is asked for."""
        row = TombstoneLabel
        listed = func.label_list(self.owner or "", *DELETED, label.name)
        bounds = [(row.any_list if self.owner is None else row.own_list) == listed]
        if self.since is not None:
            bounds.append(row.deleted_at >= self.since)
        if self.before is not None:
            bounds.append(row.deleted_at < self.before)
        return bounds


@dataclass(frozen=True)
class DeletionPage:
    """Some tombstones, newest first, those among them whose bytes are gone, and where the next page begins."""

    stones: Sequence[Tombstone]
    purged: frozenset[UUID]
    next_after: TrailPosition | None


@dataclass(frozen=True, kw_only=True)
class EventFilter:
    """Which events a list shows; None means any."""

    file_id: UUID | None = None
    job_id: UUID | None = None
    sweep_id: UUID | None = None
    actor: str | None = None
    action: Action | None = None
    since: datetime | None = None
    before: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [
            column == value
            for column, value in (
                (AuditEvent.file_id, self.file_id),
                (AuditEvent.job_id, self.job_id),
                (AuditEvent.sweep_id, self.sweep_id),
                (AuditEvent.actor, self.actor),
                (AuditEvent.action, self.action),
            )
            if value is not None
        ]
        return [*wanted, *made_between(AuditEvent.id, AuditEvent.at, self.since, self.before)]


@dataclass(frozen=True)
class EventPage:
    """Some events, newest first, and where the next page begins."""

    events: Sequence[AuditEvent]
    next_before: UUID | None


@dataclass(frozen=True)
class TrailService:
    """Lists tombstones and audit events."""

    db: Database

    async def deletions(self, wanted: DeletionFilter, *, after: TrailPosition | None, limit: int) -> DeletionPage:
        """Return one page of what was deleted, newest first, older than `after`."""

        async def read() -> DeletionPage:
            labels = await lists_of_deleted(wanted.owner).rarest_first(self.db.driver.reads, wanted.labels)
            async with self.db.read_only() as session:
                stones = await list_tombstones(session, replace(wanted, labels=labels), after=after, limit=limit + 1)
                page = stones[:limit]
                purged = await list_purged(session, page)
            last = page[-1] if len(stones) > limit else None
            return DeletionPage(page, purged, None if last is None else TrailPosition(last.deleted_at, last.id))

        return await self.db.retry(read)

    async def events(self, wanted: EventFilter, *, before: UUID | None, limit: int) -> EventPage:
        """Return one page of the audit trail, newest first, older than `before`."""

        async def read() -> Sequence[AuditEvent]:
            async with self.db.read_only() as session:
                return (await session.scalars(select_events(wanted, before=before, limit=limit + 1))).all()

        events = await self.db.retry(read)
        more = len(events) > limit
        return EventPage(events[:limit], events[limit - 1].id if more else None)

    async def event_pages(self, wanted: EventFilter, *, most: int) -> AsyncGenerator[Sequence[AuditEvent]]:
        """Yield events of the audit trail, newest first and `most` at the most, in pages that each are a snapshot."""
        before = None
        while most > 0:
            page = await self.events(wanted, before=before, limit=min(most, PAGE))
            yield page.events
            most, before = most - len(page.events), page.next_before
            if before is None:
                return


async def list_tombstones(
    session: AsyncSession, wanted: DeletionFilter, *, after: TrailPosition | None, limit: int
) -> Sequence[Tombstone]:
    """Return tombstones, the latest deletion first."""
    bounds: list[ColumnElement[bool]] = []
    if wanted.sweep_id is not None:
        sweep = await session.get(Sweep, wanted.sweep_id)
        if sweep is None:
            return []
        bounds = deleted_by(sweep)
    return (await session.scalars(select_tombstones(wanted, bounds, after=after, limit=limit))).all()


def select_tombstones(
    wanted: DeletionFilter, bounds: Sequence[ColumnElement[bool]], *, after: TrailPosition | None, limit: int
) -> Select[Tombstone]:
    """Return the query of a page of tombstones; its order is that of an index."""
    query = select(Tombstone).where(*wanted.conditions(), *bounds)
    deleted_at, stone_id = Tombstone.deleted_at, Tombstone.id
    if label := leading(wanted.labels):
        # One tombstone for each label: a plan that may begin with the tombstones goes through those that have none.
        stone = query.where(Tombstone.id == TombstoneLabel.tombstone_id).offset(0).lateral()
        deleted_at, stone_id = TombstoneLabel.deleted_at, TombstoneLabel.tombstone_id
        query = select(aliased(Tombstone, stone)).select_from(TombstoneLabel).join(stone, true())
        query = query.where(*wanted.of_label(label))
    if after is not None:
        query = query.where(tuple_(deleted_at, stone_id) < tuple_(after.deleted_at, after.id))
    return query.order_by(deleted_at.desc(), stone_id.desc()).limit(limit)


def deleted_by(sweep: Sweep) -> list[ColumnElement[bool]]:
    """Return when the files that a sweep took were deleted, so that an index finds them.

    While it ran; what it sent to the trash, or may have before it was killed, at any time since.
    """
    since = [Tombstone.deleted_at >= sweep.started_at]
    told_all = sweep.status not in {SweepStatus.RUNNING, SweepStatus.FAILED} and sweep.ended_at is not None
    if not told_all or any(tally.get("files_trashed") for tally in sweep.categories.values()):
        return since
    return [*since, Tombstone.deleted_at <= max(sweep.started_at, sweep.ended_at or sweep.started_at)]


async def list_purged(session: AsyncSession, stones: Sequence[Tombstone]) -> frozenset[UUID]:
    """Return the ids of the tombstones whose bytes are gone; an entry of the outbox ends only after they are."""
    entries = {stone.purge_id for stone in stones}
    query = select(Purge.id).where(Purge.id.in_(entries), Purge.confirmed_at.is_(None))
    unfinished = frozenset((await session.scalars(query)).all()) if entries else frozenset()
    return frozenset(stone.id for stone in stones if stone.purged_at is not None or stone.purge_id not in unfinished)


def select_events(wanted: EventFilter, *, before: UUID | None, limit: int) -> Select[AuditEvent]:
    """Return the query of a page of events; its order is that of an index."""
    query = select(AuditEvent).where(*wanted.conditions())
    if before is not None:
        query = query.where(AuditEvent.id < before)
    return query.order_by(AuditEvent.id.desc()).limit(limit)
