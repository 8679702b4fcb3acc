"""Documents about analysis jobs."""

from datetime import datetime, timedelta
from typing import Annotated, Any, Final, Literal, Self
from uuid import UUID

from pydantic import BaseModel, Field, model_validator

from media_analysis.api import API_PATH
from media_analysis.api.pages import PageQuery, encode_cursor
from media_analysis.api.place import address
from media_analysis.api.schemas.base import OF_LABELS, RequestDocument
from media_analysis.errors import AdminRequired, InvalidRequest
from media_analysis.files.expiry import Expiry
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.jobs.queries import JobFilter
from media_analysis.jobs.service import JobPage, JobView
from media_analysis.labels import LabelChanges, LabelFilters, Relabel, parse_filters, relabelling
from media_analysis.states import finite
from media_analysis.storage.category import Category
from media_analysis.values import Instant, Owner, Seconds

KindName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
FolderName = Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,60}$")]
MADE: Final = frozenset(
    {"source_file_ids", "labels", "error", "archive", "held", "held_until", "hold_reason", "held_by"}
)
"""What is not a column as it is."""


class JobListQuery(PageQuery):
    """Which jobs a list shows."""

    status: list[JobStatus] = Field(default_factory=list, max_length=10, description="Any of these; may be repeated")
    kind: KindName | None = None
    owner: Owner | None = Field(None, description="Administrators only; others see their own")
    created_after: Instant | None = Field(None, description="Created at this instant or later")
    created_before: Instant | None = Field(None, description="Created earlier than this instant")
    folder_name: FolderName | None = None
    folder_prefix: FolderName | None = Field(None, description="Such as `20301231_` for the jobs of a day (UTC)")
    label: LabelFilters | None = Field(None, description=OF_LABELS)

    def wanted(self, *, scope: str | None) -> JobFilter:
        """Return the filter for a caller who may see `scope`, everybody's jobs if None."""
        asked = self.model_dump(exclude={"limit", "cursor", "owner", "status", "label"})
        labels = parse_filters(self.label or ())
        return JobFilter(owner=scope or self.owner, statuses=self.status, labels=labels, **asked)


class JobCancelQuery(RequestDocument):
    """Which jobs are cancelled; a parameter that is not known is refused, lest a mistyped one cancels more."""

    status: Literal["pending"] = Field(
        description="Has to be given: only jobs that wait can be cancelled many at a time"
    )
    kind: KindName | None = None
    owner: Owner | None = Field(None, description="Whose jobs, for administrators; others cancel their own")
    everyone: bool = Field(False, description="The jobs of all owners, for administrators who name none")
    created_after: Instant | None = Field(None, description="Created at this instant or later")
    created_before: Instant | None = Field(None, description="Created earlier than this instant")

    def wanted(self, *, scope: str | None) -> JobFilter:
        """Return the filter for a caller who may cancel the jobs of `scope`, of anybody if None.

        Raises:
            AdminRequired: the jobs of others are meant.
            InvalidRequest: an administrator does not say whose are meant, or says so in contradiction.

        """
        if scope is not None and (self.everyone or self.owner not in {None, scope}):
            raise AdminRequired
        if scope is None and self.everyone == (self.owner is not None):
            raise InvalidRequest("owner", "name an owner, or say everyone=true for the jobs of all; one of the two")
        asked = self.model_dump(include={"kind", "created_after", "created_before"})
        return JobFilter(owner=scope or self.owner, **asked)


class JobsCancelled(BaseModel):
    """What became of a request to cancel many jobs."""

    cancelled: int = Field(description="How many jobs waited and are cancelled now")


class JobUpdate(
    RequestDocument, json_schema_extra={"examples": [{"ttl_seconds": 2592000}, {"labels": {"event": "evt42"}}]}
):
    """A new end for the whole run, or labels; `expires_at: null` keeps it until it is deleted."""

    ttl_seconds: Seconds | None = Field(None, description="Lifetime from now")
    expires_at: Instant | None = None
    labels: LabelChanges | None = Field(
        None,
        description="What is named is set, or taken away by null; null alone takes all away (RFC 7396). Products that "
        "are stored keep theirs",
    )

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        given = self.model_fields_set
        if len(given) != 1:
            raise ValueError("give one of ttl_seconds, expires_at and labels")
        if "ttl_seconds" in given and self.ttl_seconds is None:
            raise ValueError("ttl_seconds must be a number; send expires_at: null to keep the job indefinitely")
        return self

    def relabel(self) -> Relabel | None:
        """Return what makes the new labels of the old ones, None to leave them as they are."""
        return relabelling(self.labels) if "labels" in self.model_fields_set else None

    def expiry(self) -> Expiry:
        """Return the new expiry."""
        if self.ttl_seconds is not None:
            return Expiry(lifetime=timedelta(seconds=self.ttl_seconds))
        return Expiry(at=self.expires_at)


class JobExtended(BaseModel):
    """When a job ends now, how many files have been given that end, and its labels."""

    job_id: UUID
    expires_at: datetime | None
    files: int = Field(description="How many of its files end with it from now on; 0 where labels were changed")
    labels: dict[str, str]


class JobError(BaseModel):
    """Why a job failed, or why its last attempt did."""

    code: str
    detail: str


class JobWarning(BaseModel):
    """What a reader of the outcome should know, such as that a file is truncated."""

    code: str
    detail: str


class JobRead(BaseModel):
    """A job as its owner sees it."""

    id: UUID
    owner: str
    name: str
    kind: str
    parameters: dict[str, Any] = Field(description="As they were given; what was left out has its kind's default")
    source_file_ids: list[UUID] = Field(description="In the order they were given; some may be gone by now")
    labels: dict[str, str] = Field(description="What whoever asked calls it by; its products have them, too")
    status: JobStatus
    progress: float = Field(description="Share done, 0 to 1")
    stage: str | None = Field(description="What it is at")
    stage_done: int | None = Field(description="How much of the stage is done, where it can be counted")
    stage_total: int | None
    priority: int = Field(description="Among its owner's jobs: higher ones are begun first")
    lifted: bool = Field(description="Whether its priority counts across owners, as of an administrator's positive one")
    attempts: int = Field(description="How often it was begun since it was last asked for")
    worker: str | None = Field(description="Who runs it, or ran it last")
    retry_at: datetime | None = Field(description="Not tried again before; null where it does not wait for that")
    error: JobError | None = Field(description="Of a failed job; of one that waits, why its last attempt failed")
    warnings: list[JobWarning]
    pinned_until: datetime | None = Field(description="Its sources stay until then while it waits; null is not pinned")
    folder_name: str = Field(description="`YYYYMMDD_HHMMSS_{id}` in UTC")
    category: Category
    created_at: datetime
    started_at: datetime | None
    completed_at: datetime | None = Field(description="When it ended, whichever way")
    expires_at: datetime | None
    archived_at: datetime | None = Field(description="Since when it is read-only and its files lie in its archive")
    restored_at: datetime | None = Field(description="When it came back from its archive the last time")
    archive: str | None = Field(description="Where its archive is, which a restored job keeps; null while it has none")
    held: bool = Field(description="Whether nothing may delete it and its files")
    held_until: datetime | None = Field(description="Null, where it is held, is until somebody releases it")
    hold_reason: str | None
    held_by: str | None

    @classmethod
    def from_view(cls, view: JobView) -> Self:
        """Return the document of a job; a hold that has ended is told no more."""
        job = view.job
        told = {name: getattr(job, name) for name in cls.model_fields if name not in MADE}
        failed = None if job.error is None else JobError(code=job.error_code or "internal_error", detail=job.error)
        archive = None if job.archive_file_id is None else archive_path(job.id)
        held = hold_facts(job, view.at)
        return cls(
            **told, **held, source_file_ids=list(view.sources), labels=job.labels or {}, error=failed, archive=archive
        )


def archive_path(job_id: UUID) -> str:
    """Return where a job's archive is."""
    return address(f"{API_PATH}/jobs/{job_id}/archive")


def hold_facts(job: AnalysisJob, now: datetime) -> dict[str, Any]:
    """Return what is told of a job's hold; one that has ended is none."""
    if not job.is_held(now):
        return {"held": False, "held_until": None, "hold_reason": None, "held_by": None}
    return {"held": True, "held_until": finite(job.held_until), "hold_reason": job.hold_reason, "held_by": job.held_by}


class JobList(BaseModel):
    """One page of jobs, newest first."""

    items: list[JobRead]
    next_cursor: str | None

    @classmethod
    def from_page(cls, page: JobPage) -> Self:
        """Return the document of a page."""
        return cls(items=list(map(JobRead.from_view, page.views)), next_cursor=encode_cursor(page.next_before))
