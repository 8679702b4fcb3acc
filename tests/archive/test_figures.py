"""How archiving stands: what is late is what the schedule would take, found by index."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from media_analysis.archive.figures import FigureService
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.archive.archived import Run, archive, make_run
from tests.conftest import execute
from tests.disks import disk_of
from tests.retention.test_claim_plan import _FILL, nodes

DAY = timedelta(days=1)
_RUNS = """
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category,
        completed_at)
    SELECT gen_random_uuid(), 'owner', 'n', 'probe', 'completed', 1, 0, 1, 'run-' || n, 'outputs',
        now() - n * interval '1 minute'
    FROM generate_series(1, 20000) AS n
"""
_GIVE = """
    UPDATE media_files SET job_id = job.id, expiry_explicit = false FROM (
        SELECT id, row_number() OVER (ORDER BY completed_at) AS n FROM analysis_jobs
    ) AS job, (SELECT id, row_number() OVER (ORDER BY id) AS n FROM media_files) AS file
    WHERE file.n = job.n AND media_files.id = file.id
"""


async def age(database: str, run: Run, days: int) -> None:
    moved = f"completed_at = completed_at - interval '{days} days'"
    await execute(database, f"UPDATE analysis_jobs SET {moved} WHERE id = '{run.id}'")


async def late(runtime: Runtime) -> timedelta:
    return timedelta(seconds=(await FigureService.of(runtime.archives).read()).oldest_due_seconds)


async def test_the_oldest_run_that_is_due_is_the_one_that_counts(runtime: Runtime, database: str) -> None:
    young, due, older = [await make_run(runtime) for _ in range(3)]
    fresh, none = await late(runtime), await runtime.archives.requests.request_due()
    await age(database, young, 6)
    await age(database, due, 8)
    await age(database, older, 10)

    both = await late(runtime)
    await archive(runtime, older.id)
    one = await late(runtime)
    some = await runtime.archives.requests.request_due()
    await runtime.archives.execution.run_waiting()

    assert (fresh, none.runs, some.runs) == (timedelta(0), 0, 1)
    assert both // DAY == 3
    assert one // DAY == 1
    assert await late(runtime) == timedelta(0)


async def test_what_is_held_or_has_nothing_left_is_not_late(runtime: Runtime, database: str) -> None:
    held, with_held_file, empty, last = [await make_run(runtime) for _ in range(4)]
    for run in (held, with_held_file, empty):
        await age(database, run, 30)
    hold = HoldRequest(actor="admin", reason="audit")
    await runtime.retention.holds.hold_job(held.id, hold, owner=None)
    await runtime.retention.holds.hold_file(with_held_file.files["run.log"].id, hold, owner=None)
    ended = "expires_at = now() - interval '1 hour'"
    await execute(
        database,
        f"UPDATE media_files SET {ended}, due_at = now() - interval '1 hour' WHERE job_id = '{empty.id}'",
        f"UPDATE analysis_results SET {ended} WHERE job_id = '{empty.id}'",
    )

    figures = await FigureService.of(runtime.archives).read()

    assert figures.oldest_due_seconds == 0
    assert (await runtime.archives.requests.request_due()).runs == 0
    await age(database, last, 20)
    assert await late(runtime) // DAY == 13


async def test_a_failure_is_forgotten_with_its_run_and_after_a_day(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    path = disk_of(runtime.store).path_of(run.files["run.log"].key)
    away = path.rename(path.with_suffix(".away"))
    await archive(runtime, run.id)
    away.rename(path)
    figures = FigureService.of(runtime.archives)
    now = await runtime.db.now()

    recent, later = await figures.read(now=now), await figures.read(now=now + 2 * DAY)
    await execute(database, f"UPDATE analysis_jobs SET deleted_at = now() WHERE id = '{run.id}'")
    deleted = await figures.read(now=now)
    await execute(database, "UPDATE analysis_jobs SET deleted_at = NULL")

    assert recent.failures == {("archive", "object_missing"): 1}
    assert later.failures == deleted.failures == {}


class TestPlan:
    """Many runs, without objects, hence without the oracle."""

    @pytest.fixture
    async def runtime(self, settings: Settings, database: str) -> AsyncIterator[Runtime]:
        async with open_runtime(settings, database) as opened:
            yield opened

    async def test_figures_are_looked_up_and_no_table_is_read_from_end_to_end(
        self, runtime: Runtime, database: str
    ) -> None:
        # Joined by what statistics say of what tests before planted, each row would be compared with each.
        await execute(database, _RUNS, _FILL.format(rows=20_000, due=100), "ANALYZE analysis_jobs, media_files", _GIVE)
        # Indexes keep the pages of all that earlier tests planted, until reading the table seems cheaper.
        await execute(database, *(f"VACUUM ANALYZE {table}" for table in ("analysis_jobs", "media_files")))
        await execute(database, *(f"REINDEX TABLE {table}" for table in ("analysis_jobs", "media_files")))
        asked: list[tuple[str, Any]] = []

        def note(_connection: object, _cursor: object, statement: str, values: Any, *_rest: object) -> None:
            asked.append((statement, values))

        event.listen(runtime.db.engine.sync_engine, "before_cursor_execute", note)
        figures = await FigureService.of(runtime.archives).read()
        event.remove(runtime.db.engine.sync_engine, "before_cursor_execute", note)
        plans: list[dict[str, Any]] = []
        async with runtime.db.engine.connect() as connection:
            for statement, values in asked:
                told = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)).scalar_one()
                plans += nodes(told[0]["Plan"])

        assert figures.oldest_due_seconds > 5 * DAY.total_seconds()
        scanned = {node["Relation Name"] for node in plans if node["Node Type"] == "Seq Scan"}
        assert scanned & {"analysis_jobs", "media_files"} == set()
        assert "ix_analysis_jobs_unarchived" in {node["Index Name"] for node in plans if "Index Name" in node}
