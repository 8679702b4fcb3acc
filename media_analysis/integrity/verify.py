"""Store and database walked both ways: what lacks its bytes, what lacks a row; nothing is ever deleted here."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import text

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.db.locks import locked
from media_analysis.deletion.unclaimed import TREE, list_unclaimed
from media_analysis.failpoints import failpoint
from media_analysis.files.transitions import mark_hashed
from media_analysis.integrity.inspection import (
    BEFORE_ALL,
    Finding,
    Inspector,
    Problem,
    ReadThrottle,
    TrackedFile,
    list_tracked,
)
from media_analysis.replication.claiming import copy_anew
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.replicated import ReplicatedStore
from media_analysis.storage.store import ObjectStore

PAGE: Final = 1000
MOVED_AT_ONCE: Final = 50
"""Objects moved under one lock, which every import waits for."""
SHOWN: Final = 1000
"""Findings remembered one by one; beyond it they are counted."""


@dataclass(frozen=True, kw_only=True)
class VerifyRequest:
    """What to look at, and what may be done about it."""

    actor: str
    grace: timedelta = timedelta(hours=1)
    """Untracked objects younger than this are only counted: an import by hand may be about to name them."""
    read: bool = False
    bytes_per_second: int | None = None
    quarantine: bool = False


@dataclass
class VerifyReport:
    """What was seen so far."""

    files: int = 0
    objects: int = 0
    bytes_read: int = 0
    hashed: int = 0
    """Imported files that got their hash."""
    young: int = 0
    """Untracked objects within the grace window."""
    quarantined: int = 0
    problems: Counter[Problem] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)

    def add(self, findings: Collection[Finding]) -> None:
        self.problems.update(finding.problem for finding in findings)
        self.findings.extend(list(findings)[: max(0, SHOWN - len(self.findings))])


Progress = Callable[[VerifyReport], None]

# What of an archived run lives neither by itself nor in a segment; one whose time in the trash is over ends anyway.
_RUNS = text("""
    SELECT job.id, job.folder_name, (
        SELECT count(*) FROM archived_files AS copy WHERE copy.job_id = job.id
            AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = copy.file_id)
            AND NOT EXISTS (SELECT FROM media_files AS segment WHERE segment.id = copy.archive_id)
    ) AS lost
    FROM analysis_jobs AS job WHERE job.id > :after AND job.archived_at IS NOT NULL
        AND (job.deleted_at IS NULL OR job.restorable_until > coalesce(CAST(:now AS timestamptz), now()))
    ORDER BY job.id LIMIT :limit
""")
log = structlog.get_logger()


@dataclass(frozen=True)
class VerifyService:
    """Looks at every row and every object; production never needs to, an operator may want to."""

    db: Database
    store: ObjectStore

    async def count_files(self) -> int:
        """Return about how many rows and objects a run will look at."""
        async with self.db.read_only() as session:
            return int((await session.execute(text("SELECT coalesce(sum(files), 0) FROM ledger"))).scalar_one())

    async def run(
        self, request: VerifyRequest, *, progress: Progress | None = None, now: datetime | None = None
    ) -> VerifyReport:
        """Look at all rows, then at all objects.

        Raises:
            MarkerMismatch: this is not the database's store.

        """
        await self.store.require_marker()
        report, told = VerifyReport(), progress or _nobody
        await self._walk_rows(request, report, told)
        await self._walk_runs(report, now)
        await self._walk_objects(request, report, told, now or await self.db.now())
        return report

    async def _walk_rows(self, request: VerifyRequest, report: VerifyReport, progress: Progress) -> None:
        inspector = Inspector(self.db, self.store, ReadThrottle(request.bytes_per_second))
        after: UUID = BEFORE_ALL
        while True:
            async with self.db.read_only() as session:
                files = await list_tracked(session, after=after, limit=PAGE)
            if not files:
                return
            findings = dict(await inspector.look(files))
            if request.read:
                findings |= await self._read(inspector, [file for file in files if file.id not in findings], report)
            report.add((await inspector.confirm(findings, read=request.read)).values())
            report.files += len(files)
            progress(report)
            after = files[-1].id

    async def _walk_runs(self, report: VerifyReport, now: datetime | None) -> None:
        """Look for archived runs, in the trash or not, that cannot come back: part of their archives is gone."""
        after: UUID | None = BEFORE_ALL
        while after is not None:
            async with self.db.read_only() as session:
                rows = (await session.execute(_RUNS, {"after": after, "now": now, "limit": PAGE})).all()
            report.add([_lost_run(row.folder_name, row.lost) for row in rows if row.lost])
            after = rows[-1].id if len(rows) == PAGE else None

    @retried
    async def _read(
        self, inspector: Inspector, files: Sequence[TrackedFile], report: VerifyReport
    ) -> Mapping[UUID, Finding]:
        findings: dict[UUID, Finding] = {}
        unhashed: list[tuple[UUID, int, bytes]] = []
        for file in files:
            outcome = await inspector.read(file)
            if isinstance(outcome, Finding):
                findings[file.id] = outcome
            elif file.sha256 is None:
                unhashed.append((file.id, file.size_bytes, outcome))
            report.bytes_read += file.size_bytes
        if unhashed:
            async with self.db.transaction() as session:
                report.hashed += await mark_hashed(session, unhashed)
        return findings

    async def _walk_objects(
        self, request: VerifyRequest, report: VerifyReport, progress: Progress, now: datetime
    ) -> None:
        newest_ns = int((now - request.grace).timestamp() * 1e9)
        async for batch in self.store.walk(PAGE):
            report.add([_unreadable(entry) for entry in batch if entry.kind is EntryKind.UNREADABLE])
            objects = [entry for entry in batch if entry.kind is not EntryKind.UNREADABLE]
            report.objects += len(objects)
            report.add([_misplaced(entry) for entry in objects if entry.is_misplaced])
            untracked = await self._list_untracked([entry for entry in objects if not entry.is_misplaced])
            old = [entry for entry in untracked if entry.modified_ns <= newest_ns]
            report.young += len(untracked) - len(old)
            report.add([_untracked(entry) for entry in old])
            if request.quarantine:
                await self._quarantine([entry for entry in old if entry.sayable], request, report, now)
            progress(report)

    async def _list_untracked(self, entries: Sequence[Entry]) -> Sequence[Entry]:
        """Return what nobody knows and still lies there.

        Whatever lay there when it was walked had its row committed before its name was made (design law 3), so a
        later look finds the row, or the tombstone it became; if its purge is over by then, the object is gone too.
        """
        async with self.db.read_only() as session:
            unclaimed = set(await list_unclaimed(session, [entry.name for entry in entries if entry.sayable]))
        suspects = [entry for entry in entries if entry.name in unclaimed or not entry.sayable]
        still = await self.store.look_up([entry.name for entry in suspects])
        return [entry for entry, found in zip(suspects, still, strict=True) if found is not None]

    async def _quarantine(
        self, entries: Sequence[Entry], request: VerifyRequest, report: VerifyReport, now: datetime
    ) -> None:
        sizes = {entry.name: entry.size_bytes for entry in entries}
        keys = list(sizes)
        for start in range(0, len(keys), MOVED_AT_ONCE):
            report.quarantined += await self._set_aside(keys[start : start + MOVED_AT_ONCE], request, sizes, now.date())

    async def _set_aside(self, keys: Sequence[str], request: VerifyRequest, sizes: Mapping[str, int], day: date) -> int:
        # An upload commits its row before it makes the name, so a second look after the walk is enough for
        # uploads; imports import names that exist, and wait for this lock instead.
        async with locked(self.db, TREE) as lock:
            async with self.db.read_only() as session:
                unclaimed = await list_unclaimed(session, keys)
            moved = await self.store.set_aside(unclaimed, day=day, require_held=lock.require)
        # A crash before the commit leaves objects in quarantine without an event; their path says it all.
        failpoint("quarantine.recording")
        await self._record_aside(_acts(request, moved, sizes))
        if isinstance(self.store, ReplicatedStore):  # which may be a bucket; no import waits for it
            for key, reason in (await self.store.delete_replicas(list(moved))).items():
                log.warning("replica.kept", key=key, reason=reason)
            await self._copy_anew(list(moved))
        return len(moved)

    @retried
    async def _copy_anew(self, keys: Sequence[str]) -> None:
        """Have what was put back meanwhile, and imported where it lies, copied once more."""
        async with self.db.transaction() as session:
            await copy_anew(session, keys)

    @retried
    async def _record_aside(self, acts: Sequence[Act]) -> None:
        async with self.db.transaction() as session:
            await add_events(session, acts)


def _nobody(_: VerifyReport) -> None:
    return


def _lost_run(folder_name: str, files: int) -> Finding:
    return Finding(Problem.RUN_LOST, folder_name, f"{files} of its archived files lie in no archive any more")


def _unreadable(entry: Entry) -> Finding:
    return Finding(Problem.UNREADABLE, entry.name, f"cannot be read ({entry.reason})")


def _untracked(entry: Entry) -> Finding:
    return Finding(Problem.UNTRACKED, entry.name, f"{entry.kind.value} of {entry.size_bytes} bytes that no row names")


def _misplaced(entry: Entry) -> Finding:
    sentence = (
        f"{entry.kind.value} of {entry.size_bytes} bytes below the wrong root: "
        "archives lie below the base path of archives, everything else below that of the store"
    )
    return Finding(Problem.UNTRACKED, entry.name, sentence)


def _acts(request: VerifyRequest, moved: Mapping[str, str], sizes: Mapping[str, int]) -> Sequence[Act]:
    about = {key: {"key": key, "moved_to": place, "size_bytes": sizes[key]} for key, place in moved.items()}
    return [Act(actor=request.actor, action=Action.QUARANTINED, details=details) for details in about.values()]
