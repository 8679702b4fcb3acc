"""Server-Sent Events of a job: as they happen, each once, and no longer than the job."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from fastapi import FastAPI

from media_analysis.jobs.attempts.attempt import Attempt, Failure
from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.streams import DEADLINE_SECONDS, holds_no_connection, streaming
from tests.cli.commands import Serving, serving
from tests.conftest import Client, fetch
from tests.files.conftest import eventually


async def test_events_come_as_they_happen_until_the_job_has_ended(
    app: FastAPI, client: Client, runtime: Runtime, run: Attempt
) -> None:
    async with streaming(app, client, run.job_id) as stream:
        past = await stream.read(2)
        await runtime.jobs.attempts.tell_progress(
            run.job_id, fence=run.fence, share=0.25, stage="Bilder für alle\n", done=1
        )
        live = await stream.read(3)
        is_open = not stream.ended.is_set()
        await runtime.jobs.attempts.complete(run.job_id, fence=run.fence)
        everything = await stream.read_all()

    assert stream.status == 200
    assert stream.headers["content-type"].startswith("text/event-stream")
    assert stream.headers["cache-control"] == "no-store"
    assert stream.text.startswith("retry: ")
    assert [(told.id, told.event) for told in everything] == [
        *((1, "status"), (2, "status"), (3, "progress"), (4, "status"))
    ]
    assert past == everything[:2]
    assert live == everything[:3]
    assert is_open
    assert live[2].data.items() >= {"progress": 0.25, "stage": "Bilder für alle\n", "done": 1, "total": None}.items()
    assert everything[3].data["status"] == "completed"
    assert all("at" in told.data for told in everything)


@pytest.mark.parametrize("way", ["header", "query", "header over query"])
async def test_a_client_that_comes_back_goes_on_behind_the_last_event_it_read(
    app: FastAPI, client: Client, runtime: Runtime, run: Attempt, way: str
) -> None:
    async with streaming(app, client, run.job_id) as first:
        before = await first.read(2)
    await runtime.jobs.attempts.tell_progress(run.job_id, fence=run.fence, share=0.25, stage="s")
    await runtime.jobs.attempts.complete(run.job_id, fence=run.fence)
    query = {"header": "", "query": "last_event_id=2", "header over query": "last_event_id=1"}[way]
    async with streaming(app, client, run.job_id, after=None if way == "query" else 2, query=query) as second:
        rest = await second.read_all()

    assert [told.id for told in before + rest] == [1, 2, 3, 4]


@pytest.mark.parametrize("after", [3, 4, 2**63 - 1])
async def test_whoever_read_everything_of_an_ended_job_is_told_not_to_come_back(
    client: Client, runtime: Runtime, run: Attempt, after: int
) -> None:
    await runtime.jobs.attempts.fail(run.job_id, fence=run.fence, failure=Failure(code="corrupt_media", detail="d"))

    answer = await client.request("GET", f"/api/v1/jobs/{run.job_id}/events", headers={"Last-Event-ID": str(after)})

    assert (answer.status_code, answer.content) == (204, b"")


@pytest.mark.parametrize("bad", ["", "x", "-1", "1.5", "1 2", str(2**63), "3"])
async def test_a_number_that_no_event_has_is_refused(client: Client, run: Attempt, bad: str) -> None:
    path = f"/api/v1/jobs/{run.job_id}/events"

    by_header = await client.request("GET", path, headers={"Last-Event-ID": bad})
    by_query = await client.request("GET", path, params={"last_event_id": bad})

    assert refusal(by_header) == (422, "invalid_request")
    assert refusal(by_query) == (422, "invalid_request")
    assert bad not in problem_in(by_header).get("detail", "") or bad == ""


async def test_a_foreign_job_is_unknown_and_nobody_reads_without_a_token(client: Client, run: Attempt) -> None:
    foreign = await client.request("GET", f"/api/v1/jobs/{run.job_id}/events", by="bob")
    unknown = await client.request("GET", f"/api/v1/jobs/{uuid4()}/events", by="bob")
    nobody = await client.request("GET", f"/api/v1/jobs/{run.job_id}/events", by=None)

    assert refusal(foreign) == refusal(unknown) == (404, "job_not_found")
    assert refusal(nobody) == (401, "token_rejected")


async def test_a_client_that_leaves_is_let_go_of_at_once(
    app: FastAPI, client: Client, run: Attempt, database: str
) -> None:
    listeners = (
        "SELECT 1 FROM pg_stat_activity "
        "WHERE datname = current_database() AND application_name = 'media-analysis job_events'"
    )

    async with streaming(app, client, run.job_id) as stream:
        await stream.read(2)
        await eventually(lambda: _has_rows(database, listeners))

    await eventually(lambda: _has_no_rows(database, listeners))


async def test_a_client_that_takes_nothing_holds_one_page_and_no_connection(
    app: FastAPI, client: Client, runtime: Runtime, run: Attempt
) -> None:
    async with streaming(app, client, run.job_id, takes=False) as stream:
        for number in range(300):
            await runtime.jobs.attempts.tell_progress(run.job_id, fence=run.fence, share=0, stage="s", done=number)
        await eventually(lambda: holds_no_connection(runtime))
        stream.taking.set()
        found = await stream.read(302)

    assert [told.id for told in found] == list(range(1, 303))


async def test_a_job_nobody_tells_anything_of_keeps_its_stream_alive(
    app: FastAPI, client: Client, run: Attempt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_analysis.api.routes.job_events.KEEP_ALIVE_SECONDS", 0.01)

    async with streaming(app, client, run.job_id) as stream:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while stream.text.count("\n: ") < 3:
                await stream.chunks.get()

    assert len(stream.events()) == 2


async def test_the_end_of_the_process_ends_the_stream_before_its_job(
    app: FastAPI, client: Client, runtime: Runtime, run: Attempt
) -> None:
    async with streaming(app, client, run.job_id) as stream:
        await stream.read(2)
        runtime.jobs.watches.end()
        found = await stream.read_all()

    assert [told.id for told in found] == [1, 2]


@pytest.fixture
def service(environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[Serving, str]]:
    """A `serve` that runs no jobs, and its administrator's token."""
    with serving(printed=tmp_path / "printed", **environment, WORKER_ENABLED="false") as served:
        served.url()
        yield served, (tmp_path / "var" / "admin-token").read_text().strip()


async def test_sigterm_does_not_wait_for_those_who_watch(
    service: tuple[Serving, str], run: Attempt, database: str
) -> None:
    served, token = service
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        httpx.AsyncClient(base_url=served.url(), headers=headers, timeout=DEADLINE_SECONDS) as http,
        http.stream("GET", f"/api/v1/jobs/{run.job_id}/events") as answer,
    ):
        lines = answer.aiter_lines()
        seen = [line async for line in _until(lines, "id: 2")]
        served.process.send_signal(signal.SIGTERM)
        rest = [line async for line in lines]
    exit_code = await asyncio.to_thread(served.process.wait, DEADLINE_SECONDS)

    assert seen[-1] == "id: 2"
    assert not any(line.startswith("id:") for line in rest)
    assert exit_code == 0
    assert "Traceback" not in served.output


async def _until(lines: AsyncIterator[str], last: str) -> AsyncIterator[str]:
    async for line in lines:
        yield line
        if line == last:
            return


async def _has_rows(database: str, query: str) -> bool:
    return bool(await fetch(database, query))


async def _has_no_rows(database: str, query: str) -> bool:
    return not await fetch(database, query)
