"""Pauses over REST: administrators stop deletion, and let it go on by the number a pause names."""

from typing import Any
from uuid import uuid4

import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, add_pause
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.api.answers import problem_in, refusal
from tests.api.conftest import Expire, Remains
from tests.conftest import Client

URL = "/api/v1/storage/pauses"


async def pause(client: Client, **asked: Any) -> dict[str, Any]:
    answer = await client.request("POST", URL, by="admin", json=asked)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def listed(client: Client, **query: Any) -> list[dict[str, Any]]:
    answer = await client.request("GET", URL, by="admin", params=query)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def tripped(runtime: Runtime, files: int) -> str:
    async with runtime.db.transaction() as session:
        finding = PauseFinding(cause=PauseCause.SHARE, reason="too much", files=files, size_bytes=10 * files)
        return str((await add_pause(session, Category.UPLOADS, finding, by="breaker")).id)


async def test_a_cleanup_stands_still_while_deletion_is_paused(
    client: Client, expire: Expire, remains: Remains
) -> None:
    await expire(await client.upload(category="temp"))
    made = await pause(client, reason="backup")
    cleanup = "/api/v1/storage/cleanup?dry_run=false"

    paused = (await client.request("POST", cleanup, by="admin")).json()
    kept = await remains()
    resumed = await client.request("POST", f"{URL}/{made['id']}/resume", by="admin", json={"confirm": 0})
    swept = (await client.request("POST", cleanup, by="admin")).json()

    assert (paused["status"], paused["total_files_removed"], len(kept)) == ("paused", 0, 2)
    assert (resumed.status_code, resumed.json()["resumed_by"]) == (200, "admin")
    assert (swept["status"], swept["total_files_removed"]) == ("completed", 1)


async def test_a_pause_says_who_stopped_what_and_why(client: Client) -> None:
    made = await pause(client, category="clips", reason="strange clips")

    assert made == {
        "id": made["id"],
        "category": "clips",
        "cause": "operator",
        "reason": "strange clips",
        "files": 0,
        "size_bytes": 0,
        "paused_at": made["paused_at"],
        "paused_by": "admin",
        "resumed_at": None,
        "resumed_by": None,
    }


async def test_pauses_are_listed_latest_first_by_whether_they_stand(client: Client) -> None:
    first, second = await pause(client, reason="one"), await pause(client, category="temp", reason="two")
    ended = await client.request("POST", f"{URL}/{first['id']}/resume", by="admin", json={"confirm": 0})

    assert await listed(client, open="true") == [second]
    assert await listed(client, open="false") == [ended.json()]
    assert await listed(client) == [second, ended.json()]
    assert await listed(client, limit=1) == [second]


async def test_resuming_wants_the_number_the_pause_names(client: Client, runtime: Runtime) -> None:
    pause_id = await tripped(runtime, files=1234)

    wrong = await client.request("POST", f"{URL}/{pause_id}/resume", by="admin", json={"confirm": 1233})
    still_open = await listed(client, open="true")
    right = await client.request("POST", f"{URL}/{pause_id}/resume", by="admin", json={"confirm": 1234})

    assert refusal(wrong) == (409, "confirmation_needed")
    assert problem_in(wrong)["confirm"] == "1234"
    assert [item["id"] for item in still_open] == [pause_id]
    assert right.status_code == 200
    assert await listed(client, open="true") == []


async def test_an_unknown_pause_cannot_be_resumed(client: Client) -> None:
    answer = await client.request("POST", f"{URL}/{uuid4()}/resume", by="admin", json={"confirm": 0})

    assert refusal(answer) == (404, "pause_not_found")


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"reason": ""},
        {"reason": "two\nlines"},
        {"reason": "x" * 501},
        {"reason": "backup", "category": "tmp"},
        {"reason": "backup", "categories": "temp"},
    ],
)
async def test_a_pause_that_says_no_clear_thing_is_refused(client: Client, document: dict[str, Any]) -> None:
    answer = await client.request("POST", URL, by="admin", json=document)

    assert refusal(answer) == (422, "invalid_request")
    assert await listed(client) == []


@pytest.mark.parametrize("document", [{}, {"confirm": True}, {"confirm": "0"}, {"confirm": -1}, {"confirm": 2**70}])
async def test_a_confirmation_is_a_number_and_nothing_like_it(client: Client, document: dict[str, Any]) -> None:
    made = await pause(client, reason="backup")

    answer = await client.request("POST", f"{URL}/{made['id']}/resume", by="admin", json=document)

    assert refusal(answer) == (422, "invalid_request")
    assert await listed(client, open="true") == [made]


async def test_only_administrators_stop_deletion_or_let_it_go_on(client: Client) -> None:
    made = await pause(client, reason="backup")
    requests: list[tuple[str, str, dict[str, Any] | None]] = [
        ("POST", URL, {"reason": "mine"}),
        ("GET", URL, None),
        ("POST", f"{URL}/{made['id']}/resume", {"confirm": 0}),
    ]

    for method, path, document in requests:
        assert refusal(await client.request(method, path, json=document)) == (403, "admin_required")
    assert await listed(client) == [made]
