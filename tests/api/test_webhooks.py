"""Webhooks over HTTP: made with a secret that is shown once, and only by and for their owner."""

from datetime import timedelta
from typing import Any

import pytest

from media_analysis.api.pages import encode_place
from media_analysis.runtime import Runtime
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope
from tests.api.answers import refusal
from tests.conftest import Client, execute, fetch

WEBHOOKS = "/api/v1/webhooks"
URL = "https://hooks.example/hook?token=t"


async def made(client: Client, *, by: str = "alice", **about: Any) -> dict[str, Any]:
    answer = await client.request("POST", WEBHOOKS, by=by, json={"url": URL, "events": ["file.*"]} | about)
    assert answer.status_code == 201, answer.text
    assert answer.headers["location"] == f"{WEBHOOKS}/{answer.json()['id']}"
    assert answer.headers["cache-control"] == "no-store"
    told: dict[str, Any] = answer.json()
    return told


async def test_the_secret_is_shown_once(client: Client, database: str) -> None:
    webhook = await made(client, labels=["camera:north"])
    path = f"{WEBHOOKS}/{webhook['id']}"
    secret = webhook.pop("secret")

    read = await client.request("GET", path)
    listed = await client.request("GET", WEBHOOKS)
    changed = await client.request("PATCH", path, json={"events": ["job.completed"]})

    assert secret.startswith("whsec_")
    assert read.json() == webhook
    assert listed.json() == {"items": [webhook], "next_cursor": None}
    assert changed.json() == webhook | {"events": ["job.completed"]}
    assert secret not in read.text + listed.text + changed.text


async def test_labels_are_said_as_lists_say_them_or_as_files_have_them(client: Client) -> None:
    webhooks = [await made(client, labels=said) for said in (["camera:north"], {"camera": "north"}, {})]
    wrong = await client.request("POST", WEBHOOKS, json={"url": URL, "events": ["*"], "labels": {"camera": 1}})

    assert [webhook["labels"] for webhook in webhooks] == [["camera:north"], ["camera:north"], []]
    assert refusal(wrong) == (422, "invalid_request")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "https://127.0.0.1/",
        "https://localhost/",
        "https://[::1]/",
        "https://169.254.169.254/",
        "https://a..b/",
        "x",
    ],
)
async def test_addresses_of_this_machine_are_refused(client: Client, url: str) -> None:
    webhook = await made(client)

    for method, path in (("POST", WEBHOOKS), ("PATCH", f"{WEBHOOKS}/{webhook['id']}")):
        answer = await client.request(method, path, json={"url": url, "events": ["*"]})
        assert refusal(answer) == (422, "address_refused")
    assert (await client.request("GET", f"{WEBHOOKS}/{webhook['id']}")).json()["url"] == URL


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": []},
        {"events": ["file.gone"]},
        {"events": ["file"]},
        {"events": "file.*"},
        {"labels": ["!"]},
        {"secret": "whsec_x"},
        {"url": ""},
        {"url": "https://exämple.com"},
        {"events": ["*"] * 33},
    ],
)
async def test_what_makes_no_sense_is_refused(client: Client, wrong: dict[str, Any]) -> None:
    answer = await client.request("POST", WEBHOOKS, json={"url": URL, "events": ["*"]} | wrong)

    assert refusal(answer) == (422, "invalid_request")
    assert refusal(await client.request("PATCH", f"{WEBHOOKS}/{(await made(client))['id']}", json={})) == (
        *(422, "invalid_request"),
    )


async def test_a_foreign_webhook_is_an_unknown_one(client: Client) -> None:
    webhook = await made(client)
    path = f"{WEBHOOKS}/{webhook['id']}"
    asked = (
        *(("GET", "", None), ("PATCH", "", {"enabled": False}), ("DELETE", "", None), ("POST", "/secret", None)),
        *(("POST", "/ping", None), ("GET", "/deliveries", None)),
    )

    for method, behind, document in asked:
        answer = await client.request(method, path + behind, by="bob", json=document)
        assert refusal(answer) == (404, "webhook_not_found"), (method, behind)
    assert (await client.request("GET", WEBHOOKS, by="bob")).json()["items"] == []
    assert len((await client.request("GET", WEBHOOKS, by="admin")).json()["items"]) == 1
    assert (await client.request("GET", path)).json()["enabled"]


async def test_an_owner_has_so_many_and_no_more(client: Client, runtime: Runtime) -> None:
    for _ in range(20):
        await made(client)

    answer = await client.request("POST", WEBHOOKS, json={"url": URL, "events": ["*"]})

    assert refusal(answer) == (429, "too_many_webhooks")
    await made(client, by="bob")


async def test_a_webhook_that_is_deleted_takes_its_deliveries_along(client: Client, database: str) -> None:
    webhook = await made(client)
    path = f"{WEBHOOKS}/{webhook['id']}"
    assert (await client.request("POST", f"{path}/ping")).status_code == 202

    answer = await client.request("DELETE", path)

    assert (answer.status_code, await fetch(database, "SELECT FROM webhook_deliveries")) == (204, [])
    assert refusal(await client.request("GET", path)) == (404, "webhook_not_found")


async def test_deliveries_are_listed_page_by_page(client: Client, database: str) -> None:
    webhook = await made(client)
    path = f"{WEBHOOKS}/{webhook['id']}"
    ids = [(await client.request("POST", f"{path}/ping")).json()["id"] for _ in range(5)]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await client.request("GET", f"{path}/deliveries", params={"limit": 2} | cursor)).json()
        found += [each["id"] for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}

    assert found == ids[::-1]
    for forged in ("AAAA", encode_place((2**63).to_bytes(16)), encode_place((-1).to_bytes(16, signed=True))):
        wrong = await client.request("GET", f"{path}/deliveries", params={"cursor": forged})
        assert refusal(wrong) == (422, "invalid_request")


async def test_only_a_session_made_for_it_keeps_webhooks_and_they_outlive_it(
    client: Client, runtime: Runtime, database: str
) -> None:
    for scopes in ([Scope.WEBHOOKS], [Scope.FILES_READ, Scope.JOBS]):
        _, client.tokens[scopes[0]] = await runtime.sessions.create(
            owner="alice", role=Role.USER, ttl=timedelta(hours=1), scopes=scopes
        )
    webhook = await made(client, by=Scope.WEBHOOKS)
    refused = await client.request("GET", WEBHOOKS, by=Scope.FILES_READ)
    await execute(database, "UPDATE user_sessions SET revoked_at = now() WHERE own_scopes IS NOT NULL")

    assert refusal(refused) == (403, "scope_missing")
    assert (await client.request("GET", f"{WEBHOOKS}/{webhook['id']}")).json()["enabled"]
