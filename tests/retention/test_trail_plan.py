"""Pages of the trail come from an index, in its order, whatever they are narrowed to (design law 7)."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Select

from media_analysis.audit import Action
from media_analysis.labels import parse_filters
from media_analysis.retention.models import Sweep
from media_analysis.retention.trail import (
    DeletionFilter,
    EventFilter,
    TrailPosition,
    deleted_by,
    select_events,
    select_tombstones,
)
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute
from tests.plans import as_new

_SWEEPS = """
    INSERT INTO sweeps (id, kind, trigger, requested_by, dry_run, status, started_at, ended_at, files, size_bytes,
                        errors, categories)
    SELECT ('00000000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid, 'cleanup:temp', 'schedule', 'schedule',
        false, 'completed', '2030-01-01Z'::timestamptz + number * interval '1 hour',
        '2030-01-01Z'::timestamptz + number * interval '1 hour' + interval '1 minute', 500, 500, 0,
        jsonb_build_object('temp', jsonb_build_object('files_trashed', CASE WHEN number = 20 THEN 500 ELSE 0 END))
    FROM generate_series(1, 20) AS number
"""
_STONES = """
    INSERT INTO tombstones (id, owner, category, state, key, filename, media_type, created_at, deleted_at, rule,
                            requested_by, sweep_id, purge_id, labels)
    SELECT gen_random_uuid(), 'owner' || number % 50, 'temp', 'stored', 'k', 'f', 'text/plain', now(),
        sweeps.started_at, 'explicit_expiry', 'schedule', sweeps.id, gen_random_uuid(),
        CASE WHEN number % 10 = 7 THEN '{"camera": "north"}'::jsonb END
    FROM sweeps CROSS JOIN generate_series(1, 500) AS number
"""
_EVENTS = """
    INSERT INTO audit_events (id, actor, action, file_id, job_id, sweep_id)
    SELECT gen_random_uuid(), 'alice', 'held', gen_random_uuid(),
        ('00000000-0000-7000-8000-' || lpad((number % 50)::text, 12, '0'))::uuid, gen_random_uuid()
    FROM generate_series(1, 10000) AS number
"""


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services over ten thousand tombstones of twenty sweeps and as many events; no oracle, for none has bytes."""
    async with open_runtime(settings, database) as opened:
        await execute(
            database, _SWEEPS, _STONES, _EVENTS, as_new("tombstones", "tombstone_labels", "audit_events", "sweeps")
        )
        yield opened


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from nodes(below)


async def explain(runtime: Runtime, query: Select[Any]) -> tuple[set[str], set[str], str]:
    """Return the kinds of nodes, the indexes and the index conditions of a plan."""
    compiled = query.compile(dialect=runtime.db.engine.sync_engine.dialect, compile_kwargs={"literal_binds": True})
    async with runtime.db.engine.connect() as connection:
        told = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {compiled}")).scalar_one()
    plan = list(nodes(told[0]["Plan"]))
    indexes = {node["Index Name"] for node in plan if "Index Name" in node}
    conditions = " ".join(str(node.get("Index Cond", "")) for node in plan)
    return {node["Node Type"] for node in plan}, indexes, conditions


UNORDERED = {"Seq Scan", "Sort", "Incremental Sort"}
AMID = UUID("80000000-0000-4000-8000-000000000000")
"""Half of the random ids come before it, whoever drew them."""


@pytest.mark.parametrize(
    ("owner", "label", "indexes"),
    [
        (None, [], {"ix_tombstones_deleted_at"}),
        ("owner7", [], {"ix_tombstones_owner"}),
        (None, ["camera:north"], {"ix_tombstone_labels_any", "pk_tombstones"}),
        ("owner7", ["camera"], {"ix_tombstone_labels_own", "pk_tombstones"}),
    ],
    ids=["all", "own", "all with a label", "own with a label"],
)
@pytest.mark.parametrize("place", [False, True], ids=["first", "later"])
async def test_a_page_of_deletions_follows_an_index(
    runtime: Runtime, owner: str | None, label: list[str], indexes: set[str], *, place: bool
) -> None:
    wanted = DeletionFilter(owner=owner, labels=parse_filters(label))
    after = TrailPosition(await runtime.db.now() + timedelta(days=3650), AMID) if place else None

    kinds, used, _ = await explain(runtime, select_tombstones(wanted, [], after=after, limit=100))

    assert used == indexes
    assert not kinds & UNORDERED


@pytest.mark.parametrize(("number", "exact"), [(3, True), (20, False)], ids=["deleted", "trashed"])
async def test_what_a_sweep_took_is_found_by_when_it_ran(runtime: Runtime, number: int, *, exact: bool) -> None:
    sweep_id = UUID(f"00000000-0000-7000-8000-{number:012}")
    async with runtime.db.read_only() as session:
        sweep = await session.get(Sweep, sweep_id)
    assert sweep is not None
    bounds = deleted_by(sweep)

    kinds, indexes, conditions = await explain(
        runtime, select_tombstones(DeletionFilter(sweep_id=sweep_id), bounds, after=None, limit=100)
    )
    page = await runtime.retention.trail.deletions(DeletionFilter(sweep_id=sweep_id), after=None, limit=1000)

    assert "Seq Scan" not in kinds
    assert indexes == {"ix_tombstones_deleted_at"}
    assert ("deleted_at <=" in conditions) is exact
    assert len(page.stones) == 500


@pytest.mark.parametrize(
    ("wanted", "index"),
    [
        (EventFilter(), "pk_audit_events"),
        (EventFilter(actor="bob"), "ix_audit_events_actor"),
        (EventFilter(action=Action.IMPORTED), "ix_audit_events_action"),
        (EventFilter(file_id=uuid4()), "ix_audit_events_file_id"),
        (EventFilter(job_id=UUID("00000000-0000-7000-8000-000000000007")), "ix_audit_events_job_id"),
        (EventFilter(sweep_id=uuid4()), "ix_audit_events_sweep_id"),
    ],
    ids=["all", "who did little", "what is rare", "file", "job", "sweep"],
)
async def test_a_page_of_the_audit_trail_follows_an_index(runtime: Runtime, wanted: EventFilter, index: str) -> None:
    kinds, indexes, _ = await explain(runtime, select_events(wanted, before=AMID, limit=20))

    assert indexes == {index}
    assert "Seq Scan" not in kinds
    assert index.endswith("_id") or not kinds & UNORDERED


async def test_events_since_an_instant_are_bounded_by_their_ids(runtime: Runtime) -> None:
    """Else the search for one more match would read the trail to its start."""
    since = await runtime.db.now() - timedelta(hours=1)

    _, _, conditions = await explain(runtime, select_events(EventFilter(since=since), before=None, limit=100))

    assert "id >=" in conditions
