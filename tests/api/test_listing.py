"""Listing files: filters, pages, cursors."""

from typing import Any
from uuid import uuid4

import pytest

from tests.api.answers import refusal
from tests.api.conftest import Expire
from tests.conftest import Client, execute

URL = "/api/v1/files"


async def names(client: Client, *, by: str = "alice", **query: Any) -> list[str]:
    answer = await client.request("GET", URL, by=by, params=query)
    assert answer.status_code == 200, answer.text
    return [file["filename"] for file in answer.json()["items"]]


async def pages(client: Client, *, by: str = "alice", **query: Any) -> list[list[dict[str, Any]]]:
    """Return all pages of a list, following its cursors."""
    found: list[list[dict[str, Any]]] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.request("GET", URL, by=by, params=query | cursor)).json()
        found.append(page["items"])
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def end(day: int, *, seconds: int = 0) -> str:
    return f"2030-01-{day:02d}T00:00:{seconds:02d}Z"


async def test_a_list_shows_the_callers_living_files_newest_first(client: Client, expire: Expire) -> None:
    await client.upload(filename="first")
    await client.upload(filename="theirs", by="bob")
    expired = await client.upload(filename="expired")
    deleted = await client.upload(filename="deleted")
    last = await client.upload(filename="last")
    await expire(expired)
    await client.request("DELETE", f"{URL}/{deleted['id']}")

    answer = await client.request("GET", URL)

    assert answer.json()["next_cursor"] is None
    assert [file["filename"] for file in answer.json()["items"]] == ["last", "first"]
    assert answer.json()["items"][0] == last


async def test_filters_narrow_a_list(client: Client, database: str) -> None:
    job_id = str(uuid4())
    await execute(
        database,
        "INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category)"
        f" VALUES ('{job_id}', 'alice', 'n', 'probe', 'pending', 0, 0, 0, 'f', 'outputs')",
    )
    await client.upload(filename="temp", category="temp", expires_at="2030-01-01T00:00:00Z")
    await client.upload(filename="job", category="outputs", job_id=job_id)
    await client.upload(filename="both", category="temp", job_id=job_id, expires_at="2031-01-01T00:00:00Z")

    assert await names(client, category="temp") == ["both", "temp"]
    assert await names(client, job_id=job_id) == ["both", "job"]
    assert await names(client, category="temp", job_id=job_id) == ["both"]
    assert await names(client, state="stored") == ["both", "job", "temp"]
    assert await names(client, state="pending") == []
    assert await names(client, state="archived") == []
    assert await names(client, state="stored", job_id=job_id, expires_before="2032-01-01T00:00:00Z") == ["both"]
    assert await names(client, expires_before="2030-01-01T00:00:00Z") == []
    assert await names(client, expires_before="2030-01-01T00:00:00.000001Z") == ["temp"]
    assert await names(client, expires_before="2031-06-01T00:00:00+02:00") == ["temp", "both"]
    assert await names(client, job_id=str(uuid4())) == []


async def test_only_an_administrator_looks_at_others(client: Client) -> None:
    await client.upload(filename="mine")
    await client.upload(filename="theirs", by="bob")

    assert await names(client, owner="bob") == ["mine"]
    assert await names(client, by="admin") == ["theirs", "mine"]
    assert await names(client, by="admin", owner="bob") == ["theirs"]


async def test_pages_walk_every_file_exactly_once_while_new_ones_arrive(client: Client) -> None:
    before = [(await client.upload(filename=str(number)))["id"] for number in range(7)]
    first = (await client.request("GET", URL, params={"limit": 3})).json()
    await client.upload(filename="newcomer")

    rest = await pages(client, limit=3, cursor=first["next_cursor"])

    walked = [file["id"] for page in [first["items"], *rest] for file in page]
    assert walked == before[::-1]
    assert [len(page) for page in rest] == [3, 1]
    assert [len(page) for page in await pages(client, limit=4)] == [4, 4]


async def test_with_expires_before_pages_go_by_ends_and_skip_none_that_ends_at_the_same_instant(client: Client) -> None:
    days = [3, 1, 2, 1, 3, 1]
    for number, day in enumerate(days):
        file = await client.upload(
            filename=str(number), category="temp" if number % 2 else "uploads", expires_at=end(day)
        )
        if number in {2, 3}:  # never to be swept, for now
            await client.request("PUT", f"{URL}/{file['id']}/hold", json={"reason": "a case"})
    await client.upload(filename="never", expires_at="never")

    walked = await pages(client, limit=2, expires_before=end(3, seconds=1))
    by_admin = await pages(client, by="admin", limit=2, expires_before=end(3, seconds=1))
    of_one = await pages(client, limit=1, expires_before=end(3), category="temp", state="stored")

    assert [[file["filename"] for file in page] for page in walked] == [["1", "3"], ["5", "2"], ["0", "4"]]
    assert by_admin == walked
    assert [[file["filename"] for file in page] for page in of_one] == [["1"], ["3"], ["5"]]


async def test_a_cursor_of_one_order_is_refused_in_the_other(client: Client) -> None:
    for day in (1, 2):
        await client.upload(expires_at=end(day))
    by_age, by_end = {"limit": 1}, {"limit": 1, "expires_before": end(3)}
    of_age, of_end = [
        (await client.request("GET", URL, params=query)).json()["next_cursor"] for query in (by_age, by_end)
    ]

    for query, cursor in ((by_age, of_end), (by_end, of_age)):
        answer = await client.request("GET", URL, params={**query, "cursor": cursor})
        assert refusal(answer) == (422, "invalid_request")
        assert "not a cursor of a list in this order" in answer.text


async def test_a_cursor_only_ever_leads_through_the_callers_own_list(client: Client) -> None:
    await client.upload(filename="mine")
    await client.upload(filename="theirs", by="bob")
    await client.upload(filename="theirs", by="bob")
    theirs = (await client.request("GET", URL, by="bob", params={"limit": 1})).json()["next_cursor"]

    assert await names(client, cursor=theirs) == ["mine"]


GARBAGE = [
    "",
    "x",
    "x" * 22,
    "x" * 64,
    "x" * 65,
    "AAAA",
    "=" * 24,
    "\x00",
    "\N{SNOWMAN}",
    "../../",
    "1 OR 1=1",
    "-" * 22,
]


async def test_a_garbage_cursor_is_refused_or_leads_nowhere_else(client: Client) -> None:
    await client.upload(filename="mine")
    await client.upload(filename="theirs", by="bob")

    answers = {cursor: await client.request("GET", URL, params={"cursor": cursor}) for cursor in GARBAGE}

    for answer in answers.values():
        assert answer.status_code == 200 or refusal(answer) == (422, "invalid_request")
        assert "theirs" not in answer.text


WRONG = [
    {"limit": "0"},
    {"limit": "-1"},
    {"limit": "1001"},
    {"limit": "9" * 5000},
    {"limit": "1e3"},
    {"limit": "NaN"},
    {"category": "everything"},
    {"state": "gone"},
    {"job_id": "1"},
    {"expires_before": "2030-01-01"},
    {"expires_before": "NaN"},
    {"owner": "a b"},
    {"categroy": "temp"},
]


@pytest.mark.parametrize("by", ["alice", "admin"])
async def test_a_list_asked_for_wrongly_is_refused(client: Client, by: str) -> None:
    answers = [await client.request("GET", URL, by=by, params=query) for query in WRONG]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(WRONG)


async def test_the_bounds_of_a_limit_are_allowed(client: Client) -> None:
    await client.upload(filename="one")

    assert await names(client, limit=1) == ["one"]
    assert await names(client, limit=1000) == ["one"]
