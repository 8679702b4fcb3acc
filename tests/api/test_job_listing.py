"""Listing jobs: filters, pages, cursors."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import event

from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.api.jobs import URL, create, fail, finish
from tests.conftest import Client, execute

EXTERNAL: dict[str, Any] = {"kind": "external", "source_file_ids": [], "parameters": {"analyser": "x"}}


async def names(client: Client, *, by: str = "alice", **query: Any) -> list[str]:
    answer = await client.request("GET", URL, by=by, params=query)
    assert answer.status_code == 200, answer.text
    return [job["name"] for job in answer.json()["items"]]


async def test_a_list_shows_the_callers_jobs_newest_first(client: Client) -> None:
    first = await create(client, name="first")
    await create(client, name="theirs", by="bob", **EXTERNAL)
    last = await create(client, name="last", **EXTERNAL)

    answer = await client.request("GET", URL)

    assert answer.json() == {"items": [last, first], "next_cursor": None}


async def test_filters_narrow_a_list(client: Client, runtime: Runtime) -> None:
    done, failed = await create(client, name="done"), await create(client, name="failed", kind="frames")
    waiting = await create(client, name="waiting", **EXTERNAL)
    await finish(runtime, done)
    await fail(runtime, failed)

    assert await names(client, status="completed") == ["done"]
    assert await names(client, status=["failed", "pending"]) == ["waiting", "failed"]
    assert await names(client, status="running") == []
    assert await names(client, kind="frames") == ["failed"]
    assert await names(client, kind="external", status="completed") == []
    assert await names(client, folder_name=waiting["folder_name"]) == ["waiting"]
    assert await names(client, folder_name=waiting["folder_name"][:-1]) == []


async def test_a_folder_prefix_finds_the_jobs_of_a_day(client: Client, database: str) -> None:
    jobs = [await create(client, name=str(number), **EXTERNAL) for number in range(3)]
    for job, day in zip(jobs, ("20300101", "20300102", "2030010x"), strict=True):
        await execute(
            database, f"UPDATE analysis_jobs SET folder_name = '{day}_000000_{job['id']}' WHERE id = '{job['id']}'"
        )

    assert await names(client, folder_prefix="2030010") == ["2", "1", "0"]
    assert await names(client, folder_prefix="20300102_") == ["1"]
    assert await names(client, folder_prefix=f"20300101_000000_{jobs[0]['id']}") == ["0"]
    assert await names(client, folder_prefix="203001_") == []


async def test_a_created_range_is_half_open(client: Client) -> None:
    one, two, three = [await create(client, name=name, **EXTERNAL) for name in ("one", "two", "three")]
    moment = timedelta(microseconds=1)
    at = datetime.fromisoformat(two["created_at"])

    assert await names(client, created_after=two["created_at"]) == ["three", "two"]
    assert await names(client, created_after=(at + moment).isoformat()) == ["three"]
    assert await names(client, created_before=two["created_at"]) == ["one"]
    assert await names(client, created_before=(at + moment).isoformat()) == ["two", "one"]
    assert await names(client, created_after=one["created_at"], created_before=three["created_at"]) == ["two", "one"]
    assert await names(client, created_after="9999-01-01T00:00:00Z") == []
    assert await names(client, created_before="1970-01-01T00:00:00Z") == []


async def test_only_an_administrator_looks_at_others(client: Client) -> None:
    await create(client, name="mine", **EXTERNAL)
    await create(client, name="theirs", by="bob", **EXTERNAL)

    assert await names(client, owner="bob") == ["mine"]
    assert await names(client, by="admin") == ["theirs", "mine"]
    assert await names(client, by="admin", owner="bob") == ["theirs"]


async def test_a_deleted_job_is_not_listed(client: Client, database: str) -> None:
    await create(client, **EXTERNAL)
    await execute(database, "UPDATE analysis_jobs SET deleted_at = now()")

    assert await names(client) == []


async def test_pages_walk_every_job_exactly_once_while_new_ones_arrive(client: Client) -> None:
    before = [(await create(client, name=str(number), **EXTERNAL))["id"] for number in range(5)]
    page = (await client.request("GET", URL, params={"limit": 2})).json()
    await create(client, name="newcomer", **EXTERNAL)

    walked = [job["id"] for job in page["items"]]
    while page["next_cursor"]:
        page = (await client.request("GET", URL, params={"limit": 2, "cursor": page["next_cursor"]})).json()
        walked += [job["id"] for job in page["items"]]

    assert walked == before[::-1]


async def test_a_page_takes_as_many_statements_for_one_job_as_for_many(client: Client, runtime: Runtime) -> None:
    """No N+1: sources come with the page."""
    source = (await client.upload())["id"]
    for _ in range(6):
        await create(client, source_file_ids=[source])
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if any(table in statement for table in ("analysis_jobs", "job_sources", "media_files", "analysis_results")):
            statements.append(statement)  # others are asked at any time: what fills, and when a session was last used

    event.listen(runtime.db.engine.sync_engine, "before_cursor_execute", note)
    (one,) = (await client.request("GET", URL, params={"limit": 1})).json()["items"]
    for_one, statements[:] = len(statements), []
    six = (await client.request("GET", URL, params={"limit": 6})).json()["items"]

    assert len(six) == 6
    assert one["source_file_ids"] == [source]
    assert len(statements) == for_one


WRONG = [
    {"limit": "0"},
    {"limit": "1001"},
    {"cursor": "x"},
    {"status": "gone"},
    {"status": ["pending", "gone"]},
    {"kind": "No Kind"},
    {"owner": "a b"},
    {"created_after": "2030-01-01"},
    {"created_before": "yesterday"},
    {"folder_name": "../.."},
    {"folder_prefix": "%"},
    {"folder_prefix": ""},
    {"folder_prefix": "\x00"},
    {"job_id": str(uuid4())},
]


@pytest.mark.parametrize("by", ["alice", "admin"])
async def test_a_list_asked_for_wrongly_is_refused(client: Client, by: str) -> None:
    answers = [await client.request("GET", URL, by=by, params=query) for query in WRONG]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(WRONG)
