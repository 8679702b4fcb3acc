"""What is told of a file's retention, worked out from facts that were read before."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Self
from uuid import UUID

from media_analysis.deletion.models import Pause
from media_analysis.files.models import MediaFile
from media_analysis.jobs.automatic.telling import AutomaticAnalysis
from media_analysis.jobs.models import AnalysisJob
from media_analysis.policy.decision import CategoryRules, decide
from media_analysis.retention.explain.assessment import Assessment, Loser, find_end, list_losers, list_protections
from media_analysis.retention.explain.places import ArchivePlace
from media_analysis.retention.explain.queries import DeletedFile, LivingFile
from media_analysis.retention.explain.timeline import Moment, find_purged
from media_analysis.retention.records import ABANDONED_CRON
from media_analysis.states import FileState, RetentionRule, finite
from media_analysis.storage.category import SCRATCH, Category

NextTick = Callable[[str, datetime], datetime | None]
"""The first time at or after an instant at which a cron expression fires; None is never."""


class RetentionState(StrEnum):
    """Where a file is on its way out."""

    PENDING = "pending"
    STORED = "stored"
    ARCHIVED = "archived"
    TRASHED = "trashed"
    DELETED = "deleted"
    """Gone for good, and its bytes are going."""
    PURGED = "purged"


class NextAction(StrEnum):
    """What happens next."""

    KEEP = "keep"
    """Nothing in sight."""
    TRASH = "trash"
    DELETE = "delete"
    """For good, bytes included."""
    PURGE = "purge"
    """Its bytes go."""
    DONE = "done"


class Barrier(StrEnum):
    """What stands in the way of a deletion."""

    HOLD = "hold"
    JOB_LEASE = "job_lease"
    MINIMUM_RETENTION = "minimum_retention"
    UPLOAD_LEASE = "upload_lease"
    TRASH = "trash"
    PAUSED = "paused"
    DEAD_LETTER = "dead_letter"


class BarrierScope(StrEnum):
    """What a barrier was put around."""

    FILE = "file"
    JOB = "job"
    CATEGORY = "category"
    EVERYTHING = "everything"


@dataclass(frozen=True, kw_only=True)
class Blocker:
    """One thing that stands in the way now, and until when; None is until somebody acts."""

    rule: Barrier
    scope: BarrierScope = BarrierScope.FILE
    until: datetime | None = None
    reason: str | None = None
    by: str | None = None
    job_ids: Sequence[UUID] = ()
    """Jobs that work with the file, or wait for it."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens by itself, if nothing changes."""

    step: str
    """`expires`, `protection_ends`, `archive`, `trash`, `delete` or `purge`."""
    at: datetime
    rule: RetentionRule


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """Why a file is still there, or no longer, and what happens next."""

    file_id: UUID
    category: Category
    state: RetentionState
    action: NextAction
    at: datetime | None
    """When that falls due, protections counted; in the past if it is overdue."""
    rule: RetentionRule
    """The rule that decides now."""
    policy_version: str | None
    swept_at: datetime | None = None
    """The tick of the schedule that does it, unless something still blocks it then."""
    archive: ArchivePlace | None = None
    """Of a file that went into the archive of its run; all else is then said of that archive."""
    blockers: Sequence[Blocker] = ()
    losing_rules: Sequence[Loser] = ()
    eviction_rank: int | None = None
    eviction_rank_capped: bool = False
    next_steps: Sequence[Step] = ()
    attempts: int = 0
    dead_letter: bool = False
    last_error: str | None = None
    timeline: Sequence[Moment] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    analyses: Sequence[AutomaticAnalysis] = ()
    """What runs by itself on the file, and why something does not."""

    def without_rank(self) -> Self:
        """Return the same without what counts other files, for whoever does not reach all of them."""
        return replace(self, eviction_rank=None, eviction_rank_capped=False)


@dataclass(frozen=True)
class Circumstances:
    """What of an explanation does not depend on the file."""

    rules: CategoryRules
    policy_version: str
    pause: Blocker | None
    kept_for: timedelta | None
    """How long what a sweep takes of the category stays restorable; None is not at all."""
    next_tick: NextTick
    not_evicting: str | None = None
    """Why pressure takes nothing of the category now; None if it does."""

    def tick(self, schedule: str, at: datetime | None, now: datetime) -> datetime | None:
        return None if at is None else self.next_tick(schedule, max(at, now))


def explain_living(found: LivingFile, about: Circumstances) -> Explanation:
    """Explain a file that has a row; eviction rank and timeline are left to whoever asked for them."""
    file, now, rules = found.file, found.now, about.rules
    assessment = Assessment.of(file)
    end = find_end(assessment, rules)
    action = NextAction.KEEP if end is None else _next_action(file.state, about.kept_for)
    at = None if end is None else end.at
    schedule = ABANDONED_CRON if file.state is FileState.PENDING else rules.schedule
    swept_at = about.tick(schedule, at, now)
    return Explanation(
        file_id=file.id,
        category=file.category,
        state=RetentionState(file.state),
        action=action,
        at=at,
        swept_at=swept_at,
        rule=decide(assessment, rules, now).rule,
        policy_version=about.policy_version,
        blockers=list_blockers(found, assessment, about.pause),
        losing_rules=list_losers(
            assessment, rules, now, scratch=file.category in SCRATCH, not_evicting=about.not_evicting
        ),
        next_steps=_steps(found, assessment, about, action, swept_at),
        last_error=file.last_error,
        labels=file.labels or {},
    )


def explain_deleted(found: DeletedFile, next_tick: NextTick) -> Explanation:
    """Explain a deleted file by its tombstone and its outbox entry."""
    stone, purge = found.stone, found.purge
    purged = find_purged(found) is not None or purge is None
    dead = purge is not None and purge.dead_at is not None
    at = None if purged or purge is None else purge.due_at
    gave_up = Blocker(
        rule=Barrier.DEAD_LETTER, reason="the file's bytes could not be removed; given up until somebody acts"
    )
    return Explanation(
        file_id=stone.id,
        category=stone.category,
        state=RetentionState.PURGED if purged else RetentionState.DELETED,
        action=NextAction.DONE if purged else NextAction.PURGE,
        at=at,
        swept_at=None if at is None else next_tick(ABANDONED_CRON, max(at, found.now)),
        rule=stone.rule,
        policy_version=stone.policy_version,
        blockers=[gave_up] if dead else [],
        next_steps=[] if at is None else [Step("purge", at, stone.rule)],
        attempts=0 if purge is None else purge.attempts,
        dead_letter=dead,
        last_error=None if purge is None else purge.last_error,
        labels=stone.labels or {},
    )


def list_blockers(found: LivingFile, assessment: Assessment, pause: Blocker | None) -> Sequence[Blocker]:
    """Return what stands in the way of deleting a file now, strongest first."""
    blockers = [
        _protection(name, finite(keep.until), found.file, found.job)
        for name, keep in list_protections(assessment, found.now)
    ]
    if assessment.state == FileState.PENDING and assessment.due_at is not None and assessment.due_at > found.now:
        blockers.append(
            Blocker(rule=Barrier.UPLOAD_LEASE, until=assessment.due_at, reason="the upload of the file is under way")
        )
    if assessment.state == FileState.TRASHED and assessment.trash_ends_at and assessment.trash_ends_at > found.now:
        blockers.append(
            Blocker(rule=Barrier.TRASH, until=assessment.trash_ends_at, reason="the file can still be restored")
        )
    if pause is not None:
        blockers.append(pause)
    return blockers


def paused(pause: Pause, owner: str | None) -> Blocker:
    """Return a pause as what it is to a file; its owner is not told who paused, nor what others have."""
    scope = BarrierScope.EVERYTHING if pause.category is None else BarrierScope.CATEGORY
    reason, by = (pause.reason, pause.paused_by) if owner is None else (pause.public_reason, None)
    return Blocker(rule=Barrier.PAUSED, scope=scope, reason=reason, by=by)


def job_hold(job: AnalysisJob | None, until: datetime | None) -> Blocker:
    """Return a job's hold as what it is to its files."""
    reason, by = (None, None) if job is None else (job.hold_reason, job.held_by)
    return Blocker(rule=Barrier.HOLD, scope=BarrierScope.JOB, until=finite(until), reason=reason, by=by)


def _protection(name: str, until: datetime | None, file: MediaFile, job: AnalysisJob | None) -> Blocker:
    if name == "held_until":
        return Blocker(rule=Barrier.HOLD, until=until, reason=file.hold_reason, by=file.held_by)
    if name == "job_held_until":
        return job_hold(job, until)
    if name == "leased_until":
        return Blocker(
            rule=Barrier.JOB_LEASE, scope=BarrierScope.JOB, until=until, reason="a job works with it, or waits for it"
        )
    reason = "the file's category keeps it at least so long"
    return Blocker(rule=Barrier.MINIMUM_RETENTION, scope=BarrierScope.CATEGORY, until=until, reason=reason)


def _next_action(state: FileState, kept_for: timedelta | None) -> NextAction:
    if state is FileState.TRASHED:
        return NextAction.PURGE
    return NextAction.TRASH if state is FileState.STORED and kept_for is not None else NextAction.DELETE


def _steps(
    found: LivingFile, assessment: Assessment, about: Circumstances, action: NextAction, swept_at: datetime | None
) -> Sequence[Step]:
    now, end = found.now, find_end(assessment, about.rules)
    steps = list(_before(assessment, now))
    if end is not None:
        steps.append(Step(action.value, end.at, end.rule))
        if action is NextAction.TRASH:
            goes_at = (swept_at or max(end.at, now)) + (about.kept_for or timedelta(0))
            steps.append(Step(NextAction.PURGE, goes_at, end.rule))
        elif action is NextAction.DELETE:
            steps.append(Step(NextAction.PURGE, swept_at or max(end.at, now), end.rule))
    return sorted(steps, key=lambda step: step.at)


def _before(assessment: Assessment, now: datetime) -> Iterator[Step]:
    for _, keep in list_protections(assessment, now):
        if (until := finite(keep.until)) is not None:
            yield Step("protection_ends", until, keep.rule)
    expires_at = assessment.expires_at
    if assessment.state != FileState.PENDING and expires_at is not None and expires_at > now:
        rule = RetentionRule.EXPLICIT_EXPIRY if assessment.expiry_explicit else RetentionRule.CATEGORY_LIFETIME
        yield Step("expires", expires_at, rule)
