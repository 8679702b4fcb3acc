"""The policy in force: seven rows that uploads, sweeps and schedulers of every process read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.audit import Act, Action, AuditEvent, add_events
from media_analysis.columns import CATEGORY
from media_analysis.db.base import Base
from media_analysis.db.instance import Instance
from media_analysis.errors import PolicyMissing
from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.storage.category import Category

_UNDATED = "undated"


class CategoryPolicy(Base):
    """The policy in force for one category; uploads and sweeps read it here, so that all processes agree."""

    __tablename__ = "category_policies"

    category: Mapped[Category] = mapped_column(CATEGORY, primary_key=True)
    lifetime_seconds: Mapped[float | None]
    minimum_seconds: Mapped[float | None]
    quota_bytes: Mapped[int | None]
    owner_quota_bytes: Mapped[int | None]
    """What one owner may use of it; NULL is as much as there is."""
    high_water_bytes: Mapped[int | None]
    low_water_bytes: Mapped[int | None]
    eviction_priority: Mapped[int | None]
    """Lowest goes first; NULL is never evicted."""
    schedule: Mapped[str]


@dataclass(frozen=True)
class InForce:
    """The policy in force, and the version of the one the configuration describes."""

    policy: Policy
    configured_version: str | None

    @property
    def configured(self) -> bool:
        """Whether it is the configured one, rather than one that was applied since."""
        return self.policy.version == self.configured_version


async def get_policy(session: AsyncSession) -> Policy | None:
    """Return the policy in force, None before the first start."""
    rows = (await session.scalars(select(CategoryPolicy))).all()
    if not rows:
        return None
    return Policy(
        {
            row.category: CategoryRules(
                lifetime=_span(row.lifetime_seconds),
                minimum=_span(row.minimum_seconds),
                quota_bytes=row.quota_bytes,
                owner_quota_bytes=row.owner_quota_bytes,
                high_water_bytes=row.high_water_bytes,
                low_water_bytes=row.low_water_bytes,
                eviction_priority=row.eviction_priority,
                schedule=row.schedule,
            )
            for row in rows
        }
    )


async def require_policy(session: AsyncSession) -> Policy:
    """Return the policy in force.

    Raises:
        PolicyMissing: nobody ever put one in force; a service that opened its runtime did.

    """
    policy = await get_policy(session)
    if policy is None:
        raise PolicyMissing
    return policy


async def get_in_force(session: AsyncSession) -> InForce:
    """Return the policy in force and whether it is the configured one.

    Raises:
        PolicyMissing: there is none yet.

    """
    policy = await require_policy(session)
    return InForce(policy, (await session.scalars(select(Instance.settings_version))).one_or_none())


async def activate(session: AsyncSession, policy: Policy, *, actor: str) -> None:
    """Put a policy in force for all that is stored from now on; what is stored keeps its dates.

    The event names the categories that have files dated by an earlier policy, until somebody re-dates them.
    """
    await _activate(session, policy, await get_policy(session), actor=actor)


async def _activate(session: AsyncSession, policy: Policy, before: Policy | None, *, actor: str) -> None:
    undated = [] if before is None else await _undated_by(session, policy, before)
    await _replace(session, policy)
    details: dict[str, Any] = {"policy_version": policy.version, "policy": policy.document(), _UNDATED: undated}
    await add_events(session, [Act(actor=actor, action=Action.POLICY_ACTIVATED, details=details)])


async def close_redating(session: AsyncSession, policy: Policy, *, actor: str, files: Mapping[Category, int]) -> None:
    """Note that all stored files follow the policy in force."""
    moved = {category.value: number for category, number in files.items()}
    details: dict[str, Any] = {"policy_version": policy.version, "files": moved, _UNDATED: []}
    await add_events(session, [Act(actor=actor, action=Action.POLICY_APPLIED, details=details)])


async def list_undated(session: AsyncSession) -> Sequence[Category]:
    """Return the categories whose stored files an earlier policy may have dated, whatever is in force now."""
    acts = (Action.POLICY_ACTIVATED.value, Action.POLICY_APPLIED.value)
    latest = select(AuditEvent.details).where(AuditEvent.action.in_(acts)).order_by(AuditEvent.id.desc()).limit(1)
    details = (await session.scalars(latest)).one_or_none() or {}
    named = details.get(_UNDATED, [])
    return [category for category in Category if category.value in named]


async def _undated_by(session: AsyncSession, policy: Policy, before: Policy) -> Sequence[str]:
    undated = await list_undated(session)
    moved = [category for category in Category if dates_differ(before.of(category), policy.of(category))]
    return [category.value for category in Category if category in {*undated, *moved}]


def dates_differ(old: CategoryRules, new: CategoryRules) -> bool:
    """Say whether two sets of rules may give a file different dates."""
    return (old.lifetime, old.minimum) != (new.lifetime, new.minimum)


def marks_differ(old: CategoryRules, new: CategoryRules) -> bool:
    """Say whether two sets of rules may evict different files."""
    return _marks(old) != _marks(new)


def _marks(rules: CategoryRules) -> tuple[int | None, ...]:
    return (rules.high_water_bytes, rules.low_water_bytes, rules.eviction_priority, rules.owner_quota_bytes)


async def _replace(session: AsyncSession, policy: Policy) -> None:
    rows = [
        {
            "category": category,
            "lifetime_seconds": _seconds(rules.lifetime),
            "minimum_seconds": _seconds(rules.minimum),
            "quota_bytes": rules.quota_bytes,
            "owner_quota_bytes": rules.owner_quota_bytes,
            "high_water_bytes": rules.high_water_bytes,
            "low_water_bytes": rules.low_water_bytes,
            "eviction_priority": rules.eviction_priority,
            "schedule": rules.schedule,
        }
        for category, rules in policy.rules.items()
    ]
    statement = insert(CategoryPolicy)
    columns = {name: statement.excluded[name] for name in rows[0] if name != "category"}
    # Rows beside the statement, not in it: in it, they are compiled anew each time.
    await session.execute(statement.on_conflict_do_update(index_elements=["category"], set_=columns), rows)


class Adopted(NamedTuple):
    """The policies in force before and after a configuration was adopted."""

    before: Policy | None
    after: Policy


async def adopt_configured(session: AsyncSession, configured: Policy) -> Adopted:
    """Activate the configured policy if the configuration is a new one, and return what was and is in force.

    A policy that was applied since stays in force as long as the configuration is the one it was applied over.
    """
    instance = (await session.scalars(select(Instance).with_for_update())).one()
    before = await get_policy(session)
    if before is not None and instance.settings_version == configured.version:
        return Adopted(before, before)
    instance.settings_version = configured.version
    if before is None or before.version != configured.version:
        await _activate(session, configured, before, actor="configuration")
    await session.flush()
    return Adopted(before, configured)


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
