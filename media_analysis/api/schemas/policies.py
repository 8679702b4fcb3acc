"""Documents about policies: what is in force, and what another one would do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, Final, Self
from uuid import UUID

from fastapi import Body
from pydantic import AfterValidator, BaseModel, Field

from media_analysis.api.schemas.base import ReadModel, RequestDocument
from media_analysis.policy.decision import CategoryRules
from media_analysis.policy.in_force import InForce
from media_analysis.retention.preview import Change, Impact, PolicyPreview
from media_analysis.retention.redating import Applied
from media_analysis.storage.category import Category

DEEPEST: Final = 10
"""Deeper than any setting; refusals quote values, which takes a stack as deep as they are."""
_UNITS: Final[Mapping[str, str]] = {"lifetime": "lifetime_seconds", "minimum": "minimum_seconds"}


def _shallow(tree: dict[str, Any]) -> dict[str, Any]:
    level: list[Any] = [tree]
    for _ in range(DEEPEST):
        branches = [branch for branch in level if isinstance(branch, dict | list)]
        level = [below for branch in branches for below in (branch.values() if isinstance(branch, dict) else branch)]
    if level:
        raise ValueError(f"deeper than {DEEPEST} levels")
    return tree


PolicyTree = Annotated[
    dict[str, Any],
    AfterValidator(_shallow),
    Body(
        description="A tree of settings as in the YAML file; what it does not name stays as it is",
        examples=[{"storage": {"retention": {"frames": "5d"}, "quotas": {"frames": "20GiB"}}}],
    ),
]


class PolicyApply(
    RequestDocument,
    json_schema_extra={"examples": [{"policy": {"storage": {"retention": {"frames": "5d"}}}, "confirm": 120}]},
):
    """A policy that is to be put in force."""

    policy: Annotated[dict[str, Any], AfterValidator(_shallow)] = Field(
        description="A tree of settings as in the YAML file; what it does not name stays as it is"
    )
    policy_version: str | None = Field(
        None, description="What its preview called it; refused if by now it would be another"
    )
    confirm: int | None = Field(
        None, ge=0, strict=True, description="How many files may fall due or be evicted at once, where that is unusual"
    )


class PolicyApplied(BaseModel):
    """What applying a policy did."""

    policy_version: str
    files: dict[Category, int] = Field(description="How many stored files got other dates")

    @classmethod
    def from_applied(cls, applied: Applied) -> Self:
        """Return the document of what was done."""
        return cls(policy_version=applied.preview.policy_version, files=dict(applied.files))


class RulesRead(BaseModel):
    """What one category keeps, for how long, and what goes first when room is short."""

    lifetime_seconds: float | None = Field(description="Counted from the end of the upload; null is indefinite")
    minimum_seconds: float | None = Field(description="Nothing goes before it is this old")
    quota_bytes: int | None
    owner_quota_bytes: int | None = Field(None, description="What one owner may use of it; null is as much as there is")
    high_water_bytes: int | None
    low_water_bytes: int | None
    eviction_priority: int | None = Field(description="Lowest goes first; null is never evicted")
    schedule: str = Field(description="When it is swept, as a cron expression (UTC)")

    @classmethod
    def from_rules(cls, rules: CategoryRules) -> Self:
        """Return the document of a category's rules."""
        return cls(**{_UNITS.get(name, name): value for name, value in rules.document().items()})


class PolicyRead(BaseModel):
    """The policy in force."""

    policy_version: str
    configured: bool = Field(description="Whether the configuration describes it; otherwise it was applied since")
    categories: dict[Category, RulesRead]

    @classmethod
    def from_in_force(cls, found: InForce) -> Self:
        """Return the document of the policy in force."""
        return cls(
            policy_version=found.policy.version,
            configured=found.configured,
            categories={category: RulesRead.from_rules(found.policy.of(category)) for category in Category},
        )


class ChangeRead(ReadModel):
    """One rule before and after."""

    before: float | str | None
    after: float | str | None


class OwnerLossRead(ReadModel):
    """What evictions take of one owner."""

    owner: str
    files: int
    size_bytes: int


class ImpactRead(BaseModel):
    """What a policy does to the stored files of one category."""

    files: int = Field(description="How many get another expiry or another minimum")
    bytes: int
    owners: int
    earliest_deletion: datetime | None = Field(description="When the first of them falls due; in the past: at once")
    newly_due_files: int = Field(description="How many are due at once that were not")
    newly_due_bytes: int
    held_files: int = Field(description="How many move and yet stay, because they are held")
    evicted_files: int = Field(description="How many changed marks or priorities evict at once, whatever their dates")
    evicted_bytes: int
    evicted_owners: list[OwnerLossRead] = Field(description="Who loses most by those evictions, most first")
    passed_over_files: int = Field(description="How many those evictions pass over, because they are held")
    changes: dict[str, ChangeRead] = Field(description="The rules that change")

    @classmethod
    def from_impact(cls, impact: Impact) -> Self:
        """Return the document of what becomes of a category."""
        return cls(
            files=impact.files,
            bytes=impact.size_bytes,
            owners=impact.owners,
            earliest_deletion=impact.earliest_deletion,
            newly_due_files=impact.newly_due_files,
            newly_due_bytes=impact.newly_due_bytes,
            held_files=impact.held_files,
            evicted_files=impact.evicted_files,
            evicted_bytes=impact.evicted_bytes,
            evicted_owners=[OwnerLossRead.model_validate(loss) for loss in impact.evicted_owners],
            passed_over_files=impact.passed_over_files,
            changes={_UNITS.get(name, name): _change(change) for name, change in impact.changes.items()},
        )


class MovedFileRead(ReadModel):
    """A file that gets another date."""

    file_id: UUID
    owner: str
    category: Category
    filename: str
    size_bytes: int
    expires_at: datetime | None
    new_expires_at: datetime | None = Field(description="The same as before where only the minimum moves")


class PreviewRead(BaseModel):
    """What a policy would do if it were applied now."""

    policy_version: str
    in_force_version: str
    categories: dict[Category, ImpactRead]
    largest: list[MovedFileRead] = Field(description="The largest files that get another date")
    needs_confirmation: bool = Field(
        description="Whether an unusual share of a category falls due or is evicted at once: that wants `confirm`"
    )
    confirm: int = Field(description="How many files fall due or are evicted at once, which confirms it")

    @classmethod
    def from_preview(cls, preview: PolicyPreview) -> Self:
        """Return the document of a preview."""
        return cls(
            policy_version=preview.policy_version,
            in_force_version=preview.in_force_version,
            categories={kind: ImpactRead.from_impact(impact) for kind, impact in preview.categories.items()},
            largest=[MovedFileRead.model_validate(file) for file in preview.largest],
            needs_confirmation=preview.needs_confirmation,
            confirm=preview.confirm,
        )


def _change(change: Change) -> ChangeRead:
    return ChangeRead.model_validate(change)
