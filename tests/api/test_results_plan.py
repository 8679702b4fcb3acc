"""Searching results takes the index that what is looked for is selective in (design law 7)."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

from media_analysis.jobs.results import ResultFilter, select_results
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute
from tests.plans import UNORDERED, Plan, explain

RESULTS = 50_000
# Fifty jobs, whose results were made one a minute up to now; every third video is H.264, each serial number is unique.
_JOBS = """
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category)
    SELECT ('01900000-0000-7000-8000-' || lpad(number::text, 12, '0'))::uuid, 'owner' || number % 2, 'n', 'probe',
        'completed', 1, 0, 1, number, 'outputs'
    FROM generate_series(0, 49) AS number
"""
_RESULTS = f"""
    INSERT INTO analysis_results (id, owner, job_id, published, kind, data, category, created_at, media_file_id)
    SELECT uuidv7(-({RESULTS} - number) * interval '1 minute'), 'owner' || number % 2,
        ('01900000-0000-7000-8000-' || lpad((number % 50)::text, 12, '0'))::uuid, true,
        CASE WHEN number % 500 = 0 THEN 'summary' ELSE 'probe' END,
        jsonb_build_object('video_codec', CASE WHEN number % 3 = 0 THEN 'h264' ELSE 'vp9' END,
            'percent', number % 100, 'metadata', jsonb_build_object('serial', number)),
        'outputs', now() - ({RESULTS} - number) * interval '1 minute', uuidv7()
    FROM generate_series(1, {RESULTS}) AS number
"""
JOB = UUID("01900000-0000-7000-8000-000000000007")
UNIQUE = {"metadata": {"serial": 777}}
COMMON = {"video_codec": "h264"}
ONE_PERCENT = {"percent": 7}


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services over fifty thousand results."""
    async with open_runtime(settings, database) as opened:
        # What is new in a GIN index waits in a list that every search reads, until VACUUM sorts it in.
        await execute(database, _JOBS, _RESULTS, "VACUUM ANALYZE analysis_results")
        yield opened
    await execute(database, "TRUNCATE analysis_results")  # row by row, as between tests, would take seconds


async def plan_of(runtime: Runtime, wanted: ResultFilter) -> Plan:
    return await explain(runtime, select_results(wanted, before=None, limit=101))


RARE = [
    ResultFilter(contains=UNIQUE),
    ResultFilter(contains={**COMMON, **UNIQUE}),
    ResultFilter(contains=UNIQUE, owner="owner1"),
    ResultFilter(contains=UNIQUE, owner="owner1", kind="probe"),
    ResultFilter(contains={"nothing": "has this"}, owner="owner1"),
]
PAGES = [
    (ResultFilter(), "pk_analysis_results"),
    (ResultFilter(owner="owner1"), "ix_analysis_results_owner"),
    (ResultFilter(kind="summary"), "ix_analysis_results_kind"),
    (ResultFilter(owner="owner1", job_id=JOB), "ix_analysis_results_job"),
    (ResultFilter(file_id=JOB), "ix_analysis_results_file"),
]


async def test_what_few_documents_hold_is_found_by_the_index_on_documents(runtime: Runtime) -> None:
    plans = [await plan_of(runtime, wanted) for wanted in RARE]

    for plan, wanted in zip(plans, RARE, strict=True):
        assert "ix_analysis_results_data" in plan.indexes, wanted
        assert "Seq Scan" not in plan.kinds, wanted
        assert plan.rows_read <= 1, wanted


async def test_pages_follow_an_index_and_end_when_they_are_full(runtime: Runtime) -> None:
    now = await runtime.db.now()
    some_hours = ResultFilter(created_after=now - timedelta(hours=200), created_before=now - timedelta(hours=198))

    common = await plan_of(runtime, ResultFilter(contains=COMMON, owner="owner1"))
    ranged = await plan_of(runtime, some_hours)
    plans = [(await plan_of(runtime, wanted), index) for wanted, index in PAGES]

    assert common.indexes == {"ix_analysis_results_owner"}
    assert not common.kinds & UNORDERED
    assert common.rows_read < 1_000
    assert ranged.indexes == {"pk_analysis_results"}
    assert ranged.rows_read <= 300
    for plan, index in plans:
        assert plan.indexes == {index}
        assert not plan.kinds & UNORDERED
        assert plan.rows_read <= 101


async def test_a_search_is_planned_for_what_it_looks_for(runtime: Runtime) -> None:
    """After five of its kind PostgreSQL would settle on one plan for any document, which reads the whole list."""
    for _ in range(12):
        await runtime.jobs.results.list(ResultFilter(owner="owner1", contains=ONE_PERCENT), before=None, limit=100)
    page = await runtime.jobs.results.list(ResultFilter(owner="owner1", contains=UNIQUE), before=None, limit=100)

    async with runtime.db.read_only() as session:  # on the connection that was just returned
        told = await session.execute(text(PLANNED))
    assert [json.dumps(result.data["metadata"]) for result in page.results] == ['{"serial": 777}']
    assert [tuple(row) for row in told] == [(13, 0)]


PLANNED = """
    SELECT custom_plans, generic_plans FROM pg_prepared_statements
    WHERE statement LIKE 'SELECT%@>%ORDER BY%' AND statement NOT LIKE '%pg_prepared%'
"""
