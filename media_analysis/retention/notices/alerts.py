"""Alerts: the same conditions as the Prometheus rules, told through the webhook when they begin and when they end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from sqlalchemy import delete, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.deletion.models import Pause, PauseCause
from media_analysis.deletion.pauses import list_pauses
from media_analysis.replication.status import ReplicaLag
from media_analysis.replication.suite import ReplicationServices
from media_analysis.retention.duties import DutyService, Punctuality
from media_analysis.retention.models import Notice, Sweep, SweepStatus
from media_analysis.retention.notices.service import add_notices
from media_analysis.retention.status import Backlog, StatusService, StorageStats
from media_analysis.storage.category import SCRATCH

QUOTA_SHARE: Final = 0.8
LAG: Final = timedelta(hours=26)
"""Two ticks of the rarest schedule would be 48 h; one missed daily tick and a margin is late enough to tell."""
RECENT: Final = timedelta(hours=24)
MASS_FILES: Final = 20
MASS_SHARE: Final = 0.25
"""From which share of a category on deletions by requests within an hour are worth a look, and from how many."""
ARCHIVE_LAG: Final = timedelta(days=2)
_LOST: Final = frozenset({"archive_damaged", "object_damaged", "object_missing"})

Firing = Mapping[str, Mapping[str, Any]]
"""Facts of each alert that holds, by topic."""


class ArchiveState(Protocol):
    """How archiving stands, as the layer that archives tells it."""

    @property
    def failures(self) -> Mapping[tuple[str, str], int]:
        """Runs whose archiving or restoring failed of late, by kind and reason."""
        ...

    @property
    def damaged(self) -> int: ...

    @property
    def oldest_due_seconds(self) -> float: ...


class ArchiveWatch(Protocol):
    """Whoever can say how archiving stands."""

    async def read(self, *, now: datetime | None = None) -> ArchiveState: ...


@dataclass(frozen=True)
class AlertService:
    """Compares what holds now with what was told."""

    db: Database
    status: StatusService
    archives: ArchiveWatch | None = None
    replication: ReplicationServices | None = None

    @retried
    async def check(self, *, now: datetime | None = None) -> Firing:
        """Tell of every alert that began or ended since the last check; return those that hold."""
        moment = now or await self.db.now()
        stats, backlog = await self.status.stats(owner=None), await self.status.backlog(now=now)
        archives = None if self.archives is None else await self.archives.read(now=now)
        replica = await self._replica()
        duties = await DutyService(self.db).list(now=now)
        async with self.db.transaction() as session:
            # One process compares at a time: two would tell the same end twice.
            await session.execute(text("SELECT pg_advisory_xact_lock(hashtext('media-analysis alerts'))"))
            pauses = await list_pauses(session, is_open=True)
            failed = await _list_failed(session, since=moment - RECENT)
            of_deletion = [
                *_of_damage(backlog.damaged),
                *_of_duties(duties),
                *_of_deletion(backlog),
                *_of_requests(backlog),
                *_of_pauses(pauses),
                *_of_sweeps(failed),
            ]
            of_space = _of_space(stats, self.status.alert_free_percent)
            firing = dict([*of_space, *of_deletion, *_of_archives(archives), *replica])
            await add_notices(
                session, {topic: {"status": "firing", **facts} for topic, facts in firing.items()}, now=moment
            )
            await _tell_ended(session, firing, now=moment)
        return firing

    async def _replica(self) -> Sequence[tuple[str, dict[str, Any]]]:
        if self.replication is None:
            return ()
        lag, after = await self.replication.status.lag(), self.replication.chosen.alert_lag.total_seconds()
        return [*_of_replica(lag, self.replication.store.replica.away_because, late_after_seconds=after)]

    async def list(self) -> Sequence[Mapping[str, Any]]:
        """Return the facts of every alert that held when they were last compared, oldest first."""
        query = select(Notice.payload).where(Notice.topic.startswith("alert:")).order_by(Notice.created_at, Notice.id)
        async with self.db.read_only() as session:
            return (await session.scalars(query)).all()


def _alert(name: str, scope: str, summary: str, **facts: Any) -> tuple[str, dict[str, Any]]:
    return f"alert:{name}:{scope}", {"kind": "alert", "alert": name, "scope": scope, "summary": summary, **facts}


def _of_space(stats: StorageStats, free_percent: float) -> Iterator[tuple[str, dict[str, Any]]]:
    free, total = stats.capacity.free_bytes, stats.capacity.total_bytes
    if total and 100 * free < free_percent * total:
        yield _alert("disk_almost_full", "disk", f"less than {free_percent:g} % of the disk is free")
    for category, usage in stats.usage.items():
        quota = stats.quotas.get(category)
        used = usage.size_bytes + usage.reserved_bytes
        if quota and used > QUOTA_SHARE * quota:
            summary = f"{category.value} uses more than {QUOTA_SHARE:.0%} of its quota"
            yield _alert("quota_almost_full", category.value, summary, quota_bytes=quota)


def _of_damage(files: int) -> Iterator[tuple[str, dict[str, Any]]]:
    if files:
        yield _alert("files_damaged", "store", "the store does not hold what it should of some files", files=files)


def _of_duties(duties: Sequence[Punctuality]) -> Iterator[tuple[str, dict[str, Any]]]:
    for duty in duties:
        if duty.is_late:
            yield _alert("duty_late", duty.name, f"the scheduled duty {duty.name} is not done", error=duty.error)


def _of_deletion(backlog: Backlog) -> Iterator[tuple[str, dict[str, Any]]]:
    if backlog.dead_letters:
        yield _alert("dead_letters", "outbox", "deletions were given up after repeated failures")
    for category, lag_seconds in backlog.lag_seconds.items():
        if lag_seconds > LAG.total_seconds():
            yield _alert("deletion_late", category.value, f"{category.value} is swept later than it should be")


def _of_requests(backlog: Backlog) -> Iterator[tuple[str, dict[str, Any]]]:
    for category, (files, of_files) in backlog.requested.items():
        if category not in SCRATCH and files >= MASS_FILES and files > MASS_SHARE * of_files:
            summary = f"{files} of {of_files} files of {category.value} were deleted by requests within an hour"
            yield _alert("mass_deletion", category.value, summary, files=files)


def _of_pauses(pauses: Sequence[Pause]) -> Iterator[tuple[str, dict[str, Any]]]:
    for pause in pauses:
        scope = "all" if pause.category is None else pause.category.value
        yield _alert(_name_of(pause.cause), scope, pause.reason, pause_id=str(pause.id), files=pause.files)


def _name_of(cause: PauseCause) -> str:
    if cause.stops_evictions_only:
        return "evictions_paused"
    return "deletion_paused" if cause is PauseCause.OPERATOR else "unusual_deletion_volume"


def _of_sweeps(failed: Sequence[Sweep]) -> Iterator[tuple[str, dict[str, Any]]]:
    for sweep in failed:
        yield _alert("cleanup_failed", sweep.kind, f"the last sweep failed: {sweep.error}", sweep_id=str(sweep.id))


def _of_archives(archives: ArchiveState | None) -> Iterator[tuple[str, dict[str, Any]]]:
    if archives is None:
        return
    for (kind, reason), runs in archives.failures.items():
        name = "archive_damaged" if reason in _LOST else "archive_failing"
        yield _alert(name, f"{kind}:{reason}", f"{kind} failed: {reason}", runs=runs)
    if archives.damaged:
        yield _alert("archive_damaged", "scrub", "archives are damaged or missing", archives=archives.damaged)
    if archives.oldest_due_seconds > ARCHIVE_LAG.total_seconds():
        yield _alert("archive_late", "archive", "runs wait for their archives longer than they should")


def _of_replica(
    lag: ReplicaLag, away_because: str | None, *, late_after_seconds: float
) -> Iterator[tuple[str, dict[str, Any]]]:
    if away_because is not None:
        yield _alert("replica_away", "replica", f"the replica is away, and deletions wait for it: {away_because}")
    if lag.seconds > late_after_seconds:
        summary = "files wait longer for their replica than they should"
        yield _alert("replica_late", "replica", summary, files=lag.files, size_bytes=lag.size_bytes)


_LAST_OF_KINDS = text("""
    SELECT DISTINCT ON (kind) id FROM sweeps WHERE NOT dry_run AND started_at > :since AND status <> 'running'
    ORDER BY kind, started_at DESC
""")


async def _list_failed(session: AsyncSession, *, since: datetime) -> Sequence[Sweep]:
    latest = (await session.execute(_LAST_OF_KINDS, {"since": since})).scalars().all()
    query = select(Sweep).where(Sweep.id.in_(latest), Sweep.status == SweepStatus.FAILED)
    return (await session.scalars(query)).all()


async def _tell_ended(session: AsyncSession, firing: Firing, *, now: datetime) -> None:
    told = (await session.scalars(select(Notice).where(Notice.topic.startswith("alert:")))).all()
    ended = [notice for notice in told if notice.topic not in firing]
    # An alert that nobody heard of yet needs no end either.
    heard = {f"ended:{notice.id}": {**notice.payload, "status": "resolved"} for notice in ended if notice.sent_at}
    await session.execute(delete(Notice).where(Notice.id.in_([notice.id for notice in ended])))
    await add_notices(session, heard, now=now)
