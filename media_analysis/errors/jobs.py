"""Why a job does not do what is asked of it."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from media_analysis.errors.kinds import Conflict, Gone, Invalid, NotFound, TooMany

ROOM_SECONDS: Final = 60
"""After how long whoever may have no more jobs waiting should ask again; queues of that length take minutes."""


class FenceLost(Conflict):
    """Whoever writes no longer runs the job: it was cancelled, has ended, or somebody else took it over."""

    code = "job_fence_lost"

    def __init__(self, job_id: UUID) -> None:
        super().__init__("this run of the job is over; its writes are refused")
        self.job_id = job_id


class PlaceTaken(Conflict):
    """The run has a product of that role and ordinal already."""

    code = "product_exists"

    def __init__(self, *, role: str, ordinal: int) -> None:
        super().__init__(f"the run has a product {role} {ordinal} already")
        self.role = role
        self.ordinal = ordinal


class JobEnded(Conflict):
    """Only a job that waits or runs can be cancelled."""

    code = "job_ended"

    def __init__(self, job_id: UUID, *, status: str) -> None:
        super().__init__(f"the job is {status}")
        self.job_id = job_id
        self.job_status = status


class JobNotFailed(Conflict):
    """Only a job that failed can be tried again."""

    code = "job_not_failed"

    def __init__(self, job_id: UUID, *, status: str) -> None:
        super().__init__(f"only a failed job can be tried again; this one is {status}")
        self.job_id = job_id
        self.job_status = status


class TooManyJobs(TooMany):
    """The owner has as many jobs waiting as one may; nothing was queued."""

    code = "too_many_jobs"

    def __init__(self, owner: str, *, waiting: int, limit: int) -> None:
        super().__init__(
            f"{waiting} jobs of {owner} wait, and an owner may have {limit} waiting at once;"
            " ask again when some have begun, or cancel some",
            retry_after_seconds=ROOM_SECONDS,
        )
        self.waiting = waiting
        self.limit = limit


class JobGone(Gone):
    """The job was deleted; what is left is its summary in the audit trail."""

    code = "job_gone"

    def __init__(
        self, job_id: UUID, *, deleted_at: datetime | None = None, restorable_until: datetime | None = None
    ) -> None:
        super().__init__("the job was deleted")
        self.job_id = job_id
        self.deleted_at = deleted_at
        self.restorable_until = restorable_until


class JobHeld(Conflict):
    """A hold on the job or its files, a minimum retention, or a job that works with its files forbids deleting it."""

    code = "job_held"

    def __init__(self, job_id: UUID, *, held_files: int, rule: str = "hold", until: datetime | None = None) -> None:
        super().__init__("the job or some of its files may not be deleted yet")
        self.job_id = job_id
        self.held_files = held_files
        self.rule = rule
        self.until = until


class UnknownKind(Invalid):
    """Nobody here can run that kind of job."""

    code = "unknown_kind"

    def __init__(self, kind: str, *, known: Sequence[str]) -> None:
        super().__init__(f"there is no kind {kind!r} of job")
        self.kind = kind
        self.known = list(known)


class SourceUnusable(Invalid):
    """A source of the job is not there to be analysed."""

    code = "source_unusable"

    def __init__(self, file_id: UUID, *, why: str) -> None:
        super().__init__(f"source {file_id} {why}")
        self.file_id = file_id
        self.why = why


class ResultNotFound(NotFound):
    """No such result for this caller, or it has expired."""

    code = "result_not_found"

    def __init__(self, result_id: UUID) -> None:
        super().__init__("no such result")
        self.result_id = result_id


class SchemaNotFound(NotFound):
    """No schema is published for results of that kind."""

    code = "schema_not_found"

    def __init__(self, *, known: Sequence[str]) -> None:
        super().__init__("no schema is published for that kind of result")
        self.known = list(known)
