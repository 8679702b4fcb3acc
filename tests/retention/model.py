"""What retention promises, said a second time in plain Python: the model the services are held to.

It knows neither SQL nor `decide()`; its clock is the caller's.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from media_analysis.errors import (
    FileGone,
    FileHeld,
    FileNotTrashed,
    MediaAnalysisError,
    PlanApplied,
    PlanExpired,
    QuotaReached,
)
from media_analysis.states import FOREVER
from media_analysis.storage.category import Category
from tests.retention.crowd import Crowd
from tests.retention.modelled import PLAN_LIFETIME, TRASH, File, Job, Plan, Rules, Trash

Verdict = type[MediaAnalysisError] | None
"""What a caller is told; None is that it was done."""


@dataclass
class Model:
    """All files, and what becomes of them at `now`."""

    now: datetime
    soft: bool
    rules: dict[Category, Rules]
    files: dict[UUID, File] = field(default_factory=dict)
    jobs: dict[UUID, Job] = field(default_factory=dict)
    buried: dict[UUID, File] = field(default_factory=dict)
    taken: dict[UUID, int] = field(default_factory=dict)
    """How many files each sweep took."""
    plans: dict[UUID, Plan] = field(default_factory=dict)

    # What protects a file, and when it goes.

    def holds(self, file: File) -> list[datetime]:
        of_job = None if file.job is None else self.jobs[file.job].held_until
        return [until for until in (file.held_until, of_job) if until is not None]

    def is_held(self, file: File) -> bool:
        return any(until > self.now for until in self.holds(file))

    def is_protected(self, file: File) -> bool:
        terms = () if file.trash else (file.leased_until, file.minimum_ends_at)
        return self.is_held(file) or any(until is not None and until > self.now for until in terms)

    def is_expired(self, file: File) -> bool:
        return file.ends_at is not None and file.ends_at <= self.now

    def goes(self, file: File) -> bool:
        ends = file.trash.ends_at <= self.now if file.trash else self.is_expired(file)
        return ends and not self.is_protected(file)

    def goes_at(self, file: File) -> datetime | None:
        """Return from when on a sweep must take it, if nobody does anything; None is never."""
        if file.trash:
            terms: list[datetime | None] = [file.trash.ends_at]
        elif file.ends_at is None:
            return None
        else:
            terms = [file.ends_at, file.minimum_ends_at, file.leased_until]
        latest = max([*(term for term in terms if term is not None), *self.holds(file)])
        return None if latest == FOREVER else latest

    # What sweeps do.

    def bury(self, file: File) -> None:
        self.buried[file.id] = self.files.pop(file.id)

    def throw_away(self, file: File, sweep: UUID | None) -> None:
        file.trash = Trash(self.now, self.now + TRASH, sweep)
        file.leased_until = None
        file.version += 1

    def take(self, files: Collection[File], sweep: UUID) -> None:
        for file in files:
            if self.soft and file.trash is None and file.category is not Category.TEMP:
                self.throw_away(file, sweep)
            else:
                self.bury(file)
        self.taken[sweep] = len(files)

    def due(self) -> list[File]:
        return [file for file in self.files.values() if self.goes(file)]

    def sweep(self, sweep: UUID) -> None:
        due = self.due()
        self._close_jobs(due)
        self.take(due, sweep)

    def _close_jobs(self, due: Collection[File]) -> None:
        """Runs are outputs, whose turn comes before that of temp files."""
        going = {file.id for file in due if (file.trash or not self.soft) and file.category is not Category.TEMP}
        left = {file.job for file in self.files.values() if file.id not in going}
        for job_id, job in self.jobs.items():
            job.gone = job.gone or (job.may_go(self.now) and job_id not in left)

    def undo(self, sweep: UUID) -> tuple[int, int]:
        """Return how many files came back, and how many did not."""
        back = [file for file in self.files.values() if file.trash and file.trash.sweep == sweep]
        for file in back:
            self.bring_back(file)
        return len(back), self.taken[sweep] - len(back)

    def restore_job(self, job: UUID) -> int:
        back = [file for file in self.files.values() if file.trash and file.job == job]
        for file in back:
            self.bring_back(file)
        return len(back)

    def bring_back(self, file: File) -> None:
        if self.is_expired(file):
            lifetime = self.rules[file.category].lifetime
            file.ends_at = self.now + (TRASH if lifetime is None else timedelta(hours=lifetime))
            file.explicit = True
        file.trash = None
        file.version += 1

    # What pressure does.

    def used(self, category: Category) -> int:
        return sum(file.size for file in self.files.values() if file.category is category)

    def choose(self, category: Category, wanted: int, *, asking: str | None = None, size: int = 0) -> list[File]:
        """Return who goes for so many bytes: all that could, if that is not enough."""
        crowd = Crowd(
            rules=self.rules[category],
            files=[file for file in self.files.values() if file.category is category],
            may_go=lambda file: file.size > 0 and not self.is_protected(file),
            is_expired=self.is_expired,
        )
        return crowd.choose(wanted, asking=asking, size=size)

    def evict(self, gone: Collection[File]) -> None:
        for file in gone:
            self.bury(file)

    def relieve(self, sweeps: Mapping[Category | None, UUID | None]) -> dict[Category | None, int]:
        """Return how many bytes went, of every category that was too full; `sweeps` are their reliefs."""
        freed: dict[Category | None, int] = {}
        for category, rules in self.rules.items():
            used = self.used(category)
            if rules.high is not None and rules.low is not None and used > rules.high:
                gone = self.choose(category, used - rules.low)
                self.evict(gone)
                freed[category] = sum(file.size for file in gone)
                if (sweep := sweeps.get(category)) is not None:
                    self.taken[sweep] = len(gone)
        return freed

    def make_room(self, category: Category, size: int, owner: str) -> Verdict:
        rules, used = self.rules[category], self.used(category)
        missing = used + size - rules.quota if size else 0
        if missing <= 0:
            return None
        gone = self.choose(category, missing, asking=owner, size=size)
        if size > rules.quota or sum(file.size for file in gone) < missing:
            return QuotaReached
        self.evict(gone)
        if rules.low is not None:
            self.evict(self.choose(category, self.used(category) - rules.low, asking=owner, size=size))
        return None

    # What people ask for.

    def add(self, file: File, hours: int | None, *, explicit: bool) -> None:
        rules = self.rules[file.category]
        hours = hours if explicit else rules.lifetime
        file.ends_at = None if hours is None else file.stored_at + timedelta(hours=hours)
        file.explicit = explicit
        file.minimum_ends_at = None if rules.minimum is None else file.stored_at + timedelta(hours=rules.minimum)
        self.files[file.id] = file

    def is_readable(self, file_id: UUID) -> bool:
        file = self.files.get(file_id)
        return file is not None and file.trash is None and not self.is_expired(file)

    def extend(self, file_id: UUID, ends_at: datetime | None) -> Verdict:
        if not self.is_readable(file_id):
            return FileGone
        self._date(self.files[file_id], ends_at)
        return None

    def extend_job(self, job: UUID, ends_at: datetime | None) -> int:
        self.jobs[job].ends_at = ends_at
        moved = [file for file in self.files.values() if file.job == job and self.is_readable(file.id)]
        for file in moved:
            self._date(file, ends_at)
        return len(moved)

    def _date(self, file: File, ends_at: datetime | None) -> None:
        file.ends_at, file.explicit, file.version = ends_at, True, file.version + 1

    def hold(self, file_id: UUID, until: datetime | None) -> Verdict:
        """Hold until then, `FOREVER`, or release."""
        file = self.files.get(file_id)
        if file is None or (not self.is_held(file) and not self._is_promised(file)):
            return FileGone
        if until is not None or file.held_until is not None:
            file.held_until, file.version = until, file.version + 1
        return None

    def _is_promised(self, file: File) -> bool:
        return file.trash.ends_at > self.now if file.trash else not self.is_expired(file)

    def hold_job(self, job: UUID, until: datetime | None) -> None:
        """Hold until then, `FOREVER`, or release; what says the same again changes no file."""
        if until != self.jobs[job].held_until:
            self.jobs[job].held_until = until
            for file in self.files.values():
                file.version += file.job == job

    def lease(self, file_id: UUID, until: datetime) -> None:
        file = self.files.get(file_id)
        if file is not None and file.trash is None:
            file.leased_until = max(until, file.leased_until or until)

    def delete(self, file_id: UUID, *, for_good: bool, soft: bool) -> Verdict:
        file = self.files.get(file_id)
        if file is None or not (for_good or self.is_readable(file_id)):
            return FileGone
        if self.is_protected(file):
            return FileHeld
        if (soft or (self.soft and file.category is not Category.TEMP)) and not for_good:
            self.throw_away(file, None)
        else:
            self.bury(file)
        return None

    def restore(self, file_id: UUID) -> Verdict:
        file = self.files.get(file_id)
        if file is None or (file.trash is None and self.is_expired(file)):
            return FileGone
        if file.trash is None:
            return FileNotTrashed
        self.bring_back(file)
        return None

    def apply_policy(self, category: Category, rules: Rules) -> int:
        """Return how many files got other dates."""
        before, self.rules[category] = self.rules[category], rules
        if before == rules:
            return 0
        minimum = None if rules.minimum is None else timedelta(hours=rules.minimum)
        moved = 0
        for file in self.files.values():
            if file.category is category and file.trash is None:
                by_category = None if rules.lifetime is None else file.stored_at + timedelta(hours=rules.lifetime)
                kept_until = None if minimum is None else file.stored_at + minimum
                dates = (file.ends_at if file.explicit else by_category, kept_until)
                changed = dates != (file.ends_at, file.minimum_ends_at)
                file.ends_at, file.minimum_ends_at = dates
                file.version += changed
                moved += changed
        return moved

    # What plans do.

    def plan(self, plan_id: UUID) -> set[UUID]:
        due = self.due()
        self.plans[plan_id] = Plan({file.id: file.version for file in due}, self.now + PLAN_LIFETIME)
        return {file.id for file in due}

    def refuses(self, plan_id: UUID) -> Verdict:
        plan = self.plans[plan_id]
        if plan.applied:
            return PlanApplied
        return PlanExpired if plan.expires_at <= self.now else None

    def apply(self, plan_id: UUID, sweep: UUID) -> dict[str, str]:
        """Return which files of the plan stay, and why."""
        plan = self.plans[plan_id]
        plan.applied = True
        drift = {file_id: self._drift(file_id, version) for file_id, version in plan.versions.items()}
        self.take([self.files[file_id] for file_id, reason in drift.items() if reason is None], sweep)
        return {str(file_id): reason for file_id, reason in drift.items() if reason}

    def _drift(self, file_id: UUID, version: int) -> str | None:
        file = self.files.get(file_id)
        if file is None:
            return "gone"
        if self.is_held(file):
            return "held"
        if file.version != version:
            return "gone" if file.trash else "changed"
        return None if self.goes(file) else "kept"
