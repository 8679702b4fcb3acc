"""Importing one old run: its row comes first, held until all its files are there."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database, retried
from media_analysis.events.types import EventType
from media_analysis.failpoints import failpoint
from media_analysis.files.protection import Hold
from media_analysis.imports.runs import earlier
from media_analysis.imports.runs.earlier import KIND, UNDER_WAY, Coverage, EarlierImport
from media_analysis.imports.runs.files import FileImporter, ImportedFiles, RunFolder, Survey, destinations_of
from media_analysis.imports.runs.naming import folder_name_of
from media_analysis.imports.runs.outcomes import Fate, ImportOutcome, Life, PassedOver, Subject
from media_analysis.imports.runs.terms import ImportRequest, RunTerms
from media_analysis.imports.tree import statements
from media_analysis.imports.tree.statements import Destination
from media_analysis.jobs import protection
from media_analysis.jobs.adding import add_job, mark_produced
from media_analysis.jobs.events import add_event
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.jobs.queries import require_job
from media_analysis.policy.in_force import get_policy
from media_analysis.states import FOREVER
from media_analysis.storage.category import Category
from media_analysis.storage.directories import sync_directory

PAST_END: Final = "its end had come before it was imported"
"""Why a run is held for as long as a young one is kept whole."""


@dataclass(frozen=True)
class RunImporter:
    """Imports the folders of runs; what a crash leaves undone, the same call again goes on with."""

    db: Database
    files: FileImporter
    ends: RunTerms

    async def plan(self, folder: RunFolder, request: ImportRequest, *, now: datetime) -> ImportOutcome:
        """Say what `run` would do, and change nothing.

        Raises:
            PassedOver, Refused: it would not be imported.

        """
        known, survey = await self._look(folder, request, now)
        new = await self._count_new(folder, known)
        fate = Fate.KNOWN if known.coverage is Coverage.ALL and not new.files else Fate.PLANNED
        return self._told(folder, fate, known, survey, new, request, now)

    async def run(
        self, folder: RunFolder, request: ImportRequest, *, now: datetime, counted_from: datetime | None
    ) -> ImportOutcome:
        """Import what of a run is not ours yet; files are dated as of `counted_from`, None is the database's clock.

        Raises:
            PassedOver, Refused: it is not imported.
            QuotaReached, DiskReserveReached: there is no room for it.

        """
        known, survey = await self._look(folder, request, now)
        destinations = destinations_of(
            request.owner, folder.found.name.id, over_quota=request.over_quota, now=counted_from
        )
        if known.coverage is Coverage.NONE:
            await self._count_new(folder, known)
            await self._begin(folder, request, self._life(folder, survey, None, now), survey, destinations)
        for category in survey.sizes:
            await statements.open_account(self.db, destinations[category])
        taken = await self.files.run(folder, destinations)
        fate = Fate.KNOWN if known.coverage is Coverage.ALL and not taken.files else Fate.IMPORTED
        outcome = self._told(folder, fate, known, survey, taken, request, now)
        if known.coverage is not Coverage.ALL or taken.files:
            await self._finish(request, outcome)
        if request.rename and outcome.folder_name is not None:
            outcome.renamed = await asyncio.to_thread(_rename, folder.path, outcome.folder_name)
            failpoint("import_runs.renamed")
        return outcome

    async def _look(self, folder: RunFolder, request: ImportRequest, now: datetime) -> tuple[EarlierImport, Survey]:
        async with self.db.read_only() as session:
            names = frozenset({folder.found.folder})
            known = await earlier.stand(session, folder.found.name.id, owner=request.owner, names=names)
            policy = await get_policy(session)
        lifetimes = {} if policy is None else {category: policy.of(category).lifetime for category in Category}
        survey = await folder.survey(lifetimes, now)
        if not survey.files:
            raise PassedOver("it holds no regular file")
        return known, survey

    async def _count_new(self, folder: RunFolder, known: EarlierImport) -> ImportedFiles:
        new = await self.files.count_new(folder)
        if known.coverage is Coverage.NONE and not new.files:
            raise PassedOver("all its files are ours, or were deleted since they were")
        return new

    def _life(self, folder: RunFolder, survey: Survey, job: AnalysisJob | None, now: datetime) -> Life:
        """Date a run by its name, else by its files; one that is ours keeps its dates."""
        stamp = folder.found.name.stamped_at
        created_at = min(stamp or survey.oldest_at or folder.modified_at, now)
        completed_at = min(stamp or survey.newest_at or folder.modified_at, now)
        if job is not None:
            created_at, completed_at = job.created_at, job.completed_at or completed_at
        return self.ends.life(created_at, completed_at, now)

    def _told(
        self,
        folder: RunFolder,
        fate: Fate,
        known: EarlierImport,
        survey: Survey,
        taken: ImportedFiles,
        request: ImportRequest,
        now: datetime,
    ) -> ImportOutcome:
        job_id, life = folder.found.name.id, self._life(folder, survey, known.job, now)
        is_kept = life.past_end and not request.accept_past_ends and known.coverage is not Coverage.ALL
        return ImportOutcome(
            name=folder.found.folder,
            subject=Subject.RUN,
            fate=fate,
            job_id=job_id,
            folder_name=folder_name_of(job_id, life.created_at),
            files=taken.files,
            size_bytes=taken.size_bytes,
            known=taken.known,
            skipped=taken.skipped,
            life=life,
            kept_until=self.ends.grace(now) if is_kept else None,
            due_at_once=0 if is_kept or fate is Fate.KNOWN else survey.past,
        )

    @retried
    async def _begin(
        self,
        folder: RunFolder,
        request: ImportRequest,
        life: Life,
        survey: Survey,
        destinations: Mapping[Category, Destination],
    ) -> None:
        job_id = folder.found.name.id
        async with self.db.transaction() as session:
            for category, size_bytes in survey.sizes.items():
                await statements.require_room(session, destinations[category], size_bytes)
            folder_name = folder_name_of(job_id, life.created_at)
            await earlier.require_free(session, job_id, folder_name)
            job = await add_job(
                session,
                id=job_id,
                owner=request.owner,
                name=folder.found.folder,
                kind=KIND,
                parameters={},
                status=JobStatus.COMPLETED,
                progress=1.0,
                folder_name=folder_name,
                created_at=life.created_at,
                completed_at=life.completed_at,
                held_until=FOREVER,
                hold_reason=UNDER_WAY,
                held_by=request.actor,
            )
            await add_event(session, job_id, EventType.JOB_CREATED, {"status": job.status.value, "imported": True})
            failpoint("import_runs.beginning")
        failpoint("import_runs.begun")

    @retried
    async def _finish(self, request: ImportRequest, outcome: ImportOutcome) -> None:
        """Let go of the hold, or let it end by itself where the run would be gone at once."""
        if outcome.job_id is None:
            return
        hold = None
        if outcome.kept_until is not None:
            hold = Hold(until=outcome.kept_until, reason=PAST_END, by=request.actor)
        async with self.db.transaction() as session:
            job, _ = await require_job(session, outcome.job_id, owner=None, lock=True)
            await mark_produced(session, job.id)
            if job.hold_reason == UNDER_WAY:  # else somebody holds it for reasons of their own by now
                await protection.mark_job_held(session, job.id, hold)
            details = {"folder": outcome.name, "files": outcome.files, "size_bytes": outcome.size_bytes}
            act = Act(actor=request.actor, action=Action.IMPORTED, owner=job.owner, job_id=job.id, details=details)
            await add_events(session, [act])
            failpoint("import_runs.finishing")
        failpoint("import_runs.finished")


def _rename(path: Path, folder_name: str) -> bool:
    """Give a folder the name of its run, unless something has that name; say whether it was done."""
    renamed = path.with_name(folder_name)
    if renamed == path or renamed.exists() or renamed.is_symlink():
        return False
    path.rename(renamed)
    sync_directory(path.parent)
    return True
