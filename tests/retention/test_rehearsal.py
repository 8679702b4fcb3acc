"""A dry run says what the next sweep takes, and writes nothing but its own record."""

import asyncio

from media_analysis.retention.records import SweepReport
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute, fetch
from tests.emptying import TABLES
from tests.retention.conftest import FUTURE, Plant, buried, living, request, sweep


def outcome(report: SweepReport) -> dict[Category, dict[str, int]]:
    return {category: tally.facts() for category, tally in report.tallies.items()}


async def contents(database: str) -> dict[str, list[str]]:
    """Return every row of every table but the sweeps', with the transaction that wrote it."""
    return {
        table: sorted(str(row) for row in await fetch(database, f"SELECT *, xmin::text FROM {table}"))
        for table in {*TABLES, "audit_events", "category_usage"} - {"sweeps"}
    }


async def test_a_rehearsal_announces_exactly_what_the_sweep_takes(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    due = await plant(30) + await plant(4, owner="bob", category=Category.CLIPS, explicit=False)
    held, *_ = due
    await plant(10, ends_in=FUTURE)
    await execute(database, f"UPDATE media_files SET held_until = now() + interval '1 day' WHERE id = '{held}'")

    rehearsed = await runtime.retention.sweeps.run(request(dry_run=True))
    swept = await sweep(runtime, batch_size=3)

    assert outcome(rehearsed) == outcome(swept)
    assert await buried(database) == set(due) - {held}


async def test_a_rehearsal_writes_nothing_but_its_own_record(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(10)
    before = await contents(database)

    report = await runtime.retention.sweeps.run(request(dry_run=True))

    assert await contents(database) == before
    assert [row["id"] for row in await fetch(database, "SELECT id FROM sweeps")] == [report.id]
    assert report.files == 10


async def test_a_rehearsal_stays_right_while_others_upload(
    runtime: Runtime, plant: Plant, store_file: StoreFile, database: str
) -> None:
    due = await plant(40)

    async def upload() -> None:
        await asyncio.gather(*(store_file(filename=str(number)) for number in range(20)))

    rehearsed, _ = await asyncio.gather(runtime.retention.sweeps.run(request(dry_run=True)), upload())
    swept, _ = await asyncio.gather(sweep(runtime, batch_size=5), upload())

    assert outcome(rehearsed) == outcome(swept)
    assert await buried(database) == set(due)
    assert len(await living(database)) == 40
