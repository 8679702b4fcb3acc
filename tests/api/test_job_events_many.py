"""Many who watch the same job, and one who comes and goes: nobody misses anything, nobody gets it twice."""

import asyncio
from contextlib import AsyncExitStack

from fastapi import FastAPI

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.runtime import Runtime
from tests.api.streams import DEADLINE_SECONDS, streaming
from tests.conftest import Client, execute, fetch
from tests.files.conftest import eventually

WATCHERS = 200
LISTENERS = (
    "SELECT 1 FROM pg_stat_activity "
    "WHERE datname = current_database() AND application_name = 'media-analysis job_events'"
)
EVERYBODY = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


async def tell(runtime: Runtime, run: Attempt, number: int) -> None:
    await runtime.jobs.attempts.tell_progress(run.job_id, fence=run.fence, share=0, stage="s", done=number)


async def test_two_hundred_clients_at_once_read_all_of_it_over_one_listening_connection(
    app: FastAPI, client: Client, runtime: Runtime, run: Attempt, database: str
) -> None:
    async with AsyncExitStack() as opened:
        streams = [await opened.enter_async_context(streaming(app, client, run.job_id)) for _ in range(WATCHERS)]
        for stream in streams:
            await stream.read(2)
        listening = await fetch(database, LISTENERS)
        for number in range(5):
            await tell(runtime, run, number)
        await runtime.jobs.attempts.complete(run.job_id, fence=run.fence)
        found = [await stream.read_all() for stream in streams]

    assert len(listening) == 1
    assert [[told.id for told in events] for events in found] == [list(range(1, 9))] * WATCHERS
    await eventually(lambda: _is_quiet(database))


async def test_a_client_that_comes_and_goes_while_events_are_written_reads_each_of_them_once(
    app: FastAPI, client: Client, runtime: Runtime, run: Attempt
) -> None:
    async def write() -> None:
        for number in range(100):
            await tell(runtime, run, number)
        await runtime.jobs.attempts.complete(run.job_id, fence=run.fence)

    writing = asyncio.create_task(write())
    read: list[int] = []
    visits = 0
    async with asyncio.timeout(DEADLINE_SECONDS):
        while len(read) < 103:
            visits += 1
            async with streaming(app, client, run.job_id, after=len(read)) as stream:
                read += [told.id for told in await stream.read(1)]
    await writing

    assert read == list(range(1, 104))
    assert visits > 1


async def test_a_stream_outlives_the_loss_of_every_database_connection(
    app: FastAPI, client: Client, runtime: Runtime, run: Attempt, database: str
) -> None:
    async with streaming(app, client, run.job_id) as stream:
        await stream.read(2)
        for _ in range(3):
            await execute(database, EVERYBODY)
            await runtime.jobs.catalog.get(run.job_id, owner=None)  # the pool finds out
            await tell(runtime, run, 1)
        await runtime.jobs.attempts.complete(run.job_id, fence=run.fence)
        found = await stream.read_all()

    assert [told.id for told in found] == [1, 2, 3, 4, 5, 6]


async def _is_quiet(database: str) -> bool:
    return not await fetch(database, LISTENERS)
