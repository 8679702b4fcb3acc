"""Documents about why files stay, when they go, and what happened to them."""

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Self
from uuid import UUID

from pydantic import BaseModel, Field, computed_field

from media_analysis.api import API_PATH
from media_analysis.api.pages import encode_cursor
from media_analysis.api.place import address
from media_analysis.api.schemas.base import ReadModel
from media_analysis.jobs.automatic.models import AnalysisReason, AnalysisState
from media_analysis.jobs.models import JobStatus
from media_analysis.retention.explain.archival import RunArchival
from media_analysis.retention.explain.assessment import Effect
from media_analysis.retention.explain.explanation import Barrier, BarrierScope, NextAction, RetentionState
from media_analysis.retention.explain.jobs import JobExplanation, PartSum
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category


class BlockerRead(ReadModel):
    """Something that stands in the way of a deletion now."""

    rule: Barrier
    scope: BarrierScope = Field(description="What it was put around: this file, its job, its category or everything")
    until: datetime | None = Field(description="null is until somebody acts")
    reason: str | None
    by: str | None
    job_ids: list[UUID] = Field(description="Of a job's lease: the jobs that work with the file, or wait for it")


class LosingRuleRead(ReadModel):
    """A rule that does not decide, and why."""

    rule: RetentionRule
    effect: Effect = Field(description="What it alone would do now")
    at: datetime | None = Field(description="The instant it names, or named; null where it names none")
    reason: str


class StepRead(ReadModel):
    """Something that happens by itself if nothing changes."""

    step: str = Field(description="`expires`, `protection_ends`, `archive`, `trash`, `delete` or `purge`")
    at: datetime
    rule: RetentionRule


class MomentRead(ReadModel):
    """One thing that happened."""

    at: datetime
    event: str = Field(
        description="An audited action, or `created`, `stored`, `expired`, `deleted`, `purged`, `archive_deleted` …"
    )
    actor: str | None
    reason: str | None
    rule: RetentionRule | None
    sweep_id: UUID | None
    details: dict[str, Any]


class ArchivePlaceRead(ReadModel):
    """Where the content of a file is that went into the archive of its run, or until when it was there."""

    job_id: UUID
    archive_id: UUID | None = Field(description="The archive that has it; null once that is gone for good")
    archived_at: datetime
    available: bool = Field(description="Whether it can be read there, and restored")
    kept_until: datetime | None = Field(
        description="When the archive goes, or its time in the trash ends; null is never, or it is gone"
    )
    gone_at: datetime | None = Field(description="When the archive was deleted, with its run or alone")
    gone_by: str | None
    gone_reason: str | None
    file_id: UUID = Field(exclude=True)

    @computed_field(description="Where its content is served; null where it is not")
    def content(self) -> str | None:
        where = f"{API_PATH}/jobs/{self.job_id}/archive/files/{self.file_id}/content"
        return address(where) if self.available else None

    @computed_field(description="What to POST to for it to come back under its own id; null where it cannot")
    def restore(self) -> str | None:
        where = f"{API_PATH}/jobs/{self.job_id}/restore?file_id={self.file_id}"
        return address(where) if self.available else None


class AutomaticAnalysisRead(ReadModel):
    """A kind that runs by itself on a file once it is stored: its job, or why there is none."""

    kind: str
    state: AnalysisState = Field(description="`made`: there is a job, or was one")
    reason: AnalysisReason | None = Field(description="Why it waits, or was skipped")
    job_id: UUID | None
    at: datetime = Field(description="When that was decided; of one that waits, when it is looked at again")


class FileRetention(ReadModel):
    """Why a file is still there, or no longer, and what happens next."""

    file_id: UUID
    category: Category
    labels: dict[str, str]
    state: RetentionState = Field(description="`deleted`: gone for good, its bytes are going; `purged`: they are gone")
    action: NextAction = Field(description="What happens next; `keep`: nothing in sight")
    at: datetime | None = Field(description="When that falls due, protections counted; in the past if overdue")
    swept_at: datetime | None = Field(description="The tick of the schedule that does it, unless something blocks it")
    archive: ArchivePlaceRead | None = Field(
        description="Of a file in the archive of its run, of which all dates are then; null for any other"
    )
    rule: RetentionRule = Field(description="The rule that decides now")
    policy_version: str | None = Field(description="Of the policy in force, or the one a deleted file went by")
    blockers: list[BlockerRead]
    losing_rules: list[LosingRuleRead] = Field(description="In the order of precedence")
    eviction_rank: int | None = Field(
        description="1 goes next under pressure on its category; null if pressure cannot take it, as the archive of a "
        "run that lives, or anything while evictions are paused or off; nor is it told to limited sessions"
    )
    eviction_rank_capped: bool = Field(description="Whether the rank is only the earliest it can be")
    next_steps: list[StepRead]
    attempts: int = Field(description="How often removing its bytes was tried")
    dead_letter: bool = Field(description="Whether removing its bytes was given up")
    last_error: str | None
    timeline: list[MomentRead]
    analyses: list[AutomaticAnalysisRead] = Field(
        description="What runs by itself on the file (`ANALYSIS_ON_UPLOAD_<CATEGORY>`), by kind; 30 days long"
    )


class JobFileRetention(ReadModel):
    """What becomes of one of a job's files."""

    file_id: UUID
    state: RetentionState
    action: NextAction
    at: datetime | None
    rule: RetentionRule


class FileSum(BaseModel):
    """Some of a job's living files in sum."""

    count: int
    bytes: int
    held: int = Field(description="How many of them a hold keeps, their own or the job's")
    by_state: dict[FileState, int]
    earliest: datetime | None = Field(description="When the first of those that have a date falls due")
    latest: datetime | None = Field(description="When the last does; null if some have no date")


class JobFilesRetention(FileSum):
    """A job's living files in sum."""

    by_category: dict[Category, FileSum]


class JobResultsRetention(ReadModel):
    """A job's results in sum."""

    count: int
    earliest: datetime | None = Field(description="When the first of those that have an end expires")
    latest: datetime | None = Field(description="When the last does; null if some have no end")


class ArchivalFailureRead(ReadModel):
    """What the last archiving or restoring failed of."""

    kind: str = Field(description="`archive` or `restore`")
    at: datetime | None
    code: str | None
    reason: str | None


class JobArchival(BaseModel):
    """When a run goes into its archive, and when it goes for good."""

    archived_at: datetime | None = Field(description="null while the run is active")
    restored_at: datetime | None
    due_at: datetime | None = Field(description="From when on it is to be archived; null where it is not: see `reason`")
    starts_at: datetime | None = Field(description="The scheduled archiving that takes it, unless something blocks it")
    deletes_at: datetime | None = Field(
        description="When it goes, with its archive; of an active run, by the rules as they are. null is never, "
        "or nobody can say yet"
    )
    reason: str | None = Field(description="Why it is not to be archived, or not by itself")
    blockers: list[BlockerRead] = Field(description="What stands against archiving it now")
    archives: int = Field(description="Archives it has; a restored run keeps them, for the next time")
    size_bytes: int = Field(description="Bytes they take")
    original_files: int = Field(description="Files they have copies of")
    original_bytes: int = Field(description="Bytes of those files before they were packed")
    failure: ArchivalFailureRead | None = Field(description="The last archiving or restoring, if it failed")

    @classmethod
    def from_archival(cls, told: RunArchival) -> Self:
        """Return the document of where a run is between its end and its deletion."""
        return cls(
            archived_at=told.archived_at,
            restored_at=told.restored_at,
            due_at=told.due_at,
            starts_at=told.starts_at,
            deletes_at=told.deletes_at,
            reason=told.reason,
            blockers=[BlockerRead.model_validate(blocker) for blocker in told.blockers],
            archives=told.segments.files,
            size_bytes=told.segments.size_bytes,
            original_files=told.originals.files,
            original_bytes=told.originals.size_bytes,
            failure=None if told.failure is None else ArchivalFailureRead.model_validate(told.failure),
        )


class JobRetention(BaseModel):
    """Why a job's files are still there, and what happens next, to the one that goes first above all."""

    job_id: UUID
    labels: dict[str, str]
    status: JobStatus
    expires_at: datetime | None
    hold: BlockerRead | None
    files: JobFilesRetention
    results: JobResultsRetention
    state: RetentionState | None = Field(
        description="Of the file that goes first, null without files; so are action, at, rule"
    )
    action: NextAction
    at: datetime | None
    swept_at: datetime | None
    rule: RetentionRule | None
    policy_version: str
    archive: JobArchival
    blockers: list[BlockerRead] = Field(description="Of that file, of the job, and pauses of any of its categories")
    losing_rules: list[LosingRuleRead]
    eviction_rank: int | None = Field(description="Always null: files have ranks, jobs have none")
    next_steps: list[StepRead]
    attempts: int
    last_error: str | None
    timeline: list[MomentRead]
    items: list[JobFileRetention] = Field(description="Its files, newest first")
    next_cursor: str | None

    @classmethod
    def from_explanation(cls, told: JobExplanation) -> Self:
        """Return the document of a job's explanation."""
        first, job = told.first, told.job
        return cls(
            job_id=job.id,
            labels=job.labels or {},
            status=job.status,
            expires_at=job.expires_at,
            hold=None if told.hold is None else BlockerRead.model_validate(told.hold),
            files=_sum(told.sums),
            results=JobResultsRetention.model_validate(told.results),
            state=None if first is None else first.state,
            action=NextAction.KEEP if first is None else first.action,
            at=None if first is None else first.at,
            swept_at=None if first is None else first.swept_at,
            rule=None if first is None else first.rule,
            policy_version=told.policy_version,
            archive=JobArchival.from_archival(told.archival),
            blockers=[BlockerRead.model_validate(blocker) for blocker in told.blockers],
            losing_rules=[LosingRuleRead.model_validate(loser) for loser in (first.losing_rules if first else ())],
            eviction_rank=None,
            next_steps=[StepRead.model_validate(step) for step in (first.next_steps if first else ())],
            attempts=job.attempts,
            last_error=job.error,
            timeline=[MomentRead.model_validate(moment) for moment in told.timeline],
            items=[JobFileRetention.model_validate(file) for file in told.items],
            next_cursor=encode_cursor(told.next_before),
        )


def _sum(parts: Sequence[PartSum]) -> JobFilesRetention:
    categories = sorted({part.category for part in parts})
    by_category = {kind: FileSum(**_facts([part for part in parts if part.category is kind])) for kind in categories}
    return JobFilesRetention(**_facts(parts), by_category=by_category)


def _facts(parts: Sequence[PartSum]) -> dict[str, Any]:
    latest = [part.latest for part in parts if part.latest is not None]
    by_state = Counter[FileState]()
    for part in parts:
        by_state[part.state] += part.files
    return {
        "count": sum(part.files for part in parts),
        "bytes": sum(part.size_bytes for part in parts),
        "held": sum(part.held for part in parts),
        "by_state": dict(by_state),
        "earliest": min((part.earliest for part in parts if part.earliest is not None), default=None),
        "latest": None if any(part.for_ever for part in parts) else max(latest, default=None),
    }
