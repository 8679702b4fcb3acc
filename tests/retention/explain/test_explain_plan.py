"""What an explanation counts and lists is found by index, never by walking a table."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import event

from media_analysis.retention.explain.jobs import JobExplanation
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute, fetch
from tests.retention.jobs import add_job, assign
from tests.retention.test_claim_plan import _FILL, nodes

_TELL = """
    INSERT INTO audit_events (id, actor, action, file_id, job_id)
    SELECT gen_random_uuid(), 'somebody', 'held', gen_random_uuid(), gen_random_uuid()
    FROM generate_series(1, 10000)
"""


@pytest.fixture
async def runtime(settings: Settings, database: str) -> AsyncIterator[Runtime]:
    """The services without the oracle: these rows have no objects."""
    async with open_runtime(settings, database) as opened:
        yield opened


async def test_explaining_a_file_and_its_job_reads_no_table_from_end_to_end(runtime: Runtime, database: str) -> None:
    await execute(database, _FILL.format(rows=10_000, due=100), _TELL)
    await execute(database, "UPDATE media_files SET expiry_explicit = false")  # within a share, dates protect
    job_id = await add_job(database)
    (last,) = await fetch(database, "SELECT id FROM media_files WHERE category = 'uploads' ORDER BY id DESC LIMIT 1")
    await assign(database, job_id, last["id"])
    # Indexes keep the pages of all that earlier tests planted, until reading the table seems cheaper.
    await execute(database, "VACUUM ANALYZE media_files")
    await execute(database, "REINDEX TABLE media_files")
    await execute(database, "REINDEX TABLE audit_events", "ANALYZE audit_events")
    plans: list[tuple[dict[str, Any], str]] = []

    asked = await statements_of(runtime, last["id"], job_id)
    async with runtime.db.engine.connect() as connection:
        for statement, values in asked:
            told = (await connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)).scalar_one()
            plans += [(node, statement) for node in nodes(told[0]["Plan"])]

    scanned = [(node["Relation Name"], statement) for node, statement in plans if node["Node Type"] == "Seq Scan"]
    used = {node["Index Name"] for node, _ in plans if "Index Name" in node}
    assert [scan for scan in scanned if scan[0] in {"media_files", "audit_events", "tombstones"}] == []
    assert {
        "ix_media_files_stored",
        "ix_media_files_job_newest",
        "ix_audit_events_file_id",
        "ix_audit_events_job_id",
    } <= used


async def statements_of(runtime: Runtime, file_id: UUID, job_id: UUID) -> list[tuple[str, Any]]:
    """Return what is asked to explain a file and its job, with the values."""
    asked: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, values: Any, *_rest: object) -> None:
        asked.append((statement, values))

    event.listen(runtime.db.engine.sync_engine, "before_cursor_execute", note)
    told = await runtime.retention.explanations.explain(file_id, owner=None)
    of_job = await runtime.retention.explanations.explain_job(job_id, owner=None, before=None, limit=10)
    event.remove(runtime.db.engine.sync_engine, "before_cursor_execute", note)
    assert told.eviction_rank is not None
    assert isinstance(of_job, JobExplanation)
    assert [file.file_id for file in of_job.items] == [file_id]
    return asked
