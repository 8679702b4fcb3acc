"""Registering uploads with an exact ledger, against one plain INSERT per transaction without one."""

import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
from uuid_utils.compat import uuid7

from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.storage.category import Category
from media_analysis.storage.keys import object_key
from scripts.benchmarks.stage import COLUMNS, OWNERS, Stage, settle

Register = Callable[[int], Awaitable[object]]
POOL = 20
EMPTY = "TRUNCATE media_files, ledger, due_days; UPDATE category_usage SET size_bytes = 0"


async def register(stage: Stage, *, callers: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Let `callers` register as fast as they can: grouped with a ledger, one by one without, one by one with."""
    pool = await asyncpg.create_pool(stage.url, min_size=POOL, max_size=POOL)
    upload_transactions = replace(stage.runtime.upload_transactions, lease_seconds=60)
    ways: dict[str, Register] = {
        "group_commit": lambda number: upload_transactions.register(new_registration(number)),
        "plain_insert": lambda number: plain_insert(pool, number),
        "counter_row": lambda number: insert_and_count(pool, number),
    }
    rates: dict[str, list[float]] = {name: [] for name in ways}
    try:
        for number in range(rounds):
            for name, way in ways.items():
                await pool.execute(EMPTY)
                await settle(stage.url)
                rates[name].append(await rate(way, callers=callers, seconds=seconds))
            print(f"  round {number + 1}: " + ", ".join(f"{name} {runs[-1]:,.0f}/s" for name, runs in rates.items()))
        await require_exact_ledger(stage, pool, upload_transactions, callers)
    finally:
        await pool.close()
    medians = {name: statistics.median(runs) for name, runs in rates.items()}
    return {
        "callers": callers,
        "rows_per_second": medians,
        "ratio_to_plain_insert": medians["group_commit"] / medians["plain_insert"],
        "ratio_to_counter_row": medians["group_commit"] / medians["counter_row"],
    }


def new_registration(number: int) -> Registration:
    file_id = uuid7()
    return Registration(
        id=file_id,
        owner=f"owner-{number % OWNERS}",
        category=Category.UPLOADS,
        key=object_key(Category.UPLOADS, file_id, extension="bin", day=datetime.now(UTC), parent_id=None, job_id=None),
        filename="file.bin",
        media_type="application/octet-stream",
        job_id=None,
        parent_id=None,
        reserved_bytes=4096,
        idempotency_key=None,
        fingerprint=None,
    )


PENDING = [name for name in COLUMNS if name not in {"sha256", "stored_at", "size_bytes", "created_at", "expires_at"}]
INSERT = f"""
    INSERT INTO media_files ({", ".join(PENDING)})
    VALUES ($1, $2, 'uploads', 'pending', $3, 'file.bin', 'application/octet-stream', 4096, false,
            now() + interval '1 minute')
"""


async def plain_insert(pool: asyncpg.Pool, number: int) -> None:
    """Insert one row in one transaction, prepared and without any mapper: the fastest way not to group."""
    asked = new_registration(number)
    await pool.execute(INSERT, asked.id, asked.owner, asked.key)


async def insert_and_count(pool: asyncpg.Pool, number: int) -> None:
    """Insert one row and count it in the same transaction: the usual way to keep a quota exact."""
    asked = new_registration(number)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(INSERT, asked.id, asked.owner, asked.key)
        await connection.execute(
            """
            INSERT INTO ledger VALUES ($1, 'uploads', 0, 0, 4096) ON CONFLICT (owner, category)
            DO UPDATE SET reserved_bytes = ledger.reserved_bytes + 4096
            """,
            asked.owner,
        )


async def rate(way: Register, *, callers: int, seconds: float) -> float:
    """Return how many registrations a second all callers together got done."""
    done = 0
    ends = time.perf_counter() + seconds

    async def call(first: int) -> None:
        nonlocal done
        number = first
        while time.perf_counter() < ends:
            await way(number)
            number += callers
            done += 1

    started = time.perf_counter()
    await asyncio.gather(*(call(number) for number in range(callers)))
    return done / (time.perf_counter() - started)


async def require_exact_ledger(
    stage: Stage, pool: asyncpg.Pool, upload_transactions: UploadTransactions, callers: int
) -> None:
    """Stop unless the ledger equals the rows after a concurrent run."""
    await pool.execute(EMPTY)
    await rate(lambda number: upload_transactions.register(new_registration(number)), callers=callers, seconds=0.5)
    wrong = await pool.fetch("""
        SELECT owner FROM (SELECT owner, sum(reserved_bytes) AS bytes FROM media_files GROUP BY owner) AS truth
        FULL JOIN ledger USING (owner) WHERE truth.bytes IS DISTINCT FROM ledger.reserved_bytes
    """)
    if wrong:
        raise SystemExit(f"the ledger is wrong for {len(wrong)} owners at {stage.url}")
