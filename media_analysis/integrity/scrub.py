"""The scrub: every object is read again and again, in rounds that resume, so that rot is found before it is needed."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Mapped, mapped_column
from uuid_utils.compat import uuid7

from media_analysis.db.base import Base
from media_analysis.db.database import Database, retried
from media_analysis.failpoints import failpoint
from media_analysis.files.damage import SHOWN_BY_OPENING, clear_damage, mark_damaged
from media_analysis.files.transitions import mark_hashed
from media_analysis.integrity.inspection import (
    BEFORE_ALL,
    Finding,
    Inspector,
    ReadThrottle,
    TrackedFile,
    list_tracked,
)
from media_analysis.integrity.replicas import ReplicaInspector
from media_analysis.replication.claiming import copy_again
from media_analysis.storage.hashing import DIFFERS
from media_analysis.storage.store import ObjectStore

END_SCRUBS: Final = "DELETE FROM scrubs"
PAGE: Final = 200
SAVE_EVERY: Final = timedelta(seconds=15)
# What a finding's sentence begins with; other errors of a file are not the scrub's to clear.
_OURS: Final = (*SHOWN_BY_OPENING, DIFFERS, "cannot be read")
ACTOR: Final = "scrub"


class ScrubRound(Base):
    """One round of reading every object again; the open one resumes where it stood."""

    __tablename__ = "scrubs"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    position: Mapped[UUID | None]
    """The last file it read; rounds go by id, so the next one is the one read longest ago."""
    files: Mapped[int] = mapped_column(default=0)
    size_bytes: Mapped[int] = mapped_column(default=0)
    problems: Mapped[int] = mapped_column(default=0)


@dataclass(frozen=True, slots=True)
class ScrubReport:
    """What one run read, and whether it came to the end of its round."""

    id: UUID | None
    files: int = 0
    size_bytes: int = 0
    problems: int = 0
    ended: bool = False


@dataclass
class _Stretch:
    """Files read since the last time progress was saved."""

    files: list[TrackedFile] = field(default_factory=list)
    findings: dict[UUID, Finding] = field(default_factory=dict)
    hashes: list[tuple[UUID, int, bytes]] = field(default_factory=list)
    lost_replicas: Mapping[UUID, str] = field(default_factory=dict)
    """What is wrong with replicas."""

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def disproved(self) -> Mapping[UUID, str]:
        """What was found wrong before of files that are whole."""
        whole = (file for file in self.files if file.id not in self.findings)
        return {file.id: file.last_error for file in whole if file.last_error and file.last_error.startswith(_OURS)}


@dataclass(frozen=True, slots=True)
class _Round:
    id: UUID
    position: UUID


# One round is open at a time, however many processes begin one together.
_LOCK_ROUNDS = text("SELECT pg_advisory_xact_lock(hashtextextended('media-analysis.scrub', 0))")
_OPEN_ROUND = text("SELECT id, position FROM scrubs WHERE ended_at IS NULL ORDER BY id DESC LIMIT 1")
_BEGIN = text("""
    INSERT INTO scrubs (id, started_at, files, size_bytes, problems)
    VALUES (:id, coalesce(CAST(:now AS timestamptz), now()), 0, 0, 0)
""")
_ADVANCE = text("""
    UPDATE scrubs SET position = :last, files = files + :files, size_bytes = size_bytes + :size_bytes,
        problems = problems + :problems
    WHERE id = :id AND ended_at IS NULL AND coalesce(position, :before_all) = :position RETURNING id
""")
_END = text("""
    UPDATE scrubs SET ended_at = coalesce(CAST(:now AS timestamptz), now())
    WHERE id = :id AND ended_at IS NULL AND coalesce(position, :before_all) = :position
""")


@dataclass(frozen=True)
class ScrubService:
    """Reads objects in the order of their ids, oldest round first, within a rate and a budget."""

    db: Database
    store: ObjectStore
    bytes_per_second: int | None = None
    budget: timedelta | None = None
    """Looked at between files: one that was begun is read to its end."""
    clock: Callable[[], float] = time.monotonic

    async def run(self, *, now: datetime | None = None) -> ScrubReport:
        """Go on with the open round, or begin one, until its end or that of the budget.

        A crash loses what was read since progress was last saved; it is read again. When another process went on
        with the round meanwhile, this one leaves it to that.

        Raises:
            MarkerMismatch: this is not the database's store.

        """
        await self.store.require_marker()
        inspector = Inspector(self.db, self.store, throttle := ReadThrottle(self.bytes_per_second))
        replicas = ReplicaInspector(self.db, self.store, throttle)
        ends_at = None if self.budget is None else self.clock() + self.budget.total_seconds()
        at, report = await self._open_round(now), ScrubReport(None)
        while ends_at is None or self.clock() < ends_at:
            files = await self._list(at)
            if not files:
                await self._end(at, now)
                return _plus(report, at, None, ended=True)
            stretch = await self._read(inspector, files, ends_at)
            stretch.findings = dict(await inspector.confirm(stretch.findings, read=True))
            stretch.lost_replicas = await replicas.find_lost(stretch.files)
            failpoint("scrub.read")
            if not await self._save(at, stretch):
                return report
            report = _plus(report, at, stretch)
            at = _Round(at.id, stretch.files[-1].id)
        return _plus(report, at, None)

    async def _list(self, at: _Round) -> Sequence[TrackedFile]:
        async with self.db.read_only() as session:
            return await list_tracked(session, after=at.position, limit=PAGE)

    async def _read(self, inspector: Inspector, files: Sequence[TrackedFile], ends_at: float | None) -> _Stretch:
        """Read files until they, the time between two saves or the budget end; at least one."""
        stretch = _Stretch()
        amiss = await inspector.look(files)
        save_at = self.clock() + SAVE_EVERY.total_seconds()
        stop_at = save_at if ends_at is None else min(save_at, ends_at)
        for file in files:
            outcome = amiss.get(file.id) or await inspector.read(file)
            stretch.files.append(file)
            if isinstance(outcome, Finding):
                stretch.findings[file.id] = outcome
            elif file.sha256 is None:
                stretch.hashes.append((file.id, file.size_bytes, outcome))
            if self.clock() >= stop_at:
                break
        return stretch

    @retried
    async def _open_round(self, now: datetime | None) -> _Round:
        async with self.db.transaction() as session:
            await session.execute(_LOCK_ROUNDS)
            found = (await session.execute(_OPEN_ROUND)).one_or_none()
            if found is not None:
                return _Round(found.id, found.position or BEFORE_ALL)
            made: UUID = uuid7()
            await session.execute(_BEGIN, {"id": made, "now": now})
            return _Round(made, BEFORE_ALL)

    @retried
    async def _save(self, at: _Round, stretch: _Stretch) -> bool:
        """Write down what a stretch found and how far the round is; False when somebody else was faster."""
        async with self.db.transaction() as session:
            progress = {
                "id": at.id,
                "position": at.position,
                "before_all": BEFORE_ALL,
                "last": stretch.files[-1].id,
                "files": len(stretch.files),
                "size_bytes": stretch.size_bytes,
                "problems": len(stretch.findings),
            }
            if (await session.execute(_ADVANCE, progress)).one_or_none() is None:
                return False
            await mark_hashed(session, stretch.hashes)
            sentences = {file_id: finding.sentence for file_id, finding in stretch.findings.items()}
            await mark_damaged(session, sentences, actor=ACTOR)
            await clear_damage(session, stretch.disproved)
            await copy_again(session, stretch.lost_replicas)
            failpoint("scrub.saving")
        return True

    @retried
    async def _end(self, at: _Round, now: datetime | None) -> None:
        async with self.db.transaction() as session:
            ending = {"id": at.id, "position": at.position, "before_all": BEFORE_ALL, "now": now}
            await session.execute(_END, ending)


def _plus(report: ScrubReport, at: _Round, stretch: _Stretch | None, *, ended: bool = False) -> ScrubReport:
    read = stretch or _Stretch()
    return ScrubReport(
        at.id,
        report.files + len(read.files),
        report.size_bytes + read.size_bytes,
        report.problems + len(read.findings),
        ended,
    )
