"""Links for uploads: one file by each, as its maker said, whoever comes at the same time."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.api.answers import problem_in, refusal
from tests.api.conftest import Remains
from tests.api.links import invite, share, use
from tests.conftest import Client, execute, fetch

CONTENT = b"brought by somebody" * 10
DEAD = "00000000-0000-7000-8000-000000000001"
FORM = {"file": ("a.bin", CONTENT)}


async def test_what_is_brought_is_what_its_maker_said(client: Client, database: str) -> None:
    link = await invite(client, category="outputs", filename="theirs.bin", ttl_seconds=3_600, labels={"from": "guest"})

    brought = await use(client, link, "POST", content=CONTENT)
    listed = (await client.request("GET", "/api/v1/files")).json()["items"]
    told = (await client.request("GET", f"/api/v1/links/{link['id']}")).json()

    (file,) = listed
    life = datetime.fromisoformat(file["expires_at"]) - datetime.now(UTC)
    assert brought.json() == {"size_bytes": len(CONTENT), "sha256": hashlib.sha256(CONTENT).hexdigest()}
    assert (file["owner"], file["category"], file["filename"]) == ("alice", "outputs", "theirs.bin")
    assert file["labels"] == {"from": "guest"}
    assert timedelta(minutes=59) < life <= timedelta(hours=1)
    assert urlsplit(link["url"]).path.endswith("/theirs.bin")
    assert (told["file_id"], told["kind"]) == (file["id"], "upload")
    assert told["used_at"] is not None


async def test_a_name_that_was_left_open_is_the_last_part_of_the_address(client: Client) -> None:
    link = await invite(client)
    address = urlsplit(link["url"]).path

    brought = await client.request("PUT", address.replace("/unnamed", "/a%20day.mp4"), by=None, content=CONTENT)

    assert address.endswith("/unnamed")
    assert brought.status_code == 201
    assert (await client.request("GET", "/api/v1/files")).json()["items"][0]["filename"] == "a day.mp4"


async def test_one_file_comes_by_a_link_and_no_other(client: Client, remains: Remains) -> None:
    link = await invite(client, filename="a.bin")

    statuses = [(await use(client, link, "PUT", content=CONTENT)).status_code for _ in range(2)]
    last = await use(client, link, "PUT", content=b"other")

    assert statuses == [201, 410]
    assert problem_in(last)["reason"] == "used"
    assert (await remains())[:1] == ["a.bin"]
    assert len(await remains()) == 2


async def test_of_two_at_once_one_brings_the_file(client: Client, database: str) -> None:
    link = await invite(client, max_bytes=1_000_000)
    go_on = asyncio.Event()

    async def slowly() -> AsyncIterator[bytes]:
        yield bytes(400_000)
        await go_on.wait()

    first = asyncio.create_task(use(client, link, "PUT", content=slowly()))
    async with asyncio.timeout(60):
        while not await fetch(database, "SELECT FROM links WHERE file_id IS NOT NULL"):  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
    second = await use(client, link, "PUT", content=CONTENT)
    go_on.set()
    brought = await first
    third = await use(client, link, "PUT", content=CONTENT)

    assert refusal(second) == (409, "link_in_use")
    assert int(second.headers["retry-after"]) >= 1
    assert (brought.status_code, third.status_code) == (201, 410)
    assert [row["state"] for row in await fetch(database, "SELECT state::text FROM media_files")] == ["stored"]


async def test_of_many_at_once_one_brings_the_file(client: Client, database: str) -> None:
    link = await invite(client)

    answers = await asyncio.gather(*(use(client, link, "PUT", content=CONTENT + bytes([one])) for one in range(8)))

    assert {answer.status_code for answer in answers} <= {201, 409, 410}
    assert [answer.status_code for answer in answers].count(201) == 1
    assert len(await fetch(database, "SELECT FROM media_files WHERE state = 'stored'")) == 1
    assert len(await fetch(database, "SELECT FROM audit_events WHERE action = 'link_used'")) == 1


async def test_whoever_fails_leaves_the_link_to_the_next(client: Client, remains: Remains) -> None:
    link = await invite(client)
    length = str(len(CONTENT) + 1)

    async def cut() -> AsyncIterator[bytes]:
        yield CONTENT

    failed = [
        await use(client, link, "PUT", content=cut(), headers={"Content-Length": length}),
        await use(client, link, "PUT", content=CONTENT, headers={"Content-Digest": "sha-256=:AAAA:"}),
        await use(client, link, "PUT", content=bytes(1_001)),
        await use(client, link, "PUT", content=cut(), headers={"Content-Length": "2000"}),
        await use(client, link, "POST", files=FORM),
        await use(client, link, "PUT", content=CONTENT, headers={"Idempotency-Key": "k"}),
        await use(client, link, "PUT", content=CONTENT, params={"category": "temp"}),
        await use(client, link, "PUT", content=CONTENT, headers={"Content-Encoding": "gzip"}),
    ]
    left = await remains()
    brought = await use(client, link, "PUT", content=CONTENT)

    assert [answer.status_code for answer in failed] == [422, 422, 413, 413, 422, 422, 422, 415]
    assert left == []
    assert brought.status_code == 201


async def test_the_dead_hold_a_link_no_longer_than_their_lease(client: Client, database: str) -> None:
    link = await invite(client)
    columns = "id, owner, category, state, key, filename, media_type, expiry_explicit, due_at"
    dead = f"'{DEAD}', 'alice', 'uploads', 'pending', 'uploads/x', 'x', 'x/x', false, now() + interval '40 s'"
    await execute(
        database,
        f"INSERT INTO media_files ({columns}) VALUES ({dead})",
        f"UPDATE links SET file_id = '{DEAD}' WHERE id = '{link['id']}'",
    )
    busy = await use(client, link, "PUT", content=CONTENT)
    await execute(database, f"UPDATE media_files SET due_at = now() - interval '1 second' WHERE id = '{DEAD}'")

    brought = await use(client, link, "PUT", content=CONTENT)

    assert refusal(busy) == (409, "link_in_use")
    assert 30 < int(busy.headers["retry-after"]) <= 41
    assert brought.status_code == 201
    assert await fetch(database, f"SELECT FROM media_files WHERE id = '{DEAD}'") == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PATCH", "DELETE", "PUT", "POST"])
async def test_a_link_is_good_for_one_thing_only(client: Client, method: str) -> None:
    content = {"content": b"x"} if method in {"PUT", "POST", "PATCH"} else {}
    link = await share(client, await client.upload()) if content else await invite(client)

    answer = await use(client, link, method, **content)

    assert answer.status_code == 405
    assert method not in answer.headers["allow"].split(", ") or method == "PATCH"


async def test_what_is_on_its_way_when_its_link_is_revoked_is_not_kept(
    client: Client, database: str, remains: Remains
) -> None:
    link = await invite(client, max_bytes=1_000_000)
    never = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield bytes(400_000)
        await never.wait()

    bringing = asyncio.create_task(use(client, link, "PUT", content=endless()))
    async with asyncio.timeout(60):
        while not await fetch(database, "SELECT FROM links WHERE file_id IS NOT NULL"):  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
        await client.request("DELETE", f"/api/v1/links/{link['id']}")
        brought = await bringing

    assert refusal(brought) == (410, "link_gone")
    assert await remains() == []


async def test_it_counts_as_its_makers(client: Client, database: str) -> None:
    link = await invite(client, by="bob", max_bytes=10_000)

    await use(client, link, "PUT", content=CONTENT)

    rows = await fetch(database, "SELECT owner, size_bytes FROM ledger WHERE files > 0")
    assert [(row["owner"], row["size_bytes"]) for row in rows] == [("bob", len(CONTENT))]


@pytest.mark.parametrize(
    "asked",
    [
        {"max_bytes": 0},
        {"max_bytes": 2**61},
        {"category": "films"},
        {"filename": ""},
        {"ttl_seconds": 5, "expires_at": "never"},
        {"labels": {"Camera": "x"}},
        {"job_id": "00000000-0000-7000-8000-000000000001"},
        {"expires_in": 3_601},
    ],
)
async def test_what_makes_no_sense_is_refused(client: Client, asked: dict[str, Any]) -> None:
    answer = await client.request(
        "POST", "/api/v1/uploads/links", json={"category": "uploads", "max_bytes": 1_000} | asked
    )

    assert answer.status_code == 422, answer.text
