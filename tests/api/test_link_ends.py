"""How links end: with what they are made of, at once."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.archives import archived_run
from tests.api.links import share, use
from tests.conftest import Client, execute

CONTENT = b"0123456789" * 20
PAST = "now() - interval '1 second'"
Ending = Callable[[Client, Runtime, str, dict[str, Any], dict[str, Any]], Awaitable[None]]


@pytest.fixture
async def file(client: Client) -> dict[str, Any]:
    return await client.upload(CONTENT, filename="a day at sea.mp4")


async def expire_link(_client: Client, _runtime: Runtime, database: str, link: dict[str, Any], _file: Any) -> None:
    await execute(database, f"UPDATE links SET expires_at = {PAST} WHERE id = '{link['id']}'")


async def revoke_link(client: Client, _runtime: Runtime, _database: str, link: dict[str, Any], _file: Any) -> None:
    assert (await client.request("DELETE", f"/api/v1/links/{link['id']}")).status_code == 204


async def revoke_session(client: Client, _runtime: Runtime, _database: str, link: dict[str, Any], _file: Any) -> None:
    ended = await client.request("DELETE", f"/api/v1/sessions/{link['session_id']}", by="admin")
    assert ended.status_code == 204


async def expire_session(_client: Client, _runtime: Runtime, database: str, link: dict[str, Any], _file: Any) -> None:
    await execute(database, f"UPDATE user_sessions SET expires_at = {PAST} WHERE id = '{link['session_id']}'")


async def forget_session(_client: Client, _runtime: Runtime, database: str, link: dict[str, Any], _file: Any) -> None:
    await execute(database, f"DELETE FROM user_sessions WHERE id = '{link['session_id']}'")


async def end_keys(client: Client, _runtime: Runtime, _database: str, _link: Any, _file: Any) -> None:
    ended = await client.request("POST", "/api/v1/links/keys", by="admin", json={"end_links": True})
    assert ended.status_code == 201, ended.text


async def delete_file(client: Client, _runtime: Runtime, _database: str, _link: Any, file: dict[str, Any]) -> None:
    assert (await client.request("DELETE", f"/api/v1/files/{file['id']}")).status_code == 204


async def erase_file(client: Client, _runtime: Runtime, _database: str, _link: Any, file: dict[str, Any]) -> None:
    erased = await client.request("DELETE", f"/api/v1/files/{file['id']}", by="admin", params={"secure": "true"})
    assert erased.is_success, erased.text


async def forget_file(client: Client, runtime: Runtime, database: str, link: Any, file: dict[str, Any]) -> None:
    await delete_file(client, runtime, database, link, file)
    await execute(database, "DELETE FROM tombstones")


async def trash_file(client: Client, _runtime: Runtime, _database: str, _link: Any, file: dict[str, Any]) -> None:
    trashed = await client.request("DELETE", f"/api/v1/files/{file['id']}", params={"strategy": "soft"})
    assert trashed.status_code == 204


async def expire_file(_client: Client, _runtime: Runtime, database: str, _link: Any, file: dict[str, Any]) -> None:
    await execute(database, f"UPDATE media_files SET expires_at = {PAST}, due_at = {PAST} WHERE id = '{file['id']}'")


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (expire_link, "expired"),
        (revoke_link, "revoked"),
        (revoke_session, "revoked"),
        (expire_session, "revoked"),
        (forget_session, "revoked"),
        (end_keys, "revoked"),
        (delete_file, "file_gone"),
        (erase_file, "file_gone"),
        (forget_file, "file_gone"),
        (trash_file, "file_gone"),
        (expire_file, "file_gone"),
    ],
    ids=lambda value: value.__name__ if callable(value) else value,
)
async def test_a_link_dies_with_what_it_is_made_of(
    client: Client, runtime: Runtime, database: str, file: dict[str, Any], end: Ending, reason: str
) -> None:
    """Promise 40."""
    link = await share(client, file)
    before = await use(client, link)

    await end(client, runtime, database, link, file)
    after = [await use(client, link, headers=headers) for headers in ({}, {"Range": "bytes=0-3"})]
    head = await use(client, link, "HEAD")

    assert before.status_code == 200
    for answer in after:
        assert refusal(answer) == (410, "link_gone")
        assert problem_in(answer)["reason"] == reason
        assert not {"owner", "rule", "file_id", "deleted_at"} & answer.json().keys()
    assert head.status_code == 410


async def test_a_link_to_what_was_archived_is_dead_and_to_what_came_back_alive(
    client: Client, runtime: Runtime
) -> None:
    run = await archived_run(client, runtime)
    archived = str(next(iter(run.files.values())).id)
    trashed = await client.upload(CONTENT)
    links = [await share(client, trashed)]
    made = await client.request("POST", f"/api/v1/files/{archived}/links", json={})
    await client.request("DELETE", f"/api/v1/files/{trashed['id']}", params={"strategy": "soft"})
    dead = [await use(client, link) for link in links]

    await client.request("POST", f"/api/v1/files/{trashed['id']}/restore")
    alive = [await use(client, link) for link in links]

    assert refusal(made) == (409, "file_archived")
    assert [answer.status_code for answer in dead] == [410]
    assert [answer.content for answer in alive] == [CONTENT]


async def test_a_link_dies_when_its_file_goes_into_an_archive(
    client: Client, runtime: Runtime, database: str, file: dict[str, Any]
) -> None:
    """A tombstone that says archived is a conflict to whoever has a token, and the end to whoever has a link."""
    link = await share(client, file)
    run = await archived_run(client, runtime)
    member = next(iter(run.files.values())).id
    await execute(database, f"UPDATE links SET file_id = '{member}' WHERE id = '{link['id']}'")

    assert problem_in(await use(client, link))["reason"] == "file_gone"
