"""A job's retention: its hold, its files in sum, and what becomes of each, the first to go above all."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple, Self
from uuid import UUID

from sqlalchemy import Uuid, literal, select, text, union_all
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY, FILE_STATE
from media_analysis.deletion.models import Pause
from media_analysis.deletion.pauses import list_pauses
from media_analysis.deletion.strategy import Strategy
from media_analysis.files.dates import goes_at, protection
from media_analysis.files.models import MediaFile
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.results import visible
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import require_policy
from media_analysis.retention.explain.archival import ArchivalTerms, RunArchival, explain_archival
from media_analysis.retention.explain.explanation import (
    Barrier,
    BarrierScope,
    Blocker,
    Circumstances,
    Explanation,
    NextTick,
    explain_living,
    job_hold,
    paused,
)
from media_analysis.retention.explain.queries import LivingFile, is_one_of, list_job_events
from media_analysis.retention.explain.timeline import Moment, tell_job
from media_analysis.states import FOREVER, FileState
from media_analysis.storage.category import Category

_FILES: Final = text(f"""
    WITH dated AS (
        SELECT id, category, state, coalesce(size_bytes, reserved_bytes) AS size_bytes,
            {protection()} = 'hold' AS held, {goes_at()} AS at
        FROM media_files WHERE job_id = :job_id
    )
    SELECT category, state, count(*) AS files, sum(size_bytes)::bigint AS size_bytes,
        count(*) FILTER (WHERE held) AS held,
        min(at) AS earliest, max(at) AS latest, bool_or(at IS NULL) AS for_ever,
        (array_agg(id ORDER BY at, id))[1] AS first_id
    FROM dated GROUP BY category, state
""").columns(category=CATEGORY, state=FILE_STATE)  # noqa: S608 - fragments of ours
_RESULTS: Final = text(f"""
    SELECT count(*) AS count, min(expires_at) AS earliest,
        CASE WHEN bool_and(expires_at IS NOT NULL) THEN max(expires_at) END AS latest
    FROM analysis_results AS result WHERE job_id = :job_id AND {visible("result")}
""")  # noqa: S608 - fragments of ours


class PartSum(NamedTuple):
    """A job's files of one category and state."""

    category: Category
    state: FileState
    files: int
    size_bytes: int
    held: int
    """How many of them a hold keeps."""
    earliest: datetime | None
    """When the first of them falls due; None if none has a date."""
    latest: datetime | None
    for_ever: bool
    """Whether some have none."""
    first_id: UUID


@dataclass(frozen=True, slots=True)
class ResultSum:
    """A job's results that can be seen."""

    count: int
    earliest: datetime | None
    latest: datetime | None
    """None if one of them has no end."""


@dataclass(frozen=True, kw_only=True)
class JobExplanation:
    """What becomes of a job's files, and what happened to it as a whole."""

    job: AnalysisJob
    policy_version: str
    hold: Blocker | None
    sums: Sequence[PartSum]
    results: ResultSum
    first: Explanation | None
    """Of the file that goes first, or of the oldest if none has a date."""
    archival: RunArchival
    blockers: Sequence[Blocker]
    timeline: Sequence[Moment]
    items: Sequence[Explanation]
    """A page of its files, newest first."""
    next_before: UUID | None


@dataclass(frozen=True, kw_only=True)
class JobExplainer:
    """Explains one job and many of its files by one reading of what holds for all of them."""

    strategy: Strategy
    next_tick: NextTick
    archival: ArchivalTerms
    job: AnalysisJob
    now: datetime
    policy: Policy
    pauses: Sequence[Pause]
    """All that are open, those of evictions alone included."""
    not_evicting: str | None
    owner: str | None
    """Who is told, if not an administrator."""

    @classmethod
    async def load(
        cls,
        session: AsyncSession,
        job: AnalysisJob,
        *,
        now: datetime,
        strategy: Strategy,
        next_tick: NextTick,
        archival: ArchivalTerms,
        not_evicting: str | None,
        owner: str | None,
    ) -> Self:
        """Read the policy in force and what is paused."""
        return cls(
            strategy=strategy,
            next_tick=next_tick,
            archival=archival,
            job=job,
            now=now,
            policy=await require_policy(session),
            pauses=await list_pauses(session, is_open=True),
            not_evicting=not_evicting,
            owner=owner,
        )

    async def explain(self, session: AsyncSession, *, before: UUID | None, limit: int) -> JobExplanation:
        """Explain the job, with one page of its files."""
        asked = {"job_id": self.job.id, "now": self.now}
        sums = [PartSum._make(row) for row in await session.execute(_FILES, asked)]
        first_id = min(sums, key=lambda one: (one.earliest or FOREVER, one.first_id)).first_id if sums else None
        files = await _list_files(session, self.job.id, before=before, limit=limit + 1, also=first_id)
        page = [file for file in files if before is None or file.id < before][: limit + 1]
        first = next((self.explain_file(file) for file in files if file.id == first_id), None)
        return JobExplanation(
            job=self.job,
            policy_version=self.policy.version,
            hold=self._hold(),
            sums=sums,
            results=ResultSum(*(await session.execute(_RESULTS, asked)).one()),
            first=first,
            archival=await explain_archival(session, self.job, self.archival, now=self.now),
            blockers=self._blockers(sums, first),
            timeline=tell_job(self.job, await list_job_events(session, self.job.id)),
            items=[self.explain_file(file) for file in page[:limit]],
            next_before=page[limit - 1].id if len(page) > limit else None,
        )

    def explain_file(self, file: MediaFile) -> Explanation:
        category = file.category
        about = Circumstances(
            rules=self.policy.of(category),
            policy_version=self.policy.version,
            pause=next((paused(pause, self.owner) for pause in self._pauses_of({category.value})), None),
            kept_for=self.strategy.kept_when_swept(category),
            next_tick=self.next_tick,
            not_evicting=self.not_evicting
            or next((paused(pause, self.owner).reason for pause in self._in({category.value})), None),
        )
        return explain_living(LivingFile(file, self.job, self.now), about)

    def _pauses_of(self, categories: Collection[str]) -> Sequence[Pause]:
        """Return the pauses that are in the way of what falls due."""
        return [pause for pause in self._in(categories) if not pause.cause.stops_evictions_only]

    def _in(self, categories: Collection[str]) -> Sequence[Pause]:
        return [pause for pause in self.pauses if pause.category is None or pause.category.value in categories]

    def _hold(self) -> Blocker | None:
        until = self.job.held_until
        return None if until is None or until <= self.now else job_hold(self.job, until)

    def _blockers(self, sums: Sequence[PartSum], first: Explanation | None) -> Sequence[Blocker]:
        """What stands in the way of the file that would go first, and what holds for the job and its categories."""
        hold = self._hold()
        of_job = [] if hold is None else [hold]
        of_file = [] if first is None else [one for one in first.blockers if one.rule is not Barrier.PAUSED]
        categories = {one.category.value for one in sums}
        return [
            *of_job,
            *(one for one in of_file if (one.rule, one.scope) != (Barrier.HOLD, BarrierScope.JOB)),
            *(paused(pause, self.owner) for pause in self._pauses_of(categories)),
        ]


async def _list_files(
    session: AsyncSession, job_id: UUID, *, before: UUID | None, limit: int, also: UUID | None
) -> Sequence[MediaFile]:
    """Return a page of a job's files, newest first, and one that may lie outside of it behind them."""
    page = select(MediaFile.id).where(MediaFile.job_id == job_id).order_by(MediaFile.id.desc()).limit(limit)
    if before is not None:
        page = page.where(MediaFile.id < before)
    wanted = union_all(select(page.subquery()), select(literal(also, Uuid)))
    query = select(MediaFile).where(is_one_of(MediaFile.id, wanted)).order_by(MediaFile.id.desc())
    return (await session.scalars(query)).all()
