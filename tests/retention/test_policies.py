"""The policy in force: what the configuration says, what was applied over it, and which files lag behind."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from media_analysis.errors import PolicyMissing
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import (
    activate,
    adopt_configured,
    close_redating,
    get_in_force,
    get_policy,
    list_undated,
)
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings, configured_policy
from media_analysis.storage.category import Category
from tests.conftest import execute, fetch

DAY = timedelta(days=1)


def changed(policy: Policy, rules: Mapping[Category, Mapping[str, Any]]) -> Policy:
    """Return a policy that differs in some rules."""
    return Policy({kind: replace(policy.of(kind), **rules.get(kind, {})) for kind in Category})


@pytest.fixture
async def configured(settings: Settings) -> Policy:
    return configured_policy(settings)


async def put(runtime: Runtime, policy: Policy) -> None:
    async with runtime.db.transaction() as session:
        await activate(session, policy, actor="test")


async def adopt(runtime: Runtime, policy: Policy) -> Policy:
    async with runtime.db.transaction() as session:
        return (await adopt_configured(session, policy)).after


async def undated(runtime: Runtime) -> list[Category]:
    async with runtime.db.read_only() as session:
        return list(await list_undated(session))


async def test_a_policy_reads_back_as_it_was_put_in_force(runtime: Runtime, configured: Policy) -> None:
    everything = {"lifetime": 3 * DAY, "minimum": DAY, "quota_bytes": 10, "high_water_bytes": 9, "low_water_bytes": 8}
    other = changed(configured, {Category.FRAMES: everything | {"eviction_priority": None, "schedule": "1 2 * * *"}})

    await put(runtime, other)
    async with runtime.db.read_only() as session:
        found = await get_policy(session)

    assert found == other
    assert found is not None
    assert found.version == other.version != configured.version


async def test_a_fresh_service_is_governed_by_its_configuration(runtime: Runtime, configured: Policy) -> None:
    async with runtime.db.read_only() as session:
        found = await get_in_force(session)

    assert found.policy == configured
    assert found.configured
    assert await undated(runtime) == []


async def test_an_applied_policy_outlives_restarts_until_the_configuration_changes(
    runtime: Runtime, configured: Policy
) -> None:
    applied = changed(configured, {Category.TEMP: {"lifetime": DAY / 2}})
    edited = changed(configured, {Category.CLIPS: {"quota_bytes": 1}})
    await put(runtime, applied)

    restarted = await adopt(runtime, configured)
    reconfigured = await adopt(runtime, edited)

    assert restarted == applied
    assert reconfigured == edited


async def test_a_configuration_that_says_what_is_in_force_is_noted_and_not_activated_again(
    runtime: Runtime, configured: Policy, database: str
) -> None:
    applied = changed(configured, {Category.TEMP: {"lifetime": DAY / 2}})
    await put(runtime, applied)

    await adopt(runtime, applied)
    events = await fetch(database, "SELECT actor FROM audit_events WHERE action = 'policy_activated' ORDER BY id")
    async with runtime.db.read_only() as session:
        found = await get_in_force(session)

    assert [row["actor"] for row in events] == ["configuration", "test"]
    assert found.configured


async def test_categories_lag_behind_from_the_change_of_their_dates_until_they_are_re_dated(
    runtime: Runtime, configured: Policy
) -> None:
    first = changed(configured, {Category.FRAMES: {"lifetime": DAY}, Category.CLIPS: {"quota_bytes": 7}})
    second = changed(first, {Category.UPLOADS: {"minimum": DAY}})

    await put(runtime, first)
    after_first = await undated(runtime)
    await adopt(runtime, second)
    after_second = await undated(runtime)
    async with runtime.db.transaction() as session:
        await close_redating(session, second, actor="test", files={Category.FRAMES: 3})

    assert after_first == [Category.FRAMES]
    assert after_second == [Category.UPLOADS, Category.FRAMES]
    assert await undated(runtime) == []


async def test_without_any_policy_nothing_is_in_force(runtime: Runtime, database: str) -> None:
    await execute(database, "DELETE FROM category_policies")

    with pytest.raises(PolicyMissing):
        await runtime.retention.policies.in_force()
