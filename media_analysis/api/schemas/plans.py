"""Documents about plans."""

from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from pydantic import BaseModel, Field

from media_analysis.api.pages import PageQuery, decode_cursor
from media_analysis.api.schemas.base import RequestDocument
from media_analysis.api.schemas.storage import SweepRead
from media_analysis.retention.models import Plan, SweepStatus
from media_analysis.retention.plans.applying import DriftReason
from media_analysis.retention.plans.queries import PlannedFile
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category


class PlanCreate(RequestDocument, json_schema_extra={"examples": [{"categories": ["frames", "outputs"]}]}):
    """What a plan is to cover."""

    categories: list[Category] | None = Field(
        None, min_length=1, max_length=len(Category), description="Only these; all of them without"
    )

    def wanted(self) -> tuple[Category, ...]:
        """Return the categories asked for, each once."""
        return tuple(Category) if self.categories is None else tuple(dict.fromkeys(self.categories))


class PlanApply(
    RequestDocument,
    json_schema_extra={"examples": [{"hash": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"}]},
):
    """Which plan exactly is confirmed."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$", description="The plan's own, as it was shown")]


class PlanFileQuery(PageQuery):
    """Which page of a plan's files is wanted."""

    def after(self) -> UUID | None:
        """Return the id above which the page begins."""
        return decode_cursor(self.cursor)


class PlannedOutcome(BaseModel):
    """What a plan takes of one category."""

    files: int
    bytes: int


class PlanRead(BaseModel):
    """A plan: what a sweep would have taken when it was made."""

    id: UUID
    hash: str = Field(description="SHA-256 over the policy's version and every file's id, version, size and rule")
    policy_version: str
    files: int
    bytes: int
    categories: dict[str, PlannedOutcome]
    created_at: datetime
    created_by: str
    expires_at: datetime = Field(description="From this instant on it can no longer be applied")
    applied_at: datetime | None
    sweep_id: UUID | None = Field(description="The sweep that applied it")
    sweep_status: SweepStatus | None = Field(
        description="How that sweep stands; anything but `completed` means that the plan is applied in part"
    )

    @classmethod
    def from_plan(cls, plan: Plan, sweep_status: SweepStatus | None = None) -> Self:
        """Return the document of a plan."""
        return cls(
            id=plan.id,
            hash=plan.hash,
            policy_version=plan.policy_version,
            files=plan.files,
            bytes=plan.size_bytes,
            categories={name: PlannedOutcome(**part) for name, part in plan.categories.items()},
            created_at=plan.created_at,
            created_by=plan.created_by,
            expires_at=plan.expires_at,
            applied_at=plan.applied_at,
            sweep_id=plan.sweep_id,
            sweep_status=sweep_status,
        )


class PlanList(BaseModel):
    """One page of plans, newest first."""

    items: list[PlanRead]
    next_cursor: str | None


class PlanFileRead(BaseModel):
    """One file of a plan, as it was when the plan was made."""

    file_id: UUID
    category: Category
    version: int
    size_bytes: int
    rule: RetentionRule

    @classmethod
    def from_file(cls, file: PlannedFile) -> Self:
        """Return the document of a planned file."""
        return cls(
            file_id=file.id, category=file.category, version=file.version, size_bytes=file.size_bytes, rule=file.rule
        )


class PlanFileList(BaseModel):
    """One page of a plan's files, in the order of their ids."""

    items: list[PlanFileRead]
    next_cursor: str | None


class DriftRead(BaseModel):
    """A file of a plan that was left alone."""

    file_id: UUID
    reason: DriftReason = Field(
        description="`gone`: deleted since; `changed`: extended, restored or otherwise another version; "
        "`held`: somebody holds it; `kept`: it may not go now"
    )


class AppliedRead(SweepRead):
    """The sweep that applied a plan, and what it left alone."""

    drift: list[DriftRead] = Field([], description="The first thousand of them")
    drift_files: int = Field(0, description="How many there are")

    @classmethod
    def with_drift(cls, swept: SweepRead) -> Self:
        """Return the document of an application, from that of its sweep."""
        found = {name: swept.details[name] for name in ("drift", "drift_files") if name in swept.details}
        return cls.model_validate(swept.model_dump() | found)
