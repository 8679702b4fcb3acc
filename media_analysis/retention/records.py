"""What is remembered of sweeps, in the shape operators know."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.retention.models import Sweep, SweepStatus, SweepTrigger
from media_analysis.storage.category import Category

END_SWEEPS: Final = "DELETE FROM sweeps"
ABANDONED_CRON: Final = "*/15 * * * *"
"""When uploads that were given up, and bytes a crash left on the outbox, go, whatever the category's schedule."""
INTERRUPTED_AFTER: Final = timedelta(hours=6)
"""A sweep still marked running after this long lost its process."""


@dataclass(frozen=True, kw_only=True)
class SweepRequest:
    """Which sweep is wanted, by whom, and for which tick of the schedule."""

    categories: Sequence[Category] = tuple(Category)
    dry_run: bool = False
    only_pending: bool = False
    """Only uploads that were given up, whatever else is due."""
    trigger: SweepTrigger
    actor: str
    slot: datetime | None = None

    @property
    def kind(self) -> str:
        scope = "+".join(sorted(category.value for category in self.categories))
        return f"{'abandoned' if self.only_pending else 'cleanup'}:{scope}"


@dataclass
class CategoryTally:
    """What happened in one category."""

    files_removed: int = 0
    bytes_freed: int = 0
    files_trashed: int = 0
    bytes_trashed: int = 0
    errors: int = 0

    def add(self, files: int, size_bytes: int) -> None:
        """Count what went for good."""
        self.files_removed += files
        self.bytes_freed += size_bytes

    def add_trashed(self, files: int, size_bytes: int) -> None:
        """Count what went to the trash, which frees nothing yet."""
        self.files_trashed += files
        self.bytes_trashed += size_bytes

    def facts(self) -> dict[str, int]:
        return asdict(self)


@dataclass
class SweepReport:
    """A sweep's outcome; for a dry run, what a real one would have done."""

    id: UUID
    dry_run: bool
    started_at: datetime
    categories: Sequence[Category]
    status: SweepStatus = SweepStatus.RUNNING
    ended_at: datetime | None = None
    error: str | None = None
    policy_version: str | None = None
    plan_id: UUID | None = None
    paused: dict[Category, str] = field(default_factory=dict)
    """Categories that were left alone, and why."""
    details: dict[str, Any] = field(default_factory=dict)
    tallies: dict[Category, CategoryTally] = field(default_factory=dict)
    results: int = 0
    """Documents whose time was over."""
    jobs: int = 0
    """Runs that were over, with nothing left of them."""

    def __post_init__(self) -> None:
        self.tallies = {category: CategoryTally() for category in self.categories}

    def of(self, category: Category) -> CategoryTally:
        return self.tallies.setdefault(category, CategoryTally())

    @property
    def files(self) -> int:
        return sum(tally.files_removed for tally in self.tallies.values())

    @property
    def size_bytes(self) -> int:
        return sum(tally.bytes_freed for tally in self.tallies.values())

    @property
    def files_trashed(self) -> int:
        return sum(tally.files_trashed for tally in self.tallies.values())

    @property
    def bytes_trashed(self) -> int:
        return sum(tally.bytes_trashed for tally in self.tallies.values())

    @property
    def errors(self) -> int:
        return sum(tally.errors for tally in self.tallies.values())

    def facts(self) -> dict[str, Any]:
        return {
            "status": self.status.value,
            "dry_run": self.dry_run,
            "files": self.files,
            "size_bytes": self.size_bytes,
            "files_trashed": self.files_trashed,
            "errors": self.errors,
            "results": self.results,
            "jobs": self.jobs,
            "policy_version": self.policy_version,
        }

    def all_details(self) -> dict[str, Any]:
        """Return what the row keeps beside its columns."""
        paused = {category.value: reason for category, reason in self.paused.items()}
        beside = {"paused": paused, "results": self.results, "jobs": self.jobs}
        return {**self.details, **{name: told for name, told in beside.items() if told}}


async def add_sweep(session: AsyncSession, report: SweepReport, request: SweepRequest) -> bool:
    """Record that a sweep begins; False when this kind already has one for the slot."""
    statement = insert(Sweep).values(
        id=report.id,
        kind=request.kind,
        slot=request.slot,
        trigger=request.trigger,
        requested_by=request.actor,
        dry_run=request.dry_run,
        status=SweepStatus.RUNNING,
        started_at=report.started_at,
        files=0,
        size_bytes=0,
        errors=0,
        policy_version=report.policy_version,
        plan_id=report.plan_id,
    )
    claimed = statement.on_conflict_do_nothing(
        index_elements=["kind", "slot"], index_where=text("slot IS NOT NULL")
    ).returning(Sweep.id)
    if (await session.execute(claimed)).one_or_none() is None:
        return False
    lost = update(Sweep).where(
        Sweep.status == SweepStatus.RUNNING, Sweep.started_at < report.started_at - INTERRUPTED_AFTER
    )
    await session.execute(lost.values(status=SweepStatus.FAILED, ended_at=report.started_at, error="interrupted"))
    return True


async def mark_ended(session: AsyncSession, report: SweepReport) -> None:
    """Record how a sweep ended."""
    await session.execute(
        update(Sweep)
        .where(Sweep.id == report.id)
        .values(
            status=report.status,
            ended_at=report.ended_at,
            files=report.files,
            size_bytes=report.size_bytes,
            errors=report.errors,
            categories={category.value: tally.facts() for category, tally in report.tallies.items()},
            error=report.error,
            details=report.all_details(),
        )
    )


async def list_sweeps(session: AsyncSession, *, limit: int) -> Sequence[Sweep]:
    """Return the latest sweeps, newest first."""
    return (await session.scalars(select(Sweep).order_by(Sweep.started_at.desc(), Sweep.id.desc()).limit(limit))).all()


async def get_sweep(session: AsyncSession, sweep_id: UUID) -> Sweep | None:
    """Return one sweep."""
    return await session.get(Sweep, sweep_id)
