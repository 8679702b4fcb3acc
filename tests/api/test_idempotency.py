"""Idempotency-Key: the same request is answered the same way, once (promise 16)."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.api.answers import refusal
from tests.api.conftest import Expire, Remains
from tests.api.forms import raw_headers
from tests.conftest import Client, execute, fetch

URL = "/api/v1/files"
CONTENT = b"\x00some bytes" * 1000
KEY = {"Idempotency-Key": "order-66"}
DEADLINE_SECONDS = 60


async def send(client: Client, content: Any = CONTENT, *, by: str = "alice", **about: str) -> httpx.Response:
    params = {"category": "uploads", "filename": "a.bin"} | about
    return await client.request("POST", URL, by=by, params=params, content=content, headers=KEY)


class Uploading:
    """An upload under way, which ends when it is told to."""

    def __init__(self, client: Client, database: str) -> None:
        self._go_on = asyncio.Event()
        self._database = database
        self._answer = asyncio.create_task(send(client, self._body()))

    async def _body(self) -> AsyncIterator[bytes]:
        yield CONTENT
        await self._go_on.wait()

    async def finish(self) -> httpx.Response:
        self._go_on.set()
        return await self._answer

    async def wait_until_registered(self) -> None:
        async with asyncio.timeout(DEADLINE_SECONDS):
            while not await fetch(self._database, "SELECT FROM media_files WHERE state = 'pending'"):
                assert not self._answer.done()


async def piece() -> AsyncIterator[bytes]:
    yield CONTENT


@pytest.fixture
async def uploading(client: Client, database: str) -> AsyncIterator[Uploading]:
    started = Uploading(client, database)
    await started.wait_until_registered()
    yield started
    await started.finish()


async def test_the_same_request_twice_makes_one_file(client: Client, remains: Remains) -> None:
    first = await send(client)

    second = await send(client)

    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]
    assert len(await remains()) == 2


async def test_the_key_of_another_request_is_refused(client: Client, remains: Remains) -> None:
    await send(client)

    answers = {
        "other bytes of the same length": await send(client, CONTENT[::-1]),
        "shorter": await send(client, CONTENT[:-1]),
        "other name": await send(client, filename="b.bin"),
        "other category": await send(client, category="temp"),
        "other expiry": await send(client, ttl_seconds="9"),
    }

    assert {name: refusal(answer) for name, answer in answers.items()} == dict.fromkeys(
        answers, (422, "idempotency_key_reused")
    )
    assert len(await remains()) == 2


async def test_keys_of_different_owners_are_strangers(client: Client) -> None:
    mine = await send(client)

    theirs = await send(client, b"something else", by="bob")

    assert theirs.status_code == 201
    assert theirs.json()["id"] != mine.json()["id"]


Change = Callable[[Client, dict[str, Any], Expire], Awaitable[object]]
CHANGES: dict[str, Change] = {
    "renamed": lambda client, file, _: client.request("PATCH", f"{URL}/{file['id']}", json={"filename": "new"}),
    "deleted": lambda client, file, _: client.request("DELETE", f"{URL}/{file['id']}"),
    "expired": lambda _, file, expire: expire(file),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_a_replay_gives_the_first_answer_whatever_became_of_the_file(
    client: Client, expire: Expire, change: str
) -> None:
    first = await send(client)
    await CHANGES[change](client, first.json(), expire)

    again = await send(client)

    assert again.status_code == 201
    assert again.json() == first.json()


async def test_a_key_in_flight_asks_to_come_back(client: Client, uploading: Uploading, remains: Remains) -> None:
    meanwhile = await send(client, piece())

    finished = await uploading.finish()
    afterwards = await send(client, piece())

    assert refusal(meanwhile) == (409, "upload_in_flight")
    assert 0 < int(meanwhile.headers["retry-after"]) <= 61
    assert afterwards.json() == finished.json()
    assert len(await remains()) == 2


async def test_the_key_of_an_abandoned_upload_can_be_taken_over(
    client: Client, database: str, uploading: Uploading, remains: Remains
) -> None:
    await execute(database, "UPDATE media_files SET due_at = now() - interval '1 second'")

    taken_over = await send(client, piece())
    too_late = await uploading.finish()

    assert taken_over.status_code == 201
    assert refusal(too_late) == (409, "upload_lease_lost")
    assert (await send(client, piece())).json() == taken_over.json()
    await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")
    assert len(await remains()) == 2


async def test_a_refused_upload_does_not_use_its_key_up(client: Client) -> None:
    params = {"category": "uploads", "filename": "a.bin"}
    wrong = KEY | {"Content-Digest": "sha-256=:AAAA:"}
    refused = await client.request("POST", URL, params=params, content=CONTENT, headers=wrong)

    accepted = await send(client)

    assert refusal(refused) == (422, "digest_mismatch")
    assert accepted.status_code == 201


async def test_a_key_is_free_again_after_a_day(client: Client, database: str) -> None:
    first = await send(client)
    await execute(database, "UPDATE idempotency_keys SET expires_at = now()")

    second = await send(client, b"other bytes")

    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


async def test_a_malformed_key_is_refused(client: Client, remains: Remains) -> None:
    params = {"category": "temp", "filename": "a"}
    keys = ["", "two words", "k" * 256, "caf\xe9", "tab\there"]

    answers = [
        await client.http.post(
            URL,
            params=params,
            content=CONTENT,
            headers=raw_headers(client.tokens["alice"], ("Idempotency-Key", key)),
        )
        for key in keys
    ]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(keys)
    assert await remains() == []
