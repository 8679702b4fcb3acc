"""Owners take turns, and no priority of a user's goes before another owner's job (law 13)."""

import asyncio
from collections import Counter
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from media_analysis.runtime import Runtime
from tests.conftest import execute, fetch
from tests.jobs.attempts.turns import SOUNDS, WORDS, Line

LATER = timedelta(hours=1)


@pytest.fixture
def line(runtime: Runtime, database: str) -> Line:
    return Line(runtime, database)


async def test_a_single_job_is_next_however_many_of_another_owner_wait(line: Line) -> None:
    await line.put("many", 50, priority=100)
    before = await line.serve(3)

    await line.put("one", priority=-100)

    assert before == ["many100"] * 3
    assert await line.serve(2) == ["one-100", "many100"]


async def test_owners_take_turns_in_a_single_slot_whatever_their_priorities(line: Line) -> None:
    await line.put("a", 4, priority=100)
    await line.put("b", 3)
    await line.put("c", 2)

    assert await line.serve(9) == ["a100", "b", "c", "a100", "b", "c", "a100", "b", "a100"]


async def test_who_has_the_fewest_running_is_next_where_there_are_many_slots(line: Line) -> None:
    await line.put("a", 9)
    running = [await line.begin() for _ in range(3)]
    await line.put("b", 9)

    filled = await line.serve(3, running=6)
    await line.end(*running)
    in_turn = await line.serve(5, running=6)

    assert filled == ["b", "b", "b"]
    assert in_turn == ["a", "a", "a", "b", "a"], "three of b run on"


async def test_several_begun_at_once_are_those_that_one_after_the_other_would_be(line: Line) -> None:
    """Of three owners, two of whom have jobs running, and of several lines."""

    async def fill() -> None:
        await execute(line.database, "DELETE FROM analysis_jobs")
        await line.put("a", 3)
        await line.put("b", 2)
        for _ in range(3):
            await line.begin()
        await line.put("a", 2, priority=5)
        await line.put("b", 3, priority=1, kind="probe")
        await line.put("c", 4)
        await line.put("root", 2, priority=1, lifted=True)
        await line.put("boss", 1, priority=2, lifted=True)

    kinds = ("tiny", "probe")
    await fill()
    at_once = [await line.told(await line.claim(kinds, limit=limit)) for limit in (4, 5, 4)]
    await fill()
    one_by_one = await line.serve(13, running=13, lines=kinds)

    assert [len(told) for told in at_once] == [4, 5, 4]
    assert [one for told in at_once for one in told] == one_by_one
    assert one_by_one[:5] == ["boss2", "root1", "root1", "c", "b1"], "lifted first, then who has the fewest running"


async def test_an_owner_has_the_most_urgent_begun_first_of_whatever_kind(line: Line) -> None:
    await line.put("a")
    await line.put("a", kind="probe", priority=2)
    await line.put("a", priority=-1)
    await line.put("a", priority=9)
    await line.put("b", priority=1)

    assert await line.serve(5, lines=("tiny", "probe")) == ["a9", "b1", "a2", "a", "a-1"]


async def test_what_an_administrator_lifts_goes_before_everybody_by_priority(line: Line) -> None:
    await line.put("a", 3, priority=100)
    await line.put("root", 3, priority=5, lifted=True)
    await line.put("root")
    await line.put("boss", priority=5, lifted=True)
    await line.put("boss", priority=6, lifted=True)

    order = await line.serve(9)

    assert order[0] == "boss6"
    assert order[1:5] == ["root5", "boss5", "root5", "root5"], "equals take turns"
    assert order[5:] == ["a100", "root", "a100", "a100"]


async def test_an_owners_claim_finds_its_own_most_urgent_job(line: Line) -> None:
    await line.put("a", 2, priority=100, **WORDS)
    await line.put("root", priority=1, lifted=True, **WORDS)
    await line.put("root", priority=50, **WORDS)

    own = [await line.begin(["external:words"], owner="root") for _ in range(2)]

    assert await line.told(own) == ["root1", "root50"]
    assert await line.claim(["external:words"], owner="root") == []
    assert len(await line.claim(["external:words"], limit=5)) == 2


async def test_what_waits_for_its_next_try_keeps_nothing_back(line: Line) -> None:
    for priority in (9, 5, 1, 0):
        await line.put("a", priority=priority, delay=LATER)
    await line.put("root", priority=9, lifted=True, delay=LATER)
    await line.put("a", priority=-1)
    await line.put("b")

    assert await line.serve(2) == ["a-1", "b"]
    assert await line.claim() == []


async def test_what_runs_keeps_nothing_back_and_is_due_again_when_its_lease_ends(line: Line) -> None:
    await line.put("a", 2, priority=9, **WORDS)
    await line.put("a", **WORDS)
    lines = ["external:words"]
    begun = await line.claim(lines, limit=2)
    usual = await line.begin(lines)
    none = await line.claim(lines)

    await execute(line.database, "UPDATE analysis_jobs SET leased_until = now() WHERE priority = 0")
    again = await line.begin(lines)

    assert await line.told([*begun, usual]) == ["a9", "a9", "a"]
    assert none == []
    assert (again.job_id, again.fence, again.attempt) == (usual.job_id, 2, 2)


async def test_what_is_tried_again_does_not_stand_in_line_again(line: Line) -> None:
    await line.put("a", 3)
    await line.put("a", priority=1)
    await line.end(await line.begin())
    first = await line.begin()

    await execute(
        line.database,
        "UPDATE analysis_jobs SET status = 'pending', leased_until = NULL, retry_at = now() WHERE status = 'running'",
    )
    await line.put("a", priority=1)

    assert await line.told([await line.begin()]) == ["a1"], "a more urgent one goes before it"
    assert (await line.begin()).job_id == first.job_id


async def test_what_others_run_elsewhere_takes_no_turn_here(line: Line) -> None:
    """Else who has a hundred probes running would wait for ever where another has thousands of this kind waiting."""
    await line.put("a", 5)
    await line.put("b", 5, kind="probe")
    await line.begin()
    await line.claim(["probe"], limit=4)

    await line.put("b")

    assert (await line.begin()).owner == "b"


async def test_an_analyser_that_serves_one_owner_takes_no_turn_at_another_analyser(line: Line) -> None:
    words, sounds = ["external:words"], ["external:sounds"]
    await line.put("a", 3, **WORDS)
    await line.put("a", 3, **SOUNDS)
    await line.put("b", 3, **SOUNDS)
    first = await line.begin(sounds)
    await line.end(first)
    await line.serve(1, lines=words)

    following = [await line.begin(sounds) for _ in range(2)]

    assert [first.owner, *(attempt.owner for attempt in following)] == ["a", "b", "a"]


async def test_an_owner_whose_first_job_is_being_taken_is_not_passed_over(line: Line) -> None:
    first, second = await line.put("a", 2)
    other = await asyncpg.connect(line.database)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM analysis_jobs WHERE id = $1 FOR UPDATE", first.id)
            begun = await line.begin()
            none_left = await line.claim()
    finally:
        await other.close()

    assert begun.job_id == second.id
    assert none_left == []
    assert (await line.begin()).job_id == first.id


async def test_however_many_are_being_taken_the_one_behind_them_is_found(line: Line) -> None:
    await line.put("a", 30)
    (last,) = await line.put("a", priority=-1)
    other = await asyncpg.connect(line.database)
    try:
        async with other.transaction():
            await other.execute("SELECT FROM analysis_jobs WHERE priority = 0 FOR UPDATE")
            begun = await line.begin()
    finally:
        await other.close()

    assert begun.job_id == last.id


async def test_claims_at_once_never_share_a_job_and_serve_everybody(line: Line) -> None:
    await line.put("a", 40)
    for number in range(8):
        await line.put(f"o{number}")
    taken: list[tuple[UUID, str]] = []

    async def work() -> None:
        for _ in range(6):
            attempt = await line.begin()
            taken.append((attempt.job_id, attempt.owner))

    await asyncio.gather(*(work() for _ in range(4)))

    assert len({job_id for job_id, _ in taken}) == len(taken) == 24
    of_owner = Counter(owner for _, owner in taken)
    assert all(of_owner[f"o{n}"] == 1 for n in range(8)), "nobody runs more than a few before all others have one"


async def test_it_is_known_when_the_next_job_is_due(line: Line) -> None:
    async def due_in() -> timedelta | None:
        return (await line.runtime.jobs.claims.claim(["tiny"], worker="w")).due_in

    without_any = await due_in()
    await line.put("a", delay=LATER)
    later = await due_in()
    await line.put("b", delay=LATER / 2)
    sooner = await due_in()

    assert without_any is None
    assert later is not None
    assert LATER - timedelta(minutes=1) < later <= LATER
    assert sooner is not None
    assert sooner <= LATER / 2


async def test_nobody_hears_of_a_job_before_it_is_committed_and_then_once(line: Line) -> None:
    await line.put("a")
    heard: list[str] = []
    listening = await asyncpg.connect(line.database)
    await listening.add_listener("job_work", lambda *said: heard.append(said[-1]))
    other = await asyncpg.connect(line.database)
    try:
        async with other.transaction():
            jobs = await line.put("a", 2)
            (running,) = await line.claim()
            await line.runtime.jobs.control.cancel(running.job_id, owner="a")
            await line.runtime.jobs.control.cancel(jobs[1].id, owner="a")
        await listening.execute("SELECT 1")
    finally:
        await other.close()
        await listening.close()

    assert heard == ["tiny", "tiny", str(running.job_id)]
    assert await fetch(line.database, "SELECT FROM analysis_jobs WHERE status = 'pending'") != []
