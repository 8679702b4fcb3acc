"""From what is to run to jobs: as many as fit, owner by owner, each once."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import structlog
from sqlalchemy import text

from media_analysis.analysis.kinds import Kind
from media_analysis.columns import living
from media_analysis.db.database import Database, retried
from media_analysis.errors import SourceUnusable, TooManyJobs
from media_analysis.failpoints import failpoint
from media_analysis.jobs.automatic.load import MOST_OF_OWNER, Load, read_load
from media_analysis.jobs.automatic.models import AnalysisReason
from media_analysis.jobs.control import ControlService, NewJob
from media_analysis.storage.store import ObjectStore

MOST: Final = 100
MOST_OF_ONE: Final = 10
"""Of one owner at once."""
PRIORITY: Final = -50
"""Behind whatever its owner asks for."""
LEASE_SECONDS: Final = 60.0
PAUSE_SECONDS: Final = 30.0
"""Until what has to wait is looked at again."""
LONGEST_WAIT: Final = timedelta(days=1)
log = structlog.get_logger()

# Of each owner the first few: who brings ten thousand files at once keeps nobody waiting. Each step reads one index.
CLAIM: Final = text(f"""
    WITH RECURSIVE owners AS (
        (SELECT owner FROM upload_analyses WHERE due_at IS NOT NULL ORDER BY owner LIMIT 1)
        UNION ALL
        SELECT (
            SELECT owner FROM upload_analyses WHERE due_at IS NOT NULL AND owner > owners.owner ORDER BY owner LIMIT 1
        ) FROM owners WHERE owners.owner IS NOT NULL
    ), claimed AS (
        SELECT first.place FROM owners CROSS JOIN LATERAL (
            SELECT ctid AS place FROM upload_analyses
            WHERE owner = owners.owner AND due_at <= now()
            ORDER BY due_at LIMIT :each FOR UPDATE SKIP LOCKED
        ) AS first LIMIT :most
    ), leased AS (
        UPDATE upload_analyses AS analysis SET due_at = now() + make_interval(secs => :lease_seconds)
        WHERE ctid = ANY(ARRAY(SELECT place FROM claimed))
        RETURNING analysis.*
    )
    SELECT leased.file_id, leased.kind, leased.owner, leased.job_id, leased.reason, file.filename, file.labels,
        leased.created_at < now() - CAST(:longest AS interval) AS is_overdue,
        EXISTS (SELECT FROM analysis_jobs AS job WHERE job.id = leased.job_id) AS has_job
    FROM leased LEFT JOIN media_files AS file
        ON file.id = leased.file_id AND file.state = 'stored' AND {living("file.expires_at", "now()")}
    ORDER BY leased.created_at, leased.file_id, leased.kind
""")  # noqa: S608 - constants
_SETTLE: Final = text("""
    UPDATE upload_analyses AS analysis SET made = settled.made, reason = settled.reason,
        due_at = CASE WHEN settled.waits THEN now() + make_interval(secs => :pause_seconds) END,
        ended_at = CASE WHEN NOT settled.waits THEN now() END
    FROM unnest(CAST(:file_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:made AS boolean[]), CAST(:waits AS boolean[]),
        CAST(:reasons AS text[])) AS settled(file_id, kind, made, waits, reason)
    WHERE analysis.file_id = settled.file_id AND analysis.kind = settled.kind AND analysis.due_at IS NOT NULL
""")


@dataclass(frozen=True, slots=True)
class StartOutcome:
    """What became of one: a job, a reason why there will be none, or one to wait for."""

    made: bool = False
    waits: bool = False
    reason: AnalysisReason | None = None


MADE: Final = StartOutcome(made=True)


@dataclass(frozen=True)
class StartingService:
    """Makes the jobs of what is due; who dies in between leaves what another process finds and does not do again."""

    db: Database
    store: ObjectStore
    control: ControlService
    kinds: Mapping[str, Kind]
    reserve_bytes: int

    async def run(self) -> int:
        """Make jobs of what is due and fits, and say why of the rest; return how many there were."""
        claimed = await self._claim()
        if claimed:
            load = await self._load({row.owner for row in claimed})
            outcomes, begun = self._judge(claimed, load)
            outcomes |= dict(zip(begun, await self._create([claimed[at] for at in begun]), strict=True))
            failpoint("analyses.started")
            await self._settle(claimed, outcomes)
        return len(claimed)

    @retried
    async def _claim(self) -> Sequence[Any]:
        asked = {"each": MOST_OF_ONE, "most": MOST, "lease_seconds": LEASE_SECONDS, "longest": LONGEST_WAIT}
        async with self.db.transaction() as session:
            return (await session.execute(CLAIM, asked)).all()

    async def _load(self, owners: set[str]) -> Load:
        disk_full = (await self.store.capacity()).free_bytes < self.reserve_bytes
        most = max(1, min(MOST_OF_OWNER, self.control.limits.jobs_per_owner // 2))

        async def read() -> Load:
            async with self.db.read_only() as session:
                return await read_load(session, owners, disk_full=disk_full, most_of_owner=most)

        return await self.db.retry(read)

    def _judge(self, claimed: Sequence[Any], load: Load) -> tuple[dict[int, StartOutcome], Sequence[int]]:
        """Return what is decided already by its place, and the places of those that are to become jobs."""
        decided: dict[int, StartOutcome] = {}
        begun: dict[int, str] = {}
        for at, row in enumerate(claimed):
            outcome = self._outcome(row, load, begun.values())
            if outcome is None:
                begun[at] = row.owner
            else:
                decided[at] = outcome
        return decided, list(begun)

    def _outcome(self, row: Any, load: Load, begun: Iterable[str]) -> StartOutcome | None:
        if row.has_job:
            return MADE
        if row.filename is None:
            return StartOutcome(reason=AnalysisReason.FILE_GONE)
        kind = self.kinds.get(row.kind)
        reason = AnalysisReason.SERVICE_BUSY if kind is None else load.reason_to_wait(row.owner, kind, begun=[*begun])
        return None if reason is None else StartOutcome(reason=reason, waits=not row.is_overdue)

    async def _create(self, rows: Sequence[Any]) -> Sequence[StartOutcome]:
        asked = [
            NewJob(
                id=row.job_id,
                owner=row.owner,
                name=f"{row.kind} of {row.filename}",
                kind=row.kind,
                source_file_ids=[row.file_id],
                priority=PRIORITY,
                labels=row.labels,
                pins=False,
            )
            for row in rows
        ]
        try:
            made = await self.control.create_all(asked) if asked else ()
        except TooManyJobs:
            return [StartOutcome(reason=AnalysisReason.QUEUE_FULL, waits=True)] * len(rows)
        return [_outcome_of(one) for one in made]

    @retried
    async def _settle(self, claimed: Sequence[Any], outcomes: Mapping[int, StartOutcome]) -> None:
        settled = [(row, outcomes[at]) for at, row in enumerate(claimed)]
        asked = {
            "file_ids": [row.file_id for row, _ in settled],
            "kinds": [row.kind for row, _ in settled],
            "made": [outcome.made for _, outcome in settled],
            "waits": [outcome.waits for _, outcome in settled],
            "reasons": [outcome.reason and outcome.reason.value for _, outcome in settled],
            "pause_seconds": PAUSE_SECONDS,
        }
        async with self.db.transaction() as session:
            await session.execute(_SETTLE, asked)
        log.info("analyses.started", jobs=sum(outcome.made for outcome in outcomes.values()), of=len(claimed))


def _outcome_of(answer: object) -> StartOutcome:
    match answer:
        case SourceUnusable():
            return StartOutcome(reason=AnalysisReason.FILE_GONE)
        case TooManyJobs():
            return StartOutcome(reason=AnalysisReason.QUEUE_FULL, waits=True)
    return MADE
