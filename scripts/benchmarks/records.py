"""What the service's own records take: bytes per 1,000 operations, and what ending them costs beside a bare DELETE."""

import time
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import asyncpg

from media_analysis.files.upload.service import Upload
from media_analysis.jobs.control import NewJob
from media_analysis.records.kinds import KINDS
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.records import SweepRequest
from media_analysis.storage.category import Category
from scripts.benchmarks.stage import Stage
from tests.asking import delete_file

YEARS: Final = timedelta(days=5_000)
SIZES: Final = """
    SELECT relname, pg_total_relation_size(oid) FROM pg_class
    WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
# So many that no table's end is near; the walk by ids begins with the oldest.
PLANT: Final = """
    INSERT INTO tombstones (id, owner, category, state, key, filename, media_type, created_at, deleted_at, rule,
                            requested_by, purge_id)
    SELECT gen_random_uuid(), 'owner', 'temp', 'stored', 'temp/2020/' || n, 'file.bin', 'application/octet-stream',
        '2000-01-01Z'::timestamptz + n * interval '10 s', '2000-01-01Z'::timestamptz + n * interval '10 s',
        'category_lifetime', 'scheduler', gen_random_uuid()
    FROM generate_series(1, $1::int) AS n
"""
BARE: Final = """
    DELETE FROM tombstones WHERE id = ANY(ARRAY(SELECT id FROM tombstones ORDER BY deleted_at, id LIMIT 1000))
"""


async def records(stage: Stage, *, operations: int, planted: int) -> dict[str, Any]:
    """Do each operation so often and say by how much each table grew per 1,000; then end a part of the tombstones."""
    pool = await asyncpg.create_pool(stage.url, min_size=1, max_size=1)
    try:
        grown = {name: await _grown(pool, work, operations) for name, work in _operations(stage, operations).items()}
        await pool.execute(PLANT, planted, timeout=3_600)
        await pool.execute("VACUUM ANALYZE tombstones", timeout=3_600)
        return {"bytes_per_1000": grown, "ending": await _ending(stage, pool, planted)}
    finally:
        await pool.close()


def _operations(stage: Stage, operations: int) -> dict[str, Any]:
    runtime = stage.runtime
    uploaded: list[Any] = []

    async def upload() -> None:
        for number in range(operations):
            asked = Upload(
                owner="owner", category=Category.UPLOADS, filename="film.mp4", idempotency_key=f"key-{number}"
            )
            uploaded.append(await runtime.files.uploads.store_file(asked, _body()))

    async def delete() -> None:
        for file in uploaded:
            await delete_file(runtime, file.id, owner="owner", actor="owner", reason="not needed any more")

    async def create_job() -> None:
        for number in range(operations):
            asked = NewJob(
                owner="owner",
                name=f"job {number}",
                kind="external",
                parameters={"analyser": "bench"},
                source_file_ids=(),
            )
            await runtime.jobs.control.create(asked)

    async def sweep() -> None:
        for _ in range(operations):
            request = SweepRequest(trigger=SweepTrigger.CLI, actor="bench", only_pending=True)
            await runtime.retention.sweeps.run(request)

    return {"uploads": upload, "deletions": delete, "jobs": create_job, "idle sweeps": sweep}


async def _body() -> AsyncIterator[bytes]:
    yield b"a film"


async def _grown(pool: asyncpg.Pool, work: Any, operations: int) -> dict[str, int]:
    before = {row[0]: row[1] for row in await pool.fetch(SIZES)}
    await work()
    after = {row[0]: row[1] for row in await pool.fetch(SIZES)}
    grown = {table: size - before[table] for table, size in sorted(after.items())}
    return {table: size * 1_000 // operations for table, size in grown.items() if size}


async def _ending(stage: Stage, pool: asyncpg.Pool, planted: int) -> dict[str, Any]:
    """Time batches of 1,000 at the beginning of the table; the tombstones planted last are still to live."""
    bare = []
    for _ in range(5):
        start = time.perf_counter()
        await pool.execute(BARE)
        bare.append(time.perf_counter() - start)
    lives = {kind.life: None for kind in KINDS if kind.life is not None} | {"tombstones": YEARS}
    now = (await pool.fetchval("SELECT min(deleted_at) FROM tombstones")) + YEARS + timedelta(seconds=10 * 50_000)
    start = time.perf_counter()
    ended = await replace(stage.runtime.records, lives=lives).end(now=now)
    seconds = time.perf_counter() - start
    batches = ended["tombstones"] / 1_000
    return {
        "rows": planted,
        "ended": ended["tombstones"],
        "batch_seconds": seconds / batches,
        "ratio_to_bare_delete": seconds / batches / sorted(bare)[2],
    }
