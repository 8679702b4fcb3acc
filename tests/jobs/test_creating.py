"""Jobs that are created at the same time share a transaction, and each has its own answer."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from media_analysis.api.schemas.jobs import JobRead
from media_analysis.errors import DatabaseUnavailable, SourceUnusable, TooManyJobs
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.jobs.service import JobView
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.conftest import StoreFile, fetch
from tests.files.cutting_proxy import CuttingProxy, cutting_proxy

JOBS = 6
LIMIT = 2 * JOBS


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"WORKER_MAX_WAITING_PER_OWNER": str(LIMIT)}


@pytest.fixture
async def asked(store_file: StoreFile) -> Sequence[NewJob]:
    sources = [(await store_file(b"a source", ttl=3600)).id for _ in range(JOBS)]
    return [NewJob(owner="alice", name="n", kind="probe", source_file_ids=[sources[0], one]) for one in sources]


@pytest.fixture
async def proxy(database: str) -> AsyncIterator[CuttingProxy]:
    async with cutting_proxy(database) as opened:
        yield opened


async def create(runtime: Runtime, *asked: NewJob) -> Sequence[AnalysisJob | BaseException]:
    return await asyncio.gather(*map(runtime.jobs.control.create, asked), return_exceptions=True)


async def waiting(database: str) -> dict[str, int]:
    """Return how many jobs of each owner wait, which is what is counted of them."""
    asked = "SELECT owner, count(*) FROM analysis_jobs WHERE status = 'pending' GROUP BY owner"
    counted = "SELECT owner, jobs AS count FROM waiting_jobs WHERE jobs > 0"
    found, told = [{row["owner"]: row["count"] for row in await fetch(database, one)} for one in (asked, counted)]
    assert found == told
    return found


async def test_those_that_are_created_at_once_take_two_transactions_and_keep_their_sources(
    runtime: Runtime, asked: Sequence[NewJob], database: str
) -> None:
    made = await create(runtime, *asked, *[replace(one, owner="bob", source_file_ids=[]) for one in asked])

    transactions = Counter(row[0] for row in await fetch(database, "SELECT xmin::text FROM analysis_jobs"))
    assert sum(transactions.values()) == len(made) == 2 * JOBS
    assert len(transactions) <= 2
    assert await waiting(database) == {"alice": JOBS, "bob": JOBS}
    kept = await fetch(
        database,
        "SELECT file.leased_until >= pinned_until AND until = pinned_until AS stays FROM job_sources"
        " JOIN analysis_jobs AS job ON job.id = job_id JOIN media_files AS file ON file.id = file_id",
    )
    assert [row["stays"] for row in kept] == [True] * 2 * JOBS
    assert len(await fetch(database, "SELECT FROM job_events WHERE number = 1")) == 2 * JOBS


async def test_who_creates_a_job_is_shown_what_whoever_reads_it_is(
    runtime: Runtime, asked: Sequence[NewJob], database: str
) -> None:
    made = await runtime.jobs.control.create(replace(asked[0], parameters={"count": 3}, priority=2))

    told = JobRead.from_view(JobView(made, asked[0].source_file_ids, made.created_at))
    assert told == JobRead.from_view(await runtime.jobs.catalog.view(made.id, owner="alice"))


async def test_what_postgresql_refuses_of_one_leaves_its_neighbours_alone(
    runtime: Runtime, asked: Sequence[NewJob], database: str
) -> None:
    made = await create(runtime, *asked[:2], replace(asked[2], name="\0"), *asked[3:])

    assert isinstance(made[2], DBAPIError)
    assert sum(isinstance(one, AnalysisJob) for one in made) == JOBS - 1
    assert await waiting(database) == {"alice": JOBS - 1}


async def test_who_names_what_is_not_theirs_is_refused_alone(
    runtime: Runtime, asked: Sequence[NewJob], database: str
) -> None:
    made = await create(runtime, *asked[:2], replace(asked[2], owner="bob"), *asked[3:])

    assert isinstance(made[2], SourceUnusable)
    assert await waiting(database) == {"alice": JOBS - 1}


async def test_nobody_waits_for_a_neighbour_whose_source_somebody_has_locked(
    runtime: Runtime, asked: Sequence[NewJob], database: str
) -> None:
    own = [replace(one, source_file_ids=one.source_file_ids[1:]) for one in asked]
    async with runtime.db.transaction() as session:
        locking = text("SELECT FROM media_files WHERE id = :id FOR UPDATE")
        await session.execute(locking, {"id": own[0].source_file_ids[0]})
        creating = [asyncio.create_task(runtime.jobs.control.create(one)) for one in own]
        await asyncio.wait(creating[1:])
        waits = not creating[0].done()

    assert waits
    assert len(await asyncio.gather(*creating)) == JOBS
    assert await waiting(database) == {"alice": JOBS}


async def test_services_at_once_give_exactly_as_many_places_as_there_are(
    settings: Settings, runtime: Runtime, asked: Sequence[NewJob], database: str
) -> None:
    mine, theirs = (
        [replace(one, source_file_ids=[]) for one in asked],
        replace(asked[0], owner="bob", source_file_ids=[]),
    )
    async with open_runtime(settings, database) as other:
        made = await asyncio.gather(
            *(create(one, *mine, theirs, *mine) for one in (runtime, other)),
        )

    refused = [answer for answers in made for answer in answers if isinstance(answer, BaseException)]
    assert [type(error) for error in refused] == [TooManyJobs] * (4 * JOBS - LIMIT)
    assert await waiting(database) == {"alice": LIMIT, "bob": 2}


@pytest.mark.parametrize("delivered", [True, False], ids=["committed", "not committed"])
async def test_the_truth_is_told_of_every_job_when_the_answer_to_their_commit_is_lost(
    settings: Settings, proxy: CuttingProxy, asked: Sequence[NewJob], database: str, *, delivered: bool
) -> None:
    async with open_runtime(settings, proxy.url) as far:
        proxy.arm(b"INSERT INTO analysis_jobs", delivered=delivered)
        made = await create(far, *asked)

    lost = [one for one in made if isinstance(one, DatabaseUnavailable)]
    assert proxy.cuts == 1
    assert bool(lost) is not delivered
    assert await waiting(database) == ({"alice": JOBS - len(lost)} if len(lost) < JOBS else {})


async def test_who_is_cancelled_while_its_group_commits_disturbs_nobody(
    runtime: Runtime, asked: Sequence[NewJob], database: str
) -> None:
    creating = [asyncio.create_task(runtime.jobs.control.create(one)) for one in asked]
    await asyncio.sleep(0)
    creating[0].cancel()
    await asyncio.wait(creating)

    assert creating[0].cancelled()
    assert await waiting(database) == {"alice": JOBS}
