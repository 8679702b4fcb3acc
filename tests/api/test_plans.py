"""Plans over REST: made, looked at, applied once."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.answers import problem_in, refusal
from tests.api.conftest import Expire, Remains
from tests.conftest import Client, execute

URL = "/api/v1/storage/plans"


async def ask(client: Client, method: str, path: str = "", **about: Any) -> dict[str, Any]:
    answer = await client.request(method, f"{URL}{path}", by="admin", **about)
    assert answer.status_code in {200, 201}, answer.text
    body: dict[str, Any] = answer.json()
    return body


@pytest.fixture
async def due(client: Client, expire: Expire) -> list[dict[str, Any]]:
    """Three expired temp files of 5 bytes and an expired clip of 7, beside a living file."""
    files = [await client.upload(b"12345", category="temp") for _ in range(3)]
    files.append(await client.upload(b"1234567", category="clips"))
    await client.upload(b"123", category="temp")
    for file in files:
        await expire(file)
    return files


async def test_a_plan_says_what_a_cleanup_would_take_and_takes_nothing(
    client: Client, due: list[dict[str, Any]], remains: Remains
) -> None:
    answer = await client.request("POST", URL, by="admin")
    plan = answer.json()
    files = await ask(client, "GET", f"/{plan['id']}/files")

    lifetime = datetime.fromisoformat(plan["expires_at"]) - datetime.fromisoformat(plan["created_at"])
    assert (answer.status_code, answer.headers["location"]) == (201, f"{URL}/{plan['id']}")
    assert (plan["files"], plan["bytes"], plan["created_by"], lifetime) == (4, 22, "admin", timedelta(hours=24))
    assert plan["categories"]["temp"] == {"files": 3, "bytes": 15}
    assert len(plan["hash"]) == 64
    assert (plan["applied_at"], plan["sweep_id"], plan["sweep_status"]) == (None, None, None)
    assert await ask(client, "GET", f"/{plan['id']}") == plan
    assert [file["file_id"] for file in files["items"]] == sorted(file["id"] for file in due)
    assert {(file["category"], file["rule"]) for file in files["items"]} == {
        ("temp", "category_lifetime"),
        ("clips", "category_lifetime"),
    }
    assert len(await remains()) == 10


@pytest.mark.usefixtures("due")
async def test_an_applied_plan_is_a_sweep_with_its_drift(client: Client, due: list[dict[str, Any]]) -> None:
    plan = await ask(client, "POST", json={"categories": ["temp", "temp"]})
    await client.request("DELETE", f"/api/v1/files/{due[0]['id']}", by="admin", params={"strategy": "hard"})

    swept = await ask(client, "POST", f"/{plan['id']}/apply", json={"hash": plan["hash"]})
    after = await ask(client, "GET", f"/{plan['id']}")
    remembered = await client.request("GET", f"/api/v1/storage/sweeps/{swept['id']}", by="admin")

    gone = [{"file_id": due[0]["id"], "reason": "gone"}]
    assert list(plan["categories"]) == ["temp"]
    assert (swept["status"], swept["trigger"], swept["plan_id"]) == ("completed", "plan", plan["id"])
    assert (swept["total_files_removed"], swept["total_bytes_freed"]) == (2, 10)
    assert (swept["drift"], swept["drift_files"]) == (gone, 1)
    assert (after["sweep_id"], after["sweep_status"]) == (swept["id"], "completed")
    assert remembered.json() == {name: value for name, value in swept.items() if not name.startswith("drift")}
    assert remembered.json()["details"] == {"drift": gone, "drift_files": 1}


@pytest.mark.usefixtures("due")
async def test_a_plan_without_drift_says_so(client: Client) -> None:
    plan = await ask(client, "POST")

    swept = await ask(client, "POST", f"/{plan['id']}/apply", json={"hash": plan["hash"]})

    assert (swept["drift"], swept["drift_files"], swept["paused"]) == ([], 0, {})


@pytest.mark.usefixtures("due")
async def test_a_plan_is_refused_when_it_may_not_be_applied(client: Client, database: str) -> None:
    plan, spent = await ask(client, "POST"), await ask(client, "POST")
    late = await ask(client, "POST")
    await ask(client, "POST", f"/{spent['id']}/apply", json={"hash": spent["hash"]})
    await execute(database, f"UPDATE plans SET expires_at = now() WHERE id = '{late['id']}'")

    async def apply(plan_id: str, **confirmed: Any) -> tuple[int, str]:
        return refusal(await client.request("POST", f"{URL}/{plan_id}/apply", by="admin", json=confirmed))

    assert await apply(plan["id"], hash="0" * 64) == (409, "plan_hash_differs")
    assert await apply(spent["id"], hash=spent["hash"]) == (409, "plan_applied")
    assert await apply(late["id"], hash=late["hash"]) == (409, "plan_expired")
    assert await apply(str(uuid4()), hash=plan["hash"]) == (404, "plan_not_found")
    assert await apply(plan["id"], hash="short") == (422, "invalid_request")
    assert await apply(plan["id"]) == (422, "invalid_request")


@pytest.mark.usefixtures("due")
async def test_a_pause_stops_a_plan(client: Client, database: str) -> None:
    plan = await ask(client, "POST")
    facts = f"'{uuid4()}', NULL, 'operator', 'wait', 0, 0, now(), 'admin'"
    columns = "id, category, cause, reason, files, size_bytes, paused_at, paused_by"
    await execute(database, f"INSERT INTO pauses ({columns}) VALUES ({facts})")

    answer = await client.request("POST", f"{URL}/{plan['id']}/apply", by="admin", json={"hash": plan["hash"]})

    assert refusal(answer) == (409, "deletion_paused")
    assert problem_in(answer)["reason"] == "wait"
    assert (await ask(client, "GET", f"/{plan['id']}"))["applied_at"] is None


async def test_plans_and_their_files_are_read_page_by_page(client: Client, due: list[dict[str, Any]]) -> None:
    plans = [await ask(client, "POST") for _ in range(3)]

    first = await ask(client, "GET", params={"limit": 2})
    second = await ask(client, "GET", params={"limit": 2, "cursor": first["next_cursor"]})
    page, found = await ask(client, "GET", f"/{plans[0]['id']}/files", params={"limit": 3}), []
    found += page["items"]
    rest = await ask(client, "GET", f"/{plans[0]['id']}/files", params={"limit": 3, "cursor": page["next_cursor"]})

    assert first["items"] + second["items"] == plans[::-1]
    assert second["next_cursor"] is None
    assert [file["file_id"] for file in found + rest["items"]] == sorted(file["id"] for file in due)
    assert rest["next_cursor"] is None


async def test_what_makes_no_sense_is_refused(client: Client) -> None:
    unknown = uuid4()

    documents: list[Any] = [{"categories": []}, {"categories": ["tmp"]}, {"category": "temp"}, []]
    for document in documents:
        assert refusal(await client.request("POST", URL, by="admin", json=document)) == (422, "invalid_request")
    for path in (f"/{unknown}", f"/{unknown}/files"):
        assert refusal(await client.request("GET", URL + path, by="admin")) == (404, "plan_not_found")
    for cursor in ("%", "AAAA"):
        refused = await client.request("GET", URL, by="admin", params={"cursor": cursor})
        assert refusal(refused) == (422, "invalid_request")


async def test_plans_are_for_administrators(client: Client) -> None:
    for method, path in (("POST", ""), ("GET", ""), ("GET", f"/{uuid4()}"), ("POST", f"/{uuid4()}/apply")):
        answer = await client.request(method, URL + path, json={"hash": "0" * 64} if path.endswith("apply") else None)
        assert refusal(answer) == (403, "admin_required")
