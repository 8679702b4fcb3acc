"""Why something is not deleted, restored or planned as asked."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from media_analysis.errors.kinds import Conflict, Invalid, NotFound


class JobNotFound(NotFound):
    """No such job for this caller."""

    code = "job_not_found"

    def __init__(self, job_id: UUID) -> None:
        super().__init__("no such job")
        self.job_id = job_id


class FileNotTrashed(Conflict):
    """Only a file in the trash can be restored; this one was never deleted."""

    code = "file_not_trashed"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("the file is not in the trash")
        self.file_id = file_id


class PlanNotFound(NotFound):
    """No such plan."""

    code = "plan_not_found"

    def __init__(self, plan_id: UUID) -> None:
        super().__init__("no such plan")
        self.plan_id = plan_id


class PlanExpired(Conflict):
    """The plan is too old to be applied; make a new one."""

    code = "plan_expired"

    def __init__(self, plan_id: UUID, *, expires_at: datetime) -> None:
        super().__init__("the plan has expired; make a new one")
        self.plan_id = plan_id
        self.expires_at = expires_at


class PlanApplied(Conflict):
    """The plan was applied before; a plan is applied once."""

    code = "plan_applied"

    def __init__(self, plan_id: UUID, *, applied_at: datetime, sweep_id: UUID | None) -> None:
        super().__init__("the plan was applied already")
        self.plan_id = plan_id
        self.applied_at = applied_at
        self.sweep_id = sweep_id


class PlanHashDiffers(Conflict):
    """The hash given is not the plan's: somebody confirms another plan than this one."""

    code = "plan_hash_differs"

    def __init__(self, plan_id: UUID) -> None:
        super().__init__("this is not the hash of the plan")
        self.plan_id = plan_id


class PauseNotFound(NotFound):
    """No such pause."""

    code = "pause_not_found"

    def __init__(self, pause_id: UUID) -> None:
        super().__init__("no such pause")
        self.pause_id = pause_id


class DeletionPaused(Conflict):
    """Deletion stands still until somebody confirms."""

    code = "deletion_paused"

    def __init__(self, category: str | None, *, pause_id: UUID, reason: str) -> None:
        super().__init__(f"deletion is paused: {reason}")
        self.category = category
        self.pause_id = pause_id
        self.reason = reason


class ConfirmationNeeded(Conflict):
    """What is asked for takes more than usual and wants to be confirmed in so many words."""

    code = "confirmation_needed"

    def __init__(self, *, confirm: str, reason: str) -> None:
        super().__init__(f"{reason}; confirm with {confirm!r}")
        self.confirm = confirm
        self.reason = reason


class PolicyRefused(Invalid):
    """The policy has settings that are unknown or not allowed, or fails its own tests; nothing changed."""

    code = "policy_refused"

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("the policy is refused")
        self.problems = tuple(problems)


class PolicySuperseded(Conflict):
    """Another policy came into force meanwhile; what this one would do has to be looked at again."""

    code = "policy_superseded"

    def __init__(self, *, policy_version: str) -> None:
        super().__init__("another policy came into force meanwhile; preview this one again")
        self.policy_version = policy_version
