"""What is answered without FastAPI: the same, byte for byte, as its routes answer."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any
from unittest.mock import Mock
from uuid import UUID

import httpx
import pytest
from fastapi import FastAPI

from media_analysis.api import shortcuts
from media_analysis.api.schemas.files import FileRead
from media_analysis.db.driver import Reads
from media_analysis.errors import DatabaseUnavailable, MediaAnalysisError, MediaTypeNotAccepted, TooManyAtOnce
from media_analysis.files.service import FileService
from media_analysis.files.upload.limits import Acceptance
from media_analysis.files.upload.service import UploadService
from media_analysis.runtime import Runtime
from media_analysis.sessions.admission import AdmissionService
from tests.api.raw import PATIENCE, Speaker, served
from tests.conftest import Client, execute
from tests.disks import disk_of
from tests.files.conftest import objects

URL = "/api/v1/files"
UNUSUAL = {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
"""The digest of no body: whoever sends it is answered by the route."""
ODD = (
    "role = 'frame', ordinal = 3, instant_seconds = 0.1",
    "role = 'frame', ordinal = 4, instant_seconds = 1e-7",
    "role = 'frame', ordinal = 5, instant_seconds = 1e22",
    "held_until = 'infinity', hold_reason = 'evidence', held_by = 'alice'",
    "held_until = now() + interval '1 day', hold_reason = 'a day', held_by = 'bob', job_held_until = 'infinity'",
    "held_until = now() - interval '1 day', hold_reason = 'over', held_by = 'bob'",
    "job_held_until = now() + interval '1 hour'",
    "created_at = '2026-01-01T00:00:00Z', expires_at = '2090-06-01T12:00:00.000001Z', due_at = '2090-06-01'",
)
"""Rows as uploads alone do not make them."""
NOT_ACCEPTED = MediaTypeNotAccepted("text/plain", category="uploads", accepted=())


@pytest.fixture
async def odd(client: Client, database: str) -> list[str]:
    """Ids of files whose rows have everything that a document tells."""
    made = []
    for number, change in enumerate(ODD):
        stored = await client.upload(filename=f'{number} "ä\\€😀.bin')
        await execute(database, f"UPDATE media_files SET {change} WHERE id = '{stored['id']}'")
        made.append(stored["id"])
    return made


def told(answer: httpx.Response) -> tuple[int, bytes, dict[str, str]]:
    """Return an answer without what every one has for itself."""
    own = {"date", "x-request-id"}
    return answer.status_code, answer.content, {name: text for name, text in answer.headers.items() if name not in own}


def ids(answer: httpx.Response) -> list[str]:
    return [file["id"] for file in answer.json()["items"]]


async def both(client: Client, path: str, **about: Any) -> tuple[httpx.Response, httpx.Response]:
    """Return what the shortcut answers, and what the route does."""
    return await client.request("GET", path, **about), await client.request("GET", path, headers=UNUSUAL, **about)


async def test_a_document_is_the_models_field_by_field(client: Client, runtime: Runtime, odd: list[str]) -> None:
    for one in odd:
        short, routed = await both(client, f"{URL}/{one}")

        model = FileRead.model_validate(await runtime.files.catalog.get(UUID(one), owner="alice"))
        assert short.content == model.model_dump_json().encode()
        assert told(short) == told(routed), one


@pytest.mark.parametrize("by", ["alice", "bob", "admin"])
@pytest.mark.parametrize(
    "query",
    [
        {},
        {"limit": "3"},
        {"category": "uploads"},
        {"category": "frames", "state": "stored"},
        {"state": "trashed"},
        {"state": "pending"},
        {"owner": "alice", "limit": "2"},
        {"expires_before": "2090-07-01T00:00:00Z"},
        {"expires_before": "2090-07-01T00:00:00Z", "limit": "2", "category": "uploads"},
        {"expires_before": "2090-07-01T00:00:00Z", "state": "trashed"},
        {"job_id": "01a227dd-0f5f-7775-9f93-14ac4903347f"},
    ],
    ids=str,
)
@pytest.mark.usefixtures("odd")
async def test_a_list_is_the_models_row_by_row(
    client: Client, runtime: Runtime, by: str, query: dict[str, str]
) -> None:
    trashed = await client.upload(filename="trashed")
    await client.request("DELETE", f"{URL}/{trashed['id']}")

    await client.request("GET", URL, by=by)  # whose token it is, is known from here on
    short, routed = await both(client, URL, by=by, params=query)
    assert told(short) == told(routed)
    of_models = [FileRead.model_validate(await runtime.files.catalog.get(UUID(one), owner=None)) for one in ids(short)]
    assert short.json()["items"] == [model.model_dump(mode="json") for model in of_models]
    cursor = short.json()["next_cursor"]
    if cursor is not None:
        short, routed = await both(client, URL, by=by, params={**query, "cursor": cursor})
        assert told(short) == told(routed)


@pytest.mark.parametrize("content", [b"", b"some bytes", bytes(64 * 1024), bytes(64 * 1024 + 1)], ids=len)
async def test_bytes_come_with_the_same_head(client: Client, content: bytes) -> None:
    stored = await client.upload(content, filename='"ä\\€😀.bin')

    short, routed = await both(client, f"{URL}/{stored['id']}/content")

    assert told(short) == told(routed)
    assert short.content == content


async def test_the_usual_questions_are_answered_by_one_statement_each(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = await client.upload(b"some bytes")

    async def refuse(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("asked the long way")

    for name in ("get", "list", "open"):
        monkeypatch.setattr(FileService, name, refuse)

    for path in (f"{URL}/{stored['id']}", URL, f"{URL}/{stored['id']}/content"):
        short, routed = await both(client, path)
        assert (short.status_code, routed.status_code) == (200, 503), path


async def test_a_token_ends_at_once_whoever_answers(client: Client, database: str) -> None:
    stored = await client.upload()
    paths = (f"{URL}/{stored['id']}", URL, f"{URL}/{stored['id']}/content")
    before = [(await client.request("GET", path)).status_code for path in paths]

    await execute(database, "UPDATE user_sessions SET revoked_at = now() WHERE owner = 'alice'")

    after = [(await client.request("GET", path)).status_code for path in paths]
    assert (before, after) == ([200] * 3, [401] * 3)


async def test_what_somebody_else_owns_is_unknown(client: Client) -> None:
    stored = await client.upload()

    for path in ("", "/content"):
        answer = await client.request("GET", f"{URL}/{stored['id']}{path}", by="bob")
        assert answer.status_code == 404
        assert (await client.request("GET", f"{URL}/{stored['id']}{path}", by="admin")).status_code == 200


async def test_a_small_upload_is_answered_as_its_route_answers(client: Client) -> None:
    await client.upload()  # whose token it is, is known from here on
    query = {"category": "uploads", "filename": '"ä\\€.bin', "ttl_seconds": "3600"}
    about: dict[str, Any] = {"params": query, "content": b"some bytes"}

    short = await client.request("POST", URL, headers={"Content-Type": "text/plain; charset=utf-8"}, **about)
    routed = await client.request("POST", URL, headers={"Content-Type": "text/plain", "Idempotency-Key": "x"}, **about)

    own = {"id", "created_at", "expires_at"}
    mine, theirs = short.json(), routed.json()
    assert (short.status_code, routed.status_code) == (201, 201)
    assert list(mine) == list(theirs)
    assert {name: mine[name] for name in mine.keys() - own} == {name: theirs[name] for name in theirs.keys() - own}
    assert short.headers["location"] == f"{URL}/{mine['id']}"
    assert short.headers.keys() == routed.headers.keys()
    assert (await client.request("GET", f"{URL}/{mine['id']}")).json() == mine


async def test_a_small_upload_needs_nothing_of_the_long_way(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    await client.upload()

    async def refuse(*_: object, **__: object) -> None:
        raise DatabaseUnavailable("asked the long way")

    monkeypatch.setattr(UploadService, "store_file", refuse)

    about: dict[str, Any] = {"params": {"category": "uploads", "filename": "a"}, "content": b"some bytes"}
    assert (await client.request("POST", URL, **about)).status_code == 201
    assert (await client.request("POST", URL, headers={"Idempotency-Key": "x"}, **about)).status_code == 503


@pytest.mark.parametrize("waits", [False, True], ids=["in pieces", "late"])
async def test_a_body_that_comes_in_pieces_is_stored_whole(
    client: Client, app: FastAPI, monkeypatch: pytest.MonkeyPatch, *, waits: bool
) -> None:
    await client.upload()
    monkeypatch.setattr(shortcuts, "SOON_SECONDS", 0.05)
    late = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"some "
        if waits:
            asyncio.get_running_loop().call_later(0.2, late.set)
            await late.wait()
        yield b"bytes"

    headers = {"Content-Length": "10", "Authorization": f"Bearer {client.tokens['alice']}"}
    async with (
        served(app) as port,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=PATIENCE) as http,
    ):
        stored = await http.post(URL, params={"category": "uploads", "filename": "a"}, content=pieces())
    app.state.draining = False

    assert stored.status_code == 201
    assert (await client.request("GET", f"{URL}/{stored.json()['id']}/content")).content == b"some bytes"


async def test_a_token_that_was_just_good_stores_nothing_once_it_is_revoked(
    client: Client, database: str, runtime: Runtime
) -> None:
    await client.upload()
    await execute(database, "UPDATE user_sessions SET revoked_at = now() WHERE owner = 'alice'")

    refused = await client.request("POST", URL, params={"category": "uploads", "filename": "a"}, content=b"no")

    assert refused.status_code == 401
    assert len(objects(disk_of(runtime.store).root)) == 1


@pytest.mark.parametrize(
    "spelt",
    [
        str.upper,
        "{{{}}}".format,
        "urn:uuid:{}".format,
        "uuid:{}".format,
        "{}-".format,
        lambda known: known.replace("-", "", 1),
        lambda known: "+" + known.replace("-", "")[1:],
    ],
)
async def test_an_id_is_spelt_as_its_route_wants_it(client: Client, spelt: Callable[[str], str]) -> None:
    stored = await client.upload()

    for path in ("", "/content"):
        short, routed = await both(client, f"{URL}/{spelt(stored['id'])}{path}")
        assert told(short) == told(routed)


@pytest.mark.parametrize("refused", [MediaTypeNotAccepted, TooManyAtOnce])
async def test_who_holds_a_revoked_token_learns_nothing_else(
    client: Client, database: str, monkeypatch: pytest.MonkeyPatch, refused: type[MediaAnalysisError]
) -> None:
    await client.upload()
    await execute(database, "UPDATE user_sessions SET revoked_at = now() WHERE owner = 'alice'")
    if refused is MediaTypeNotAccepted:
        monkeypatch.setattr(Acceptance, "_require", Mock(side_effect=NOT_ACCEPTED))
    else:
        monkeypatch.setattr(AdmissionService, "admit", Mock(side_effect=TooManyAtOnce("uploads", limit=1)))

    answer = await client.request("POST", URL, params={"category": "uploads", "filename": "a"}, content=b"no")

    assert answer.status_code == 401


async def test_a_read_survives_the_death_of_its_connection(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    stored, fetch = await client.upload(), Reads.fetch
    for path in (f"{URL}/{stored['id']}", URL, f"{URL}/{stored['id']}/content"):
        lost: list[Exception] = [DatabaseUnavailable("ConnectionDoesNotExistError")]

        async def lose_once(reads: Reads, statement: str, *given: object, lost: list[Exception] = lost) -> Any:
            if lost:
                raise lost.pop()
            return await fetch(reads, statement, *given)

        monkeypatch.setattr(Reads, "fetch", lose_once)
        assert (await client.request("GET", path)).status_code == 200
        assert lost == []


async def test_a_length_may_have_any_number_of_zeros_before_it(speaker: Speaker) -> None:
    length = f"Content-Length: {'0' * 5000}4"

    stored = await speaker.say("POST", f"{URL}?category=temp&filename=a", length, body=b"four")
    document = await speaker.say("POST", "/api/v1/jobs", length, "Content-Type: application/json", body=b"four")

    assert (stored.status, document.status) == (201, 422)
