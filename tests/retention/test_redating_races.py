"""Uploads, sweeps, backups and other policies while stored files are re-dated."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from media_analysis.errors import PolicySuperseded
from media_analysis.files.upload.service import Upload
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import activate
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute, fetch
from tests.retention.conftest import Plant, sweep
from tests.retention.test_redating import apply, applying, lagging, other_policy

DAY = timedelta(days=1)
FRAMES = Category.FRAMES


async def test_uploads_that_settle_meanwhile_get_the_new_dates(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    for _ in range(40):
        await store_file(category=FRAMES)
    policy = await other_policy(runtime, frames={"lifetime": 2 * DAY, "minimum": DAY})

    async def slowly(number: int) -> AsyncIterator[bytes]:
        for _ in range(number % 10):
            yield b"a piece"
            await asyncio.sleep(0)

    async def upload(number: int) -> None:
        about = Upload(owner=f"owner{number % 3}", category=FRAMES, filename="f.bin")
        await runtime.files.uploads.store_file(about, slowly(number))

    await asyncio.gather(
        *(upload(number) for number in range(25)),
        applying(runtime, batch_size=3).apply(policy, actor="test"),
        *(upload(number) for number in range(25)),
    )

    ((count,),) = await fetch(database, "SELECT count(*) FROM media_files WHERE min_retain_until IS NOT NULL")
    assert count == 90
    assert await lagging(database) == 0


@asynccontextmanager
async def reading_rules(database: str) -> AsyncIterator[asyncpg.Connection]:
    """Open a transaction that has read the rules and written nothing, as an upload about to settle."""
    connection = await asyncpg.connect(database)
    try:
        await connection.execute("BEGIN")
        await connection.fetch("SELECT * FROM category_policies")
        yield connection
    finally:
        await connection.close()


async def until_in_force(runtime: Runtime, policy: Policy) -> None:
    while (await runtime.retention.policies.in_force()).policy != policy:
        await asyncio.wait({asyncio.create_task(runtime.db.now())})


async def test_an_upload_that_read_the_rules_before_is_waited_for(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    file = await store_file(category=FRAMES)
    policy = await other_policy(runtime, frames={"lifetime": DAY})
    await execute(database, "UPDATE media_files SET state = 'pending'")

    async with reading_rules(database) as settling:
        under_way = asyncio.create_task(apply(runtime, policy))
        await until_in_force(runtime, policy)
        done, _ = await asyncio.wait({under_way}, timeout=0.3)
        await settling.execute("UPDATE media_files SET state = 'stored'")
        await settling.execute("COMMIT")
        applied = await under_way

    assert not done
    assert applied.files == {FRAMES: 1}
    assert await fetch(database, "SELECT expires_at FROM media_files") == [(file.stored_at + DAY,)]  # type: ignore[operator]


async def test_a_backup_that_reads_for_hours_is_not_waited_for(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await store_file(category=FRAMES)
    policy = await other_policy(runtime, frames={"lifetime": DAY})

    async with reading_rules(database):
        await applying(runtime, patience=timedelta(0)).apply(policy, actor="test")

    assert await lagging(database) == 0


async def test_a_policy_that_is_superseded_meanwhile_moves_nothing_more(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    file = await store_file(category=FRAMES)
    first = await other_policy(runtime, frames={"lifetime": DAY})
    second = await other_policy(runtime, frames={"lifetime": 2 * DAY})

    async with reading_rules(database):
        under_way = asyncio.create_task(apply(runtime, first))
        await until_in_force(runtime, first)
        async with runtime.db.transaction() as session:
            await activate(session, second, actor="somebody else")
    with pytest.raises(PolicySuperseded):
        await under_way

    assert (await runtime.retention.policies.in_force()).policy == second
    assert await fetch(database, "SELECT expires_at FROM media_files") == [(file.expires_at,)]


async def test_sweeps_may_run_while_files_are_re_dated(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(60, category=FRAMES, explicit=False, ends_in=DAY)
    await execute(database, "UPDATE media_files SET stored_at = now() - interval '2 days'")
    policy = await other_policy(runtime, frames={"lifetime": DAY})

    async def sweep_often() -> None:
        for _ in range(5):
            await sweep(runtime, batch_size=5)

    await asyncio.gather(applying(runtime, batch_size=5).apply(policy, actor="test"), sweep_often(), sweep_often())
    await sweep(runtime)

    assert await fetch(database, "SELECT FROM media_files") == []
