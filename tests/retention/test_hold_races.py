"""A hold acknowledged before the claim always wins, and one that comes after says so (promise 5).

Where one side stands at a failpoint the other is a replica in a thread, so every order of the two is played for real.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import asyncpg
import pytest

from media_analysis.deletion.strategy import Strategy
from media_analysis.errors import DatabaseUnavailable, FileGone
from media_analysis.files.protection import Hold
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.disks import disk_of
from tests.files.conftest import objects
from tests.retention.conftest import FUTURE, Plant, buried, key_of, living, request, sweep
from tests.retention.elsewhere import DEADLINE_SECONDS, Elsewhere, Moments
from tests.retention.jobs import facts_of

ASKED = HoldRequest(actor="alice", reason="evidence")
DAY = timedelta(days=1)
ROUNDS = 5


@pytest.fixture
async def other(settings: Settings, database: str, runtime: Runtime) -> AsyncIterator[Runtime]:
    """A second replica over the same database and store."""
    async with open_runtime(settings, database) as opened:
        yield opened


async def outcome_of(started: object) -> object:
    """Return what a replica answered."""
    assert isinstance(started, Future)
    async with asyncio.timeout(DEADLINE_SECONDS):
        answer: object = await asyncio.wrap_future(started)
    return answer


async def hold(runtime: Runtime, file_id: UUID) -> Hold | FileGone:
    try:
        return await runtime.retention.holds.hold_file(file_id, ASKED, owner="alice")
    except FileGone as gone:
        return gone


async def hold_all(runtime: Runtime, ids: Sequence[UUID]) -> dict[UUID, Hold | FileGone]:
    """Hold one file after the other and return what was answered."""
    return {file_id: await hold(runtime, file_id) for file_id in ids}


async def require_exactly_one(runtime: Runtime, database: str, answers: dict[UUID, Hold | FileGone]) -> set[UUID]:
    """Check that what was held lives with its bytes and everything else has a tombstone; return what was held."""
    held = {file_id for file_id, answer in answers.items() if isinstance(answer, Hold)}
    alive, dead = await living(database), await buried(database)
    lying = set(objects(disk_of(runtime.store).root))
    assert alive & answers.keys() == held
    assert dead & answers.keys() == answers.keys() - held
    assert {await key_of(database, file_id) for file_id in held} <= lying
    return held


async def test_of_a_hold_and_a_sweep_at_once_exactly_one_has_the_file(
    runtime: Runtime, other: Runtime, plant: Plant, database: str
) -> None:
    """The sweep goes from the most overdue on, the holds come from the other end: they meet in the middle."""
    won: set[UUID] = set()
    for _ in range(ROUNDS):
        files = await plant(30, ends_in=FUTURE)
        later = await runtime.db.now() + DAY

        answers, _ = await asyncio.gather(
            hold_all(runtime, files[::-1]), sweep(other, now=later, batch_size=1, workers=2)
        )

        won |= await require_exactly_one(runtime, database, answers)
        assert len(answers) == 30
    assert won  # in one round a sweep may have taken all before whoever holds was heard


async def test_many_holds_of_a_file_and_many_sweeps_agree(
    runtime: Runtime, other: Runtime, plant: Plant, database: str
) -> None:
    for _ in range(ROUNDS):
        files = await plant(8, ends_in=FUTURE)
        later = await runtime.db.now() + DAY

        sweeps = [asyncio.create_task(sweep(each, now=later, batch_size=3)) for each in (runtime, other)]
        said = await asyncio.gather(*(hold(each, file_id) for file_id in files for each in (runtime, other)))
        await asyncio.gather(*sweeps)

        first, second = (dict(zip(files, said[start::2], strict=True)) for start in (0, 1))
        assert {key for key, answer in first.items() if isinstance(answer, Hold)} == {
            key for key, answer in second.items() if isinstance(answer, Hold)
        }
        await require_exactly_one(runtime, database, first)


async def test_a_hold_not_yet_committed_makes_the_claim_pass_by_and_wins(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, plant: Plant, database: str
) -> None:
    file_id, other_file = await plant(2, ends_in=FUTURE)
    later = await runtime.db.now() + DAY
    swept = moments.at(
        "retention.holds", "hold.holding", lambda: elsewhere.finish(lambda there: sweep(there, now=later)).files
    )

    answer = await hold(runtime, file_id)
    again = await sweep(runtime, now=later)

    assert swept == [1]
    assert isinstance(answer, Hold)
    assert (again.files, await living(database)) == (0, {file_id})
    assert await buried(database) == {other_file}


async def test_a_lock_of_anybody_makes_the_claim_pass_by(runtime: Runtime, plant: Plant, database: str) -> None:
    (file_id,) = await plant(1)
    connection = await asyncpg.connect(database)
    holding = connection.transaction()
    await holding.start()
    await connection.execute(
        "UPDATE media_files SET held_until = now() + interval '1 day', due_at = NULL WHERE id = $1", file_id
    )

    during = await sweep(runtime)
    await holding.commit()
    after = await sweep(runtime)
    await connection.close()

    assert (during.files, after.files) == (0, 0)
    assert await living(database) == {file_id}


@pytest.mark.parametrize("point", ["delete.claiming", "delete.requesting"])
async def test_a_hold_that_meets_a_claim_waits_for_it_and_is_told_that_the_file_is_gone(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, plant: Plant, database: str, point: str
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE)
    started = moments.at(
        "retention.claiming" if point == "delete.claiming" else "retention.file_deletion",
        point,
        lambda: elsewhere.wait_until_blocked(elsewhere.start(lambda there: hold(there, file_id))),
    )

    if point == "delete.claiming":
        await sweep(runtime, now=await runtime.db.now() + DAY)
    else:
        await delete_file(runtime, file_id, owner="alice", actor="alice", hard=True)

    assert isinstance(await outcome_of(started[0]), FileGone)
    assert await buried(database) == {file_id}
    assert objects(disk_of(runtime.store).root) == []


async def test_a_hold_after_the_claim_is_told_so_although_the_bytes_still_lie_there(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, plant: Plant, database: str
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE)
    later = await runtime.db.now() + DAY
    answers = moments.at(
        "retention.claiming", "delete.claimed", lambda: elsewhere.finish(lambda there: hold(there, file_id))
    )

    await sweep(runtime, now=later)

    assert isinstance(answers[0], FileGone)
    assert await buried(database) == {file_id}


async def test_a_hold_that_waited_for_a_claim_which_broke_off_wins(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, plant: Plant, database: str
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE)
    later = await runtime.db.now() + DAY
    started: list[Future[Hold | FileGone]] = []

    def break_off() -> None:
        started.append(elsewhere.wait_until_blocked(elsewhere.start(lambda there: hold(there, file_id))))
        raise ConnectionAbortedError

    moments.at("retention.claiming", "delete.claiming", break_off)

    with pytest.raises(DatabaseUnavailable):
        await sweep(runtime, now=later, workers=1)
    answer = await outcome_of(started[0])
    again = await sweep(runtime, now=later)

    assert isinstance(answer, Hold)
    assert (again.files, await living(database)) == (0, {file_id})
    assert len(objects(disk_of(runtime.store).root)) == 1


async def test_a_hold_that_waited_for_a_claim_into_the_trash_keeps_it_there(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, plant: Plant, database: str
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE, category=Category.UPLOADS)
    soft = replace(runtime.retention.sweeps, deleter=replace(runtime.deletion.deleter, strategy=Strategy(sweeps=DAY)))
    later = await runtime.db.now() + 2 * FUTURE
    started = moments.at(
        "retention.claiming",
        "delete.claiming",
        lambda: elsewhere.wait_until_blocked(elsewhere.start(lambda there: hold(there, file_id))),
    )

    taken = await soft.run(request(), now=later)
    answer = await outcome_of(started[0])
    purged = await soft.run(request(), now=later + 2 * DAY)

    row = await facts_of(database, file_id)
    assert isinstance(answer, Hold)
    assert (taken.files_trashed, purged.files) == (1, 0)
    assert (row["state"], row["due_at"]) == ("trashed", None)
