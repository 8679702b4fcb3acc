"""The feed of events over HTTP: as they happen, page by page, each once, and nobody else's."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from fastapi import FastAPI

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.runtime import Runtime
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from tests.api.answers import problem_in, refusal
from tests.api.streams import DEADLINE_SECONDS, Stream, holds_no_connection, streaming_from
from tests.conftest import Client, execute
from tests.files.conftest import eventually

EVENTS = "/api/v1/events"
JSON = {"Accept": "application/json"}


@pytest.fixture(autouse=True)
def _waits_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait for whatever transaction runs on this server, which holds the log back, as long as it takes."""
    monkeypatch.setattr("media_analysis.feed.service.SETTLING_SECONDS", DEADLINE_SECONDS)


async def page(client: Client, *, by: str = "alice", **query: Any) -> dict[str, Any]:
    """Return a page of events, all that are kept unless something else is asked for."""
    answer = await client.request("GET", EVENTS, by=by, headers=JSON, params={"last_event_id": "0"} | query)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def types(client: Client, *, by: str = "alice", **query: Any) -> list[str]:
    return [event["type"] for event in (await page(client, by=by, **query))["items"]]


async def began(stream: Stream) -> None:
    """Wait until a stream says where it begins."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while "retry: " not in stream.text:
            await stream.chunks.get()


async def test_what_happens_is_told_as_it_happens_and_to_its_owner_alone(
    app: FastAPI, client: Client, runtime: Runtime
) -> None:
    await client.upload(filename="before.bin")

    async def settled() -> bool:
        return bool((await page(client))["items"])

    await eventually(settled)  # a feed begins behind that
    async with streaming_from(app, client, EVENTS) as stream, streaming_from(app, client, EVENTS, by="admin") as all_of:
        await began(stream)
        await began(all_of)
        await client.upload(by="bob", filename="bobs.bin")
        file = await client.upload(filename="a.bin", label="camera:north")
        await client.request("DELETE", f"/api/v1/files/{file['id']}")
        told = await stream.read(2)
        told_to_admin = await all_of.read(3)

    assert stream.headers["content-type"].startswith("text/event-stream")
    assert [(each.event, each.data["file_id"]) for each in told] == [
        ("file.stored", file["id"]),
        ("file.deleted", file["id"]),
    ]
    stored = told[0].data
    assert stored.items() >= {"owner": "alice", "category": "uploads", "labels": {"camera": "north"}}.items()
    assert stored["data"] == {"filename": "a.bin", "media_type": "text/plain", "size_bytes": 10}
    assert stored["id"] == told[0].id
    assert told[1].data["data"]["rule"] == "requested"
    assert [each.data["owner"] for each in told_to_admin] == ["bob", "alice", "alice"]


async def test_whoever_comes_back_misses_nothing_and_gets_nothing_twice(
    app: FastAPI, client: Client, runtime: Runtime
) -> None:
    async with streaming_from(app, client, EVENTS) as stream:
        await began(stream)
        await client.upload(filename="1")
        (first,) = await stream.read(1)
    await client.upload(filename="2")
    async with streaming_from(app, client, EVENTS, after=first.id) as stream:
        (second,) = await stream.read(1)
    await client.upload(filename="3")
    async with streaming_from(app, client, EVENTS, query=f"last_event_id={second.id}&timeout=0") as stream:
        (third,) = await stream.read_all()

    assert [each.data["data"]["filename"] for each in (first, second, third)] == ["1", "2", "3"]


async def test_pages_go_on_where_the_one_before_ended_in_the_middle_of_what_happened_at_once(
    client: Client, runtime: Runtime, database: str
) -> None:
    ids = [(await client.upload(filename=str(number)))["id"] for number in range(5)]
    await execute(database, "UPDATE media_files SET filename = filename || 'x'")

    found, after = [], "0"
    while (told := await page(client, limit=2, last_event_id=after, type="file.changed"))["items"]:
        assert len(told["items"]) <= 2
        found += [event["file_id"] for event in told["items"]]
        after = told["last_event_id"]

    assert sorted(found) == sorted(ids)


async def test_filters_say_which_events_are_told(client: Client, runtime: Runtime, run: Attempt) -> None:
    clip = await client.upload(category="clips", label="camera:north")
    other = await client.upload(category="temp", label="camera:south")
    await client.request("DELETE", f"/api/v1/files/{clip['id']}")
    await client.upload(job_id=str(run.job_id))

    assert await types(client) == [
        *("file.stored", "job.created", "job.started"),
        *("file.stored", "file.stored", "file.deleted", "file.stored"),
    ]
    assert await types(client, type=["job.*"]) == ["job.created", "job.started"]
    assert await types(client, type=["job.started", "file.deleted"]) == ["job.started", "file.deleted"]
    assert await types(client, category=["clips"]) == ["file.stored", "file.deleted"]
    assert await types(client, label=["camera"]) == ["file.stored", "file.stored", "file.deleted"]
    assert await types(client, label=["camera:north", "camera"]) == ["file.stored", "file.deleted"]
    assert await types(client, file_id=other["id"]) == ["file.stored"]
    assert await types(client, job_id=str(run.job_id)) == ["job.created", "job.started", "file.stored"]
    assert await types(client, by="bob") == await types(client, by="bob", owner="alice") == []
    assert len(await types(client, by="admin", owner="alice")) == 7
    job = (await page(client, type="job.created"))["items"][0]
    assert job["data"].items() >= {"name": "n", "kind": "probe", "status": "pending"}.items()


async def test_without_a_place_it_begins_now(client: Client) -> None:
    await client.upload()
    assert await types(client) == ["file.stored"]  # it has settled
    answer = await client.request("GET", EVENTS, headers=JSON)
    await client.upload(filename="next")

    assert answer.json()["items"] == []
    told = await page(client, last_event_id=answer.json()["last_event_id"])
    assert [event["data"]["filename"] for event in told["items"]] == ["next"]


async def test_whoever_comes_back_too_late_is_told_so_and_goes_on_with_what_is_left(
    app: FastAPI, client: Client, runtime: Runtime
) -> None:
    await client.upload(filename="1")
    first: str = (await page(client))["last_event_id"]
    await client.upload(filename="2")
    await runtime.event_ends.end(now=await runtime.db.now() + timedelta(days=8))
    await client.upload(filename="3")

    too_late = await client.request("GET", EVENTS, headers={**JSON, "Last-Event-ID": first})
    async with streaming_from(app, client, EVENTS, after=first) as stream:
        reset, left = await stream.read(2)
    from_the_oldest = await page(client)

    assert refusal(too_late) == (410, "events_ended")
    assert reset.event == "reset"
    assert str(reset.id) == problem_in(too_late)["oldest"]
    assert left.data["data"]["filename"] == "3"
    assert [event["id"] for event in from_the_oldest["items"]] == [left.id]
    assert (await page(client, last_event_id=reset.id))["items"] == from_the_oldest["items"]


@pytest.mark.parametrize(
    "query",
    [
        {"last_event_id": "x"},
        {"last_event_id": "1-0"},
        {"last_event_id": "9" * 19},
        {"last_event_id": "-1"},
        {"type": "file.gone"},
        {"type": "file"},
        {"type": ""},
        {"label": "!"},
        {"category": "films"},
        {"limit": 1_001},
        {"timeout": -1},
        {"kind": "probe"},
    ],
)
async def test_what_makes_no_sense_is_refused(client: Client, query: dict[str, Any]) -> None:
    assert refusal(await client.request("GET", EVENTS, params=query)) == (422, "invalid_request")


async def test_a_session_that_may_not_see_jobs_is_told_of_files_alone(
    client: Client, runtime: Runtime, run: Attempt
) -> None:
    _, client.tokens["reader"] = await runtime.sessions.create(
        owner="alice", role=Role.USER, ttl=timedelta(hours=1), scopes=[Scope.FILES_READ]
    )

    assert await types(client, by="reader") == ["file.stored"]
    assert await types(client, by="reader", type="job.*") == []


async def test_a_stream_ends_with_its_token_and_with_the_process(
    app: FastAPI, client: Client, runtime: Runtime
) -> None:
    session, client.tokens["short"] = await runtime.sessions.create(
        owner="alice", role=Role.USER, ttl=timedelta(hours=1)
    )
    async with streaming_from(app, client, EVENTS, by="short") as revoked, streaming_from(app, client, EVENTS) as other:
        await began(revoked)
        await began(other)
        await runtime.sessions.revoke(session.id, owner="alice")
        await revoked.read_all()
        is_open = not other.ended.is_set()
        runtime.feed.end()
        await other.read_all()

    assert is_open


async def test_a_client_that_takes_nothing_holds_one_page_and_no_connection(
    app: FastAPI, client: Client, runtime: Runtime, database: str
) -> None:
    async with streaming_from(app, client, EVENTS, query="last_event_id=0", takes=False) as stream:
        await client.upload()
        await execute(
            database,
            "INSERT INTO events (owner, type, file_ids) SELECT 'alice', 'file.changed',"
            " ARRAY(SELECT gen_random_uuid() FROM generate_series(1, 300)) FROM generate_series(1, 3)",
        )
        await eventually(lambda: holds_no_connection(runtime))
        stream.taking.set()
        found = await stream.read(901)

    assert len({each.id for each in found}) == 901


async def test_an_idle_stream_tells_how_far_it_is(
    app: FastAPI, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that a client who comes back has missed nothing, although none of what happened was for it."""
    monkeypatch.setattr("media_analysis.api.routes.events.KEEP_ALIVE_SECONDS", 0.05)
    async with streaming_from(app, client, EVENTS) as stream:
        await began(stream)
        await client.upload(by="bob")
        last = (await page(client, by="admin"))["items"][-1]["id"].partition("-")[0]

        async def is_told() -> bool:
            return f"id: {last}\n\n" in stream.text

        await eventually(is_told)

    assert stream.events() == []


async def test_somebody_looks_at_the_log_only_while_somebody_follows(app: FastAPI, client: Client) -> None:
    async def is_looked_at() -> bool:
        return any("FeedService._keep" in repr(task) for task in asyncio.all_tasks())

    async def is_left_alone() -> bool:
        return not await is_looked_at()

    async with streaming_from(app, client, EVENTS) as stream:
        await began(stream)
        await eventually(is_looked_at)

    await eventually(is_left_alone)


async def test_everybody_is_told_everything_once_whoever_commits_when(
    app: FastAPI, client: Client, runtime: Runtime
) -> None:
    """Uploads and deletions of many at once: none is left out, none is told twice, none before what led to it."""

    async def live(number: int) -> str:
        file = await client.upload(filename=str(number))
        await client.request("DELETE", f"/api/v1/files/{file['id']}")
        return str(file["id"])

    async with streaming_from(app, client, EVENTS) as stream:
        await began(stream)
        ids = await asyncio.gather(*(live(number) for number in range(60)))
        found = await stream.read(120)

    stories = {one: [each.event for each in found if each.data["file_id"] == one] for one in ids}
    assert all(story == ["file.stored", "file.deleted"] for story in stories.values())
    assert len({each.id for each in found}) == 120
