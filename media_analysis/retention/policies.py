"""The policy in force: seven rows that uploads, sweeps and schedulers of every process read."""

from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.instance import Instance
from media_analysis.errors import PolicyMissing
from media_analysis.files.audit import Act, Action, add_events
from media_analysis.files.models import CategoryPolicy
from media_analysis.retention.policy import CategoryRules, Policy


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


async def activate(session: AsyncSession, policy: Policy, *, actor: str) -> None:
    """Put a policy in force for all that is stored from now on; what is stored keeps its dates."""
    rows = [
        {
            "category": category,
            "lifetime_seconds": _seconds(rules.lifetime),
            "minimum_seconds": _seconds(rules.minimum),
            "quota_bytes": rules.quota_bytes,
            "high_water_bytes": rules.high_water_bytes,
            "low_water_bytes": rules.low_water_bytes,
            "eviction_priority": rules.eviction_priority,
            "schedule": rules.schedule,
        }
        for category, rules in policy.rules.items()
    ]
    statement = insert(CategoryPolicy).values(rows)
    columns = {name: statement.excluded[name] for name in rows[0] if name != "category"}
    await session.execute(statement.on_conflict_do_update(index_elements=["category"], set_=columns))
    details = {"policy_version": policy.version, "policy": policy.document()}
    await add_events(session, [Act(actor=actor, action=Action.POLICY_ACTIVATED, details=details)])


async def adopt_configured(session: AsyncSession, configured: Policy) -> Policy:
    """Return the policy in force, after activating the configured one if the configuration is a new one.

    A policy that was applied since stays in force as long as the configuration is the one it was applied over.
    """
    instance = (await session.scalars(select(Instance).with_for_update())).one()
    active = await get_policy(session)
    if active is not None and instance.settings_version == configured.version:
        return active
    instance.settings_version = configured.version
    if active is None or active.version != configured.version:
        await activate(session, configured, actor="configuration")
    await session.flush()
    return configured


def _span(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


def _seconds(span: timedelta | None) -> float | None:
    return None if span is None else span.total_seconds()
