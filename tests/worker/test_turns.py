"""Owners take turns at the queue, and no priority of a user's goes before another owner's job (law 13)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from datetime import timedelta

import asyncpg
import pytest

from media_analysis.worker.entries import HeldEntries
from tests.conftest import execute, fetch
from tests.worker.turns import end, entry, holder_on, owner_of, pick, put, served, started

LATER = timedelta(hours=1)


@pytest.fixture
async def connection(database: str) -> AsyncIterator[asyncpg.Connection]:
    opened = await asyncpg.connect(database)
    yield opened
    await opened.close()


@pytest.fixture
def entries(connection: asyncpg.Connection) -> HeldEntries:
    return holder_on(connection)


async def test_a_single_job_is_next_however_many_of_another_owner_wait(entries: HeldEntries) -> None:
    await put(entries, *(entry("many", priority=100) for _ in range(50)))
    before = await served(entries, 3)

    await put(entries, entry("one", priority=-100))

    assert before == ["many100"] * 3
    assert await served(entries, 2) == ["one-100", "many100"]


async def test_owners_take_turns_in_a_single_slot_whatever_their_priorities(entries: HeldEntries) -> None:
    await put(
        entries,
        *(entry("a", priority=100) for _ in range(4)),
        *(entry("b") for _ in range(3)),
        *(entry("c") for _ in range(2)),
    )

    assert await served(entries, 9) == ["a100", "b", "c", "a100", "b", "c", "a100", "b", "a100"]


async def test_who_has_the_fewest_running_is_next_where_there_are_many_slots(entries: HeldEntries) -> None:
    await put(entries, *(entry("a") for _ in range(9)))
    running = [await started(entries) for _ in range(3)]
    await put(entries, *(entry("b") for _ in range(9)))

    filled = await served(entries, 3, running=6)
    await end(entries, *running)
    in_turn = await served(entries, 5, running=6)

    assert filled == ["b", "b", "b"]
    assert in_turn == ["a", "a", "a", "b", "a"], "three of b run on"


async def test_an_owner_has_the_most_urgent_begun_first_of_whatever_kind(entries: HeldEntries) -> None:
    kinds = ("tiny", "probe")
    await put(
        entries,
        entry("a"),
        entry("a", kind="probe", priority=2),
        entry("a", priority=-1),
        entry("a", priority=9),
        entry("b", priority=1),
    )

    assert await served(entries, 5, kinds=kinds) == ["a9", "b1", "a2", "a", "a-1"]


async def test_what_an_administrator_lifts_goes_before_everybody_by_priority(entries: HeldEntries) -> None:
    await put(
        entries,
        *(entry("a", priority=100) for _ in range(3)),
        *(entry("root", priority=5, lifted=True) for _ in range(3)),
        entry("root"),
        entry("boss", priority=5, lifted=True),
        entry("boss", priority=6, lifted=True),
    )

    order = await served(entries, 9)

    assert order[0] == "boss6"
    assert order[1:5] == ["root5", "boss5", "root5", "root5"], "equals take turns"
    assert order[5:] == ["a100", "root", "a100", "a100"]


async def test_what_waits_for_its_next_try_keeps_nothing_back(entries: HeldEntries) -> None:
    await put(
        entries,
        *(entry("a", priority=priority, delay=LATER) for priority in (9, 5, 1, 0)),
        entry("root", priority=9, lifted=True, delay=LATER),
        entry("a", priority=-1),
        entry("b"),
    )

    assert await served(entries, 2) == ["a-1", "b"]
    assert await pick(entries) is None


async def test_what_is_tried_again_does_not_stand_in_line_again(entries: HeldEntries) -> None:
    await put(entries, *(entry("a") for _ in range(3)), entry("a", priority=1))
    urgent = await started(entries)
    await end(entries, urgent)
    first = await started(entries)

    await entries.retry_job(first, timedelta(), None)
    await put(entries, entry("a", priority=1))

    assert (await started(entries)).priority == 1, "a more urgent one goes before it"
    assert (await started(entries)).id == first.id


async def test_what_others_run_elsewhere_takes_no_turn_here(entries: HeldEntries) -> None:
    """Else who has a hundred probes running would wait for ever where another has thousands of this kind waiting."""
    await put(entries, *(entry("a") for _ in range(5)), *(entry("b", kind="probe") for _ in range(5)))
    await started(entries)
    for _ in range(4):
        await started(entries, ["probe"])

    await put(entries, entry("b"))

    assert owner_of(await started(entries)) == "b"


async def test_an_entry_of_nobody_has_its_turn_too(entries: HeldEntries) -> None:
    """As one that an earlier version put in while a later one migrated."""
    await put(entries, *(entry("a") for _ in range(3)))
    await entries.enqueue("tiny", b"nobody's", 100)

    assert await served(entries, 4) == ["a", "-100", "a", "a"]


async def test_an_owner_whose_first_entry_is_being_taken_is_not_passed_over(
    entries: HeldEntries, database: str
) -> None:
    await put(entries, entry("a"), entry("a"))
    other = await asyncpg.connect(database)
    try:
        async with other.transaction():
            (taken,) = await other.fetch("SELECT id FROM queue.pgqueuer ORDER BY id LIMIT 1 FOR UPDATE")
            picked = await started(entries)
            none_left = await pick(entries)
    finally:
        await other.close()

    assert picked.id != taken["id"]
    assert none_left is None
    assert (await started(entries)).id == taken["id"]


async def test_workers_that_pick_at_once_never_share_an_entry_and_serve_everybody(database: str) -> None:
    async with AsyncExitStack() as stack:
        workers = []
        for _ in range(4):
            opened = await asyncpg.connect(database)
            stack.push_async_callback(opened.close)
            workers.append(holder_on(opened))
        await put(workers[0], *(entry("a") for _ in range(40)), *(entry(f"o{n}") for n in range(8)))

        async def work(worker: HeldEntries) -> list[tuple[int, str]]:
            taken: list[tuple[int, str]] = []
            for _ in range(6):
                job = await started(worker)
                taken.append((job.id, owner_of(job)))
                await asyncio.sleep(0)
            return taken

        taken = [one for each in await asyncio.gather(*map(work, workers)) for one in each]

    assert len({entry_id for entry_id, _ in taken}) == len(taken) == 24
    of_owner = Counter(owner for _, owner in taken)
    assert all(of_owner[f"o{n}"] == 1 for n in range(8)), "nobody runs more than a few before all others have one"


async def test_the_turns_are_written_down_once_for_each_owner_and_kind(entries: HeldEntries, database: str) -> None:
    await put(entries, *(entry("a") for _ in range(3)), entry("a", kind="probe"))
    await served(entries, 4, kinds=("tiny", "probe"))

    rows = await fetch(database, "SELECT owner, kind FROM queue_turns ORDER BY kind")

    assert [tuple(row) for row in rows] == [("a", "probe"), ("a", "tiny")]


async def test_turns_that_were_forgotten_keep_nobody_back(entries: HeldEntries, database: str) -> None:
    await put(entries, *(entry(owner) for owner in "aabb"))
    await served(entries, 1)
    await execute(database, "DELETE FROM queue_turns")

    assert sorted(await served(entries, 3)) == ["a", "b", "b"]
