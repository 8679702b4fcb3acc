"""An owner has only so many jobs waiting: those beyond the limit are refused whole, and nobody else notices."""

import asyncio
from uuid import UUID

import pytest

from media_analysis.errors import TooManyJobs
from media_analysis.jobs.attempts.attempt import Failure
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime
from tests.api.answers import problem_in
from tests.api.jobs import URL, begin, create, fail
from tests.conftest import Client, StoreFile, fetch

LIMIT = 3
MADE = """
    SELECT (SELECT count(*) FROM analysis_jobs), (SELECT count(*) FROM job_sources), (SELECT count(*) FROM job_events)
"""


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"WORKER_MAX_WAITING_PER_OWNER": str(LIMIT)}


async def test_a_job_beyond_the_limit_is_refused_in_words_and_leaves_nothing(client: Client, database: str) -> None:
    source = (await client.upload())["id"]
    for kind in ("probe", "frames", "analyze"):
        await create(client, kind=kind, source_file_ids=[source])
    before = await fetch(database, MADE)

    external = {"kind": "external", "name": "n", "parameters": {"analyser": "a"}}
    asked = [{"kind": "probe", "name": "n", "source_file_ids": [source]}, external]
    refused = [await client.request("POST", URL, json=document) for document in asked]
    await create(client, by="bob")

    for answer in refused:
        assert answer.status_code == 429
        assert int(answer.headers["Retry-After"]) > 0
        problem = problem_in(answer)
        assert (problem["code"], problem["limit"], problem["waiting"]) == ("too_many_jobs", LIMIT, LIMIT)
        assert problem["detail"] == (
            "3 jobs of alice wait, and an owner may have 3 waiting at once;"
            " ask again when some have begun, or cancel some"
        )
    (after,) = await fetch(database, MADE)
    assert [count - 1 for count in after] == list(before[0])


async def test_what_begins_or_is_cancelled_makes_room_and_a_job_tried_again_needs_some(
    client: Client, runtime: Runtime
) -> None:
    source = (await client.upload())["id"]
    failed, running, *_ = [await create(client, source_file_ids=[source]) for _ in range(LIMIT)]
    await fail(runtime, failed)
    fence = await begin(runtime, running)
    filling = [await create(client, source_file_ids=[source]) for _ in range(LIMIT - 1)]

    full = await client.request("POST", f"{URL}/{failed['id']}/retry")
    await runtime.jobs.attempts.hand_back(
        UUID(running["id"]), fence=fence, failure=Failure(code="c", detail="d"), delay=runtime.jobs.control.limits.pin
    )
    beyond = await client.request("POST", f"{URL}/{failed['id']}/retry")
    for job in filling:
        await client.request("POST", f"{URL}/{job['id']}/cancel")
    again = await client.request("POST", f"{URL}/{failed['id']}/retry")

    assert [problem_in(answer)["waiting"] for answer in (full, beyond)] == [LIMIT, LIMIT + 1]
    assert again.status_code == 202


async def test_many_at_once_get_exactly_as_many_places_as_there_are(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    files = [await store_file(b"a source") for _ in range(8)]

    made = await asyncio.gather(
        *(
            runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[file.id]))
            for file in files
        ),
        return_exceptions=True,
    )

    refused = [answer for answer in made if isinstance(answer, BaseException)]
    assert [type(error) for error in refused] == [TooManyJobs] * (len(files) - LIMIT)
    assert (await fetch(database, "SELECT count(*) FROM analysis_jobs"))[0][0] == LIMIT
