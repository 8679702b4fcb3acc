"""Explanations: when a file or a job goes, by which rule, what loses, what blocks, and what happened so far."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.deletion.pauses import find_pause
from media_analysis.deletion.strategy import Strategy
from media_analysis.errors import FileNotFound
from media_analysis.jobs.automatic.telling import list_analyses
from media_analysis.jobs.queries import get_job, list_users
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import require_policy
from media_analysis.retention.explain.archival import ArchivalTerms, find_archiving
from media_analysis.retention.explain.archived import explain_archived, get_copy
from media_analysis.retention.explain.assessment import Assessment, may_be_evicted
from media_analysis.retention.explain.explanation import (
    Barrier,
    Blocker,
    Circumstances,
    Explanation,
    NextTick,
    explain_deleted,
    explain_living,
    paused,
)
from media_analysis.retention.explain.jobs import JobExplainer, JobExplanation
from media_analysis.retention.explain.queries import (
    MOST_BEFORE,
    DeletedFile,
    LivingFile,
    get_deleted,
    get_living,
    get_rank,
    list_events,
)
from media_analysis.retention.explain.summary import JobSummary, summarise
from media_analysis.retention.explain.timeline import tell_buried, tell_living
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True, slots=True)
class Reach:
    """How many other files an explanation of one looks at."""

    of_run: bool = True
    """Whether at all of its run, of which it depends when that is archived; else that is left out."""
    before: int = MOST_BEFORE
    """How many places ahead of it in the eviction order."""


@dataclass(frozen=True)
class ExplainService:
    """Says why files stay and when they go; `owner=None` is an administrator's view of all."""

    db: Database
    strategy: Strategy
    next_tick: NextTick
    archival: ArchivalTerms
    not_evicting: str | None = None
    """Why the settings let pressure take nothing; None if they do."""

    async def explain(
        self, file_id: UUID, *, owner: str | None, reach: Reach | None = None, now: datetime | None = None
    ) -> Explanation:
        """Explain a file in any state, deleted ones included, as of one moment, from other files within `reach`.

        Raises:
            FileNotFound: unknown, somebody else's, or an upload that was given up and never acknowledged.

        """

        async def read() -> Explanation:
            async with self.db.read_only() as session:
                told = await self._explain(session, file_id, owner, reach or Reach(), now)
                return replace(told, analyses=await list_analyses(session, file_id))

        return await self.db.retry(read)

    async def explain_job(
        self, job_id: UUID, *, owner: str | None, before: UUID | None, limit: int, now: datetime | None = None
    ) -> JobExplanation | JobSummary:
        """Explain a job, with one page of its files, as of one moment; of a deleted one, what stays of it.

        Raises:
            JobNotFound: unknown, or somebody else's.

        """

        async def read() -> JobExplanation | JobSummary:
            async with self.db.read_only() as session:
                found = await get_job(session, job_id, owner=owner, now=now)
                if found is None:
                    return await summarise(session, job_id, owner=owner)
                job, at = found
                explainer = await JobExplainer.load(
                    session,
                    job,
                    now=at,
                    strategy=self.strategy,
                    next_tick=self.next_tick,
                    archival=self.archival,
                    not_evicting=self.not_evicting,
                    owner=owner,
                )
                return await explainer.explain(session, before=before, limit=limit)

        return await self.db.retry(read)

    async def _explain(
        self, session: AsyncSession, file_id: UUID, owner: str | None, reach: Reach, now: datetime | None
    ) -> Explanation:
        living = await get_living(session, file_id, owner=owner, now=now)
        if living is not None:
            return await self._explain_living(session, living, owner, reach)
        deleted = await get_deleted(session, file_id, owner=owner, now=now)
        if deleted is None:
            raise FileNotFound(file_id)
        return await self._explain_deleted(session, deleted, owner)

    async def _explain_living(
        self, session: AsyncSession, found: LivingFile, owner: str | None, reach: Reach
    ) -> Explanation:
        file = found.file
        policy = await require_policy(session)
        about = await self._circumstances(session, file.category, policy, owner)
        events = await list_events(session, file.id, file.job_id, since=file.created_at)
        told = replace(explain_living(found, about), timeline=tell_living(found, events))
        run = found.job if reach.of_run else None
        archiving = await find_archiving(session, file, run, self.archival, found.now)
        told = replace(told, next_steps=sorted([*told.next_steps, *archiving], key=lambda step: step.at))
        if file.leased_until is not None and file.leased_until > found.now:
            told = replace(told, blockers=_name(told.blockers, await list_users(session, file.id, now=found.now)))
        # An empty file frees nothing: eviction passes it over.
        if about.not_evicting is not None or not (
            file.size_bytes and may_be_evicted(Assessment.of(file), about.rules, found.now)
        ):
            return told
        place = await get_rank(session, file, policy, now=found.now, owner=owner, most=reach.before)
        return told if place is None else replace(told, eviction_rank=place.rank, eviction_rank_capped=place.capped)

    async def _explain_deleted(self, session: AsyncSession, found: DeletedFile, owner: str | None) -> Explanation:
        stone = found.stone
        events = await list_events(session, stone.id, stone.job_id, since=stone.created_at)
        copy = await get_copy(session, stone)
        if copy is None:
            told = explain_deleted(found, self.next_tick)
        else:
            about = await self._circumstances(session, Category.ARCHIVES, await require_policy(session), owner)
            told = explain_archived(found, copy, about)
        return replace(told, timeline=tell_buried(found, events, told.archive))

    async def _circumstances(
        self, session: AsyncSession, category: Category, policy: Policy, owner: str | None
    ) -> Circumstances:
        """Read what holds for every file of a category."""
        pause = evicting = await find_pause(session, category, evicting=True)
        if pause is not None and pause.cause.stops_evictions_only:
            pause = await find_pause(session, category)
        return Circumstances(
            rules=policy.of(category),
            policy_version=policy.version,
            pause=None if pause is None else paused(pause, owner),
            kept_for=self.strategy.kept_when_swept(category),
            next_tick=self.next_tick,
            not_evicting=self.not_evicting or (None if evicting is None else paused(evicting, owner).reason),
        )


def _name(blockers: Sequence[Blocker], users: Sequence[UUID]) -> Sequence[Blocker]:
    return [replace(one, job_ids=users) if one.rule is Barrier.JOB_LEASE else one for one in blockers]
