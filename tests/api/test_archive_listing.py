"""Listing archived jobs: by when they were archived and whose they are, page by page."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import event

from media_analysis.api.schemas.archives import encode_position
from media_analysis.archive.catalog import ArchivedPosition
from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.archives import ARCHIVED, archived_run, ask_restore, read_archive, work
from tests.api.jobs import URL, create
from tests.archive.archived import Run
from tests.conftest import Client, execute

SMALL = {"a.txt": b"a few bytes\n"}


async def listed(client: Client, *, by: str = "alice", **query: Any) -> list[str]:
    answer = await client.request("GET", ARCHIVED, by=by, params=query)
    assert answer.status_code == 200, answer.text
    return [job["name"] for job in answer.json()["items"]]


async def archived_on(client: Client, runtime: Runtime, database: str, at: str, **about: Any) -> Run:
    """Return a run that was archived at an instant, which is its name unless another is given."""
    run = await archived_run(client, runtime, contents=SMALL, **{"name": at} | about)
    await execute(database, f"UPDATE analysis_jobs SET archived_at = '{at}' WHERE id = '{run.id}'")
    return run


async def test_a_list_tells_of_each_job_what_its_archive_holds(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime, name="the run")

    (item,) = (await client.request("GET", ARCHIVED)).json()["items"]

    archive = await read_archive(client, run)
    assert item == {name: value for name, value in archive.items() if name not in {"items", "next_cursor", "task"}}
    assert (item["name"], item["status"], item["owner"]) == ("the run", "completed", "alice")
    assert (item["files"], item["size_bytes"]) == (5, sum(map(len, run.contents.values())))
    for link in ("job", "archive", "download"):
        assert (await client.request("GET", item["links"][link])).status_code == 200, link
    assert (await client.request("POST", item["links"]["restore"])).status_code == 202


async def test_a_job_is_either_in_the_list_of_active_or_of_archived_ones(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime, name="old", contents=SMALL)
    await create(client, name="young")

    async def active() -> list[str]:
        return [job["name"] for job in (await client.request("GET", URL)).json()["items"]]

    before = await active(), await listed(client)
    await ask_restore(client, run)
    await work(runtime)

    assert before == (["young"], ["old"])
    assert (await active(), await listed(client)) == (["young", "old"], [])


async def test_a_day_is_a_whole_day_and_an_instant_is_one(client: Client, runtime: Runtime, database: str) -> None:
    for at in ("2030-01-01T23:59:59.999999Z", "2030-01-02T00:00:00Z", "2030-01-02T23:59:59.999999Z", "2030-01-03Z"):
        await archived_on(client, runtime, database, at.replace("-03Z", "-03T00:00:00Z"), name=at[8:16])
    first, second, last, next_day = "01T23:59", "02T00:00", "02T23:59", "03Z"

    assert await listed(client) == [next_day, last, second, first]
    assert await listed(client, start_date="2030-01-02", end_date="2030-01-02") == [last, second]
    assert await listed(client, start_date="2030-01-02") == [next_day, last, second]
    assert await listed(client, end_date="2030-01-01") == [first]
    assert await listed(client, start_date="2030-01-02T00:00:00Z", end_date="2030-01-03T00:00:00Z") == [last, second]
    assert await listed(client, start_date="2030-01-02T00:00:00.000001Z", end_date="2030-01-02") == [last]
    assert await listed(client, start_date="2030-01-02T01:00:00+01:00", end_date="2030-01-02T00:00:01Z") == [second]
    assert await listed(client, start_date="2030-01-02T00:00:00Z", end_date="2030-01-02T00:00:00Z") == []


async def test_pages_follow_each_other_also_where_jobs_were_archived_at_once(
    client: Client, runtime: Runtime, database: str
) -> None:
    for number in range(5):
        day = 2 if number else 1
        await archived_on(client, runtime, database, f"2030-01-0{day}T00:00:00.123456Z", name=str(number))
    names: list[str] = []
    cursor: str | None = None

    for _ in range(3):
        query = {"limit": "2"} | ({} if cursor is None else {"cursor": cursor})
        page = (await client.request("GET", ARCHIVED, params=query)).json()
        names += [job["name"] for job in page["items"]]
        cursor = page["next_cursor"]

    assert (names, cursor) == (["4", "3", "2", "1", "0"], None)
    assert await listed(client, limit=5) == names


async def test_only_an_administrator_looks_at_others(client: Client, runtime: Runtime, database: str) -> None:
    await archived_on(client, runtime, database, "2030-01-01T00:00:00Z", name="mine")
    await archived_on(client, runtime, database, "2030-01-02T00:00:00Z", name="theirs", owner="bob")

    assert await listed(client) == await listed(client, owner="bob") == ["mine"]
    assert await listed(client, by="bob") == ["theirs"]
    assert await listed(client, by="admin") == ["theirs", "mine"]
    assert await listed(client, by="admin", owner="alice") == ["mine"]
    assert await listed(client, by="admin", owner="nobody") == []


async def test_a_forged_cursor_opens_nobody_elses_list(client: Client, runtime: Runtime) -> None:
    await archived_run(client, runtime, contents=SMALL, owner="bob")
    future = ArchivedPosition(datetime.fromisoformat("2990-01-01T00:00:00Z"), UUID(int=2**128 - 1))

    answer = await client.request("GET", ARCHIVED, params={"cursor": encode_position(future)})

    assert answer.json() == {"items": [], "next_cursor": None}


@pytest.mark.parametrize(
    "query",
    [
        {"cursor": ""},
        {"cursor": "!"},
        {"cursor": "AAAA"},
        {"cursor": "\u00fc"},
        {"cursor": "x" * 65},
        {"cursor": "_" * 32},
        {"cursor": "AAAAAAAAAAAAAAAAAAAAAA"},
        {"start_date": "yesterday"},
        {"start_date": "20300101"},
        {"start_date": "2030-02-30"},
        {"start_date": "2030-01-01T00:00:00"},
        {"start_date": "0001-01-01"},
        {"start_date": "1893456000"},
        {"end_date": "9999-12-31"},
        {"end_date": "2030-01-01\u0000"},
        {"start_date": "2030-01-03", "end_date": "2030-01-01"},
        {"owner": "a\u0000b"},
        {"limit": "0"},
        {"limit": "501"},
        {"limit": "many"},
        {"state": "archived"},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(client: Client, query: dict[str, str]) -> None:
    answer = await client.request("GET", ARCHIVED, params=query)

    assert refusal(answer) == (422, "invalid_request")


async def test_a_refused_date_names_its_field(client: Client) -> None:
    answer = problem_in(await client.request("GET", ARCHIVED, params={"start_date": "soon"}))

    assert {error["field"] for error in answer["errors"]} == {"query.start_date"}


async def test_a_list_costs_the_same_statements_whatever_its_length(client: Client, runtime: Runtime) -> None:
    for _ in range(3):
        await archived_run(client, runtime, contents=SMALL)
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if any(table in statement for table in ("analysis_jobs", "media_files", "archive_tasks")):
            statements.append(statement)  # others are asked at any time: what fills, and when a session was last used

    assert len(await listed(client)) == 3
    event.listen(runtime.db.engine.sync_engine, "before_cursor_execute", note)
    one = await listed(client, limit=1)
    for_one, statements[:] = len(statements), []
    three = await listed(client, limit=3)

    assert (len(one), len(three)) == (1, 3)
    assert len(statements) == for_one > 0


async def test_an_archived_job_of_nobody_is_asked_for_by_its_id_alone(client: Client) -> None:
    assert refusal(await client.request("GET", f"{URL}/{uuid4()}/archive")) == (404, "job_not_found")
    assert refusal(await client.request("DELETE", ARCHIVED)) == (405, "method_not_allowed")
