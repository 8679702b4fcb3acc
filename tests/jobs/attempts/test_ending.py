"""Attempts that end at the same time share a transaction, and each has its own answer (promise 21)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest
from sqlalchemy import text

from media_analysis.errors import DatabaseUnavailable, FenceLost
from media_analysis.jobs.attempts.attempt import Attempt, Failure, NewResult
from media_analysis.jobs.attempts.ending import EndedAttempt
from media_analysis.jobs.attempts.service import AttemptService
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.claims import claim_job
from tests.conftest import StoreFile, fetch
from tests.files.cutting_proxy import CuttingProxy, cutting_proxy

JOBS = 6
BAD = NewResult(kind="probe", data={"text": "\0"})
"""What PostgreSQL has no place for."""
END = b"progress = CASE WHEN ends_as"
"""What the transaction says that ends attempts."""


@pytest.fixture
async def attempts(runtime: Runtime, store_file: StoreFile) -> Sequence[Attempt]:
    source = await store_file(b"a source")
    asked = NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id])
    begun = [await claim_job(runtime, (await runtime.jobs.control.create(asked)).id) for _ in range(JOBS)]
    return [attempt for attempt in begun if attempt is not None]


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(database) as opened:
        yield opened


async def end(
    service: AttemptService, *attempts: Attempt, **results: NewResult
) -> Sequence[EndedAttempt | BaseException]:
    """Complete attempts at the same time, each with a result; that of the n-th may be given as `of_n`."""
    good = NewResult(kind="probe", data={})
    return await asyncio.gather(
        *(
            service.complete(one.job_id, fence=one.fence, results=[results.get(f"of_{number}", good)], products=0)
            for number, one in enumerate(attempts)
        ),
        return_exceptions=True,
    )


async def statuses(database: str) -> list[str]:
    return [row[0] for row in await fetch(database, "SELECT status::text FROM analysis_jobs ORDER BY id")]


async def shown(database: str) -> int:
    """Return how many results show, which are those of completed jobs."""
    found = await fetch(
        database,
        "SELECT published AND job.status = 'completed' AS shows FROM analysis_results"
        " JOIN analysis_jobs AS job ON job.id = job_id",
    )
    assert all(row["shows"] for row in found)
    return len(found)


async def test_those_that_end_at_once_take_two_transactions(
    runtime: Runtime, attempts: Sequence[Attempt], database: str
) -> None:
    await end(runtime.jobs.attempts, *attempts)

    ended = Counter(row[0] for row in await fetch(database, "SELECT xmin::text FROM analysis_jobs"))
    assert sum(ended.values()) == JOBS
    assert len(ended) <= 2
    assert await statuses(database) == ["completed"] * JOBS
    assert await shown(database) == JOBS
    numbers = await fetch(database, "SELECT max(number) AS last, count(*) FROM job_events GROUP BY job_id")
    assert [(row["last"], row["count"]) for row in numbers] == [(3, 3)] * JOBS
    assert await fetch(database, "SELECT FROM media_files WHERE leased_until IS NOT NULL") == []


async def test_what_postgresql_refuses_of_one_leaves_its_neighbours_alone(
    runtime: Runtime, attempts: Sequence[Attempt], database: str
) -> None:
    ended = await end(runtime.jobs.attempts, *attempts, of_3=BAD)

    assert isinstance(ended[3], asyncpg.PostgresError)
    assert [isinstance(one, EndedAttempt) for one in ended] == [True, True, True, False, True, True]
    assert (await statuses(database)).count("completed") == await shown(database) == JOBS - 1


async def test_one_that_was_taken_over_meanwhile_hears_so_alone(
    runtime: Runtime, attempts: Sequence[Attempt], database: str
) -> None:
    successor = await claim_job(runtime, attempts[2].job_id)

    ended = await end(runtime.jobs.attempts, *attempts)

    assert [type(one) for one in ended] == [
        EndedAttempt,
        EndedAttempt,
        FenceLost,
        EndedAttempt,
        EndedAttempt,
        EndedAttempt,
    ]
    assert (await statuses(database)).count("running") == 1
    assert successor is not None
    assert isinstance((await end(runtime.jobs.attempts, successor))[0], EndedAttempt)


async def test_an_attempt_ends_once_however_often_its_end_is_told_at_once(
    runtime: Runtime, attempts: Sequence[Attempt], database: str
) -> None:
    ended = await end(runtime.jobs.attempts, *[attempts[0]] * 4)

    assert Counter(map(type, ended)) == {EndedAttempt: 1, FenceLost: 3}
    assert await shown(database) == 1


async def test_nobody_waits_for_a_neighbour_whose_job_somebody_has_locked(
    runtime: Runtime, attempts: Sequence[Attempt], database: str
) -> None:
    async with runtime.db.transaction() as session:
        await session.execute(text("SELECT FROM analysis_jobs WHERE id = :id FOR UPDATE"), {"id": attempts[0].job_id})
        ending = [asyncio.create_task(end(runtime.jobs.attempts, one)) for one in attempts]
        await asyncio.wait(ending[1:])
        waits = not ending[0].done()

    assert waits
    assert [type((await one)[0]) for one in ending] == [EndedAttempt] * JOBS


async def test_a_failure_shares_the_transaction_and_tells_why(
    runtime: Runtime, attempts: Sequence[Attempt], database: str
) -> None:
    service, failed = runtime.jobs.attempts, attempts[1]

    await asyncio.gather(
        end(service, attempts[0]),
        service.fail(failed.job_id, fence=failed.fence, failure=Failure(code="corrupt_media", detail="it is broken")),
    )

    (row,) = await fetch(
        database,
        "SELECT status::text, error_code, error, fence, completed_at IS NOT NULL AS is_over FROM analysis_jobs"
        " WHERE id = $1",
        failed.job_id,
    )
    assert tuple(row) == ("failed", "corrupt_media", "it is broken", failed.fence + 1, True)


@pytest.mark.parametrize("delivered", [True, False], ids=["committed", "not committed"])
async def test_the_truth_is_told_of_every_attempt_when_the_answer_to_their_commit_is_lost(
    settings: Settings, proxy: CuttingProxy, attempts: Sequence[Attempt], database: str, *, delivered: bool
) -> None:
    async with open_runtime(settings, proxy.url) as far:
        proxy.arm(END, delivered=delivered)
        ended = await end(far.jobs.attempts, *attempts)

    lost = [one for one in ended if isinstance(one, DatabaseUnavailable)]
    completed = [one for one in ended if isinstance(one, EndedAttempt)]
    assert proxy.cuts == 1
    assert len(lost) + len(completed) == JOBS
    assert bool(lost) is not delivered
    assert (await statuses(database)).count("completed") == await shown(database) == len(completed)


async def test_who_is_cancelled_while_its_group_commits_has_ended_or_not(
    runtime: Runtime, attempts: Sequence[Attempt], database: str
) -> None:
    service = runtime.jobs.attempts
    ending = [asyncio.create_task(service.complete(one.job_id, fence=one.fence, products=0)) for one in attempts]
    await asyncio.sleep(0)
    ending[0].cancel()
    await asyncio.wait(ending)

    assert ending[0].cancelled()
    assert await statuses(database) == ["completed"] * JOBS
