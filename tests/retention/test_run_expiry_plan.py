"""What is over is found by index, however much is not (design law 7)."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID

import pytest

from media_analysis.jobs.result_deletion import DELETE_DUE
from media_analysis.retention.run_expiry import FIND_OVER, LOCK_OVER
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.states import RetentionRule
from tests.conftest import execute
from tests.plans import as_new, explain

# Of ten thousand runs with a result each, every hundredth is over: half of these by an end of their own.
_JOBS = """
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category,
                               completed_at, expires_at)
    SELECT uuidv7(), 'alice', 'n', 'probe', 'completed', 1, 0, 1, 'run' || number, 'outputs',
        now() - CASE WHEN number % 200 = 100 THEN interval '2 d' ELSE interval '1 h' END,
        CASE WHEN number % 200 = 0 THEN now() - interval '1 h' WHEN number % 2 = 1 THEN now() + interval '1 h' END
    FROM generate_series(1, 10000) AS number
"""
_RESULTS = """
    INSERT INTO analysis_results (id, owner, job_id, published, kind, data, category, expires_at)
    SELECT uuidv7(), 'alice', id, true, 'probe', '{}', 'outputs',
        CASE WHEN right(folder_name, 2) = '00' THEN now() - interval '1 h' ELSE now() + interval '1 d' END
    FROM analysis_jobs
"""


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services over ten thousand runs."""
    async with open_runtime(settings, database) as opened:
        await execute(database, _JOBS, _RESULTS, as_new("analysis_jobs", "analysis_results"))
        yield opened


async def test_due_results_are_found_without_reading_the_others(runtime: Runtime) -> None:
    plan = await explain(runtime, DELETE_DUE.bindparams(**await _asked(runtime), grace=timedelta()))

    assert "ix_analysis_results_due" in plan.indexes
    assert plan.rows_read <= 3 * 100


@pytest.mark.parametrize(
    ("rule", "index"),
    [
        (RetentionRule.EXPLICIT_EXPIRY, "ix_analysis_jobs_due"),
        (RetentionRule.CATEGORY_LIFETIME, "ix_analysis_jobs_ended"),
    ],
)
async def test_runs_that_are_over_are_found_without_reading_the_others(
    runtime: Runtime, rule: RetentionRule, index: str
) -> None:
    asked = await _asked(runtime)
    ended = {} if rule is RetentionRule.EXPLICIT_EXPIRY else {"ended": await runtime.db.now() - timedelta(days=1)}

    plan = await explain(runtime, LOCK_OVER[rule].bindparams(**asked, **ended))

    assert index in plan.indexes
    assert plan.rows_read <= 3 * 50


async def test_that_nothing_is_over_is_known_without_reading_what_is_not(runtime: Runtime) -> None:
    asked = await _asked(runtime)
    now = await runtime.db.now() - timedelta(days=9)
    instants = {"now": now, "ended": now - timedelta(days=1), "grace": timedelta()}

    plan = await explain(runtime, FIND_OVER.bindparams(**asked | instants | {"limit": 1}))

    assert plan.rows_read == 0


async def _asked(runtime: Runtime) -> dict[str, object]:
    now = await runtime.db.now()
    first = {"after_at": now - timedelta(days=10_000), "after_id": UUID(int=0)}
    return {"category": "outputs", "now": now, "limit": 2_000, **first}
