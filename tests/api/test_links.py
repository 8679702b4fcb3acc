"""Links to files: good without a token, until they expire, are revoked, or their file or their maker's right goes."""

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import unquote, urlsplit
from uuid import uuid4

import httpx
import pytest
from structlog.testing import capture_logs

from media_analysis.files.links.signing import Reference, sign
from media_analysis.runtime import Runtime
from tests.api.answers import refusal, without_ids
from tests.api.links import invite, share, use
from tests.api.raw import Speaker
from tests.conftest import Client, execute, fetch

CONTENT = b"0123456789" * 20
PAST = "now() - interval '1 second'"
Ending = Callable[[Client, Runtime, str, dict[str, Any], dict[str, Any]], Awaitable[None]]


@pytest.fixture
async def file(client: Client) -> dict[str, Any]:
    return await client.upload(CONTENT, filename="a day at sea.mp4")


async def test_a_link_gives_what_the_download_gives(client: Client, file: dict[str, Any]) -> None:
    link = await share(client, file)
    path = f"/api/v1/files/{file['id']}/content"
    asked: list[tuple[str, dict[str, str], int]] = [
        ("GET", {}, 200),
        ("HEAD", {}, 200),
        ("GET", {"Range": "bytes=5-9"}, 206),
        ("GET", {"Range": "bytes=-3", "If-Range": '"other"'}, 200),
        ("GET", {"Range": "bytes=900-"}, 416),
        ("GET", {"If-None-Match": f'"{file["sha256"]}"'}, 304),
        ("GET", {"If-Match": '"other"'}, 412),
    ]

    for method, headers, status in asked:
        by_link = await use(client, link, method, headers=headers)
        by_token = await client.request(method, path, headers=headers)
        same = [
            {name: value for name, value in answer.headers.items() if name not in {"date", "x-request-id"}}
            for answer in (by_link, by_token)
        ]
        assert (by_link.status_code, by_link.content) == (status, by_token.content), headers
        assert same[0] == same[1], headers
    plain = await use(client, link)
    assert plain.content == CONTENT
    assert plain.headers["content-disposition"].startswith("attachment;")
    assert (plain.headers["referrer-policy"], plain.headers["x-content-type-options"]) == ("no-referrer", "nosniff")
    assert plain.headers["content-security-policy"].startswith("sandbox;")


@pytest.mark.parametrize("name", ["ä b%2F#?.mp4", "a/b\\c.mp4", "..", "."])
async def test_the_address_ends_with_the_name_of_the_file(client: Client, name: str) -> None:
    link = await share(client, await client.upload(CONTENT, filename=name))

    last = urlsplit(link["url"]).path.rpartition("/")[2]
    harmless = "_" if set(name) == {"."} else name.replace("/", "_").replace("\\", "_")
    assert link["url"].startswith("http://test/links/")
    assert unquote(last) == harmless
    assert (await use(client, link)).content == CONTENT
    assert (await use(client, link | {"url": link["url"].removesuffix(last) + "other"})).content == CONTENT


async def test_what_is_not_signed_is_not_there(client: Client, database: str, file: dict[str, Any]) -> None:
    link, other = await share(client, file), await share(client, file)
    await execute(database, f"UPDATE links SET revoked_at = now() WHERE id = '{other['id']}'")
    reference = urlsplit(link["url"]).path.split("/")[2]
    link_id, _, signature = reference.partition(".")
    wrong = signature[:-1] + ("A" if signature[-1] != "A" else "B")
    theirs = urlsplit(other["url"]).path.split("/")[2].partition(".")[2]
    told = {
        "another id": f"{uuid4()}.{signature}",
        "wrong": f"{link_id}.{wrong}",
        "another link's": f"{link_id}.{theirs}",
        "of one that has ended": f"{other['id']}.{signature}",
        "short": f"{link_id}.{signature[:-1]}",
        "empty": f"{link_id}.",
        "capitals": f"{link_id.upper()}.{signature}",
        "none": link_id,
        "signed by nobody": str(Reference(uuid4(), sign(bytes(32), uuid4()))),
    }

    answers = {name: await client.request("GET", f"/links/{text}/a", by=None) for name, text in told.items()}
    sent = {name: await client.request("PUT", f"/links/{text}/a", by=None, content=b"x") for name, text in told.items()}

    bodies = {without_ids(answer) for answer in (*answers.values(), *sent.values())}
    assert {refusal(answer) for answer in (*answers.values(), *sent.values())} == {(404, "link_not_found")}
    assert len(bodies) == 1


async def test_a_token_does_not_open_a_link_and_none_is_needed(client: Client, file: dict[str, Any]) -> None:
    link = await share(client, file)

    assert (await use(client, link, headers={"Authorization": "Bearer mas_wrong"})).status_code == 200
    assert (await client.request("GET", f"/links/{link['id']}/a", by="alice")).status_code == 404


async def test_links_are_listed_for_their_owner_and_told_without_what_proves_them(
    client: Client, file: dict[str, Any]
) -> None:
    other = await client.upload(b"other")
    made = [await share(client, file), await share(client, other), await share(client, file, by="admin")]
    path = "/api/v1/links"

    pages = [(await client.request("GET", path, params={"limit": 2})).json()]
    pages.append((await client.request("GET", path, params={"limit": 2, "cursor": pages[0]["next_cursor"]})).json())
    of_file = (await client.request("GET", path, params={"file_id": file["id"]})).json()["items"]
    one = await client.request("GET", f"{path}/{made[0]['id']}")
    bobs = await client.request("GET", path, by="bob")
    foreign = [await client.request(method, f"{path}/{made[0]['id']}", by="bob") for method in ("GET", "DELETE")]

    listed = [link["id"] for page in pages for link in page["items"]]
    assert listed == [link["id"] for link in reversed(made)]
    assert [link["id"] for link in of_file] == [made[2]["id"], made[0]["id"]]
    assert one.json() == {name: value for name, value in made[0].items() if name != "url"}
    assert bobs.json()["items"] == []
    assert [refusal(answer) for answer in foreign] == [(404, "link_not_found")] * 2


async def test_new_keys_sign_new_links_and_old_links_stay_good(
    client: Client, database: str, file: dict[str, Any]
) -> None:
    first = await share(client, file)
    rotated = await client.request("POST", "/api/v1/links/keys", by="admin", json={})
    second = await share(client, file)
    await execute(database, "UPDATE link_keys SET created_at = created_at - interval '91 days'")
    third = await share(client, file)
    keys = (await client.request("GET", "/api/v1/links/keys", by="admin")).json()["items"]

    signed = {row["id"]: row["key_id"] for row in await fetch(database, "SELECT id::text, key_id::text FROM links")}
    assert rotated.status_code == 201
    assert signed[second["id"]] == rotated.json()["id"]
    assert [key["id"] for key in keys] == [signed[third["id"]], signed[second["id"]], signed[first["id"]]]
    assert len({*signed.values()}) == 3
    assert all(set(key) == {"id", "created_at", "ended_at"} for key in keys)
    assert [(await use(client, link)).status_code for link in (first, second, third)] == [200] * 3


async def test_nothing_that_is_written_down_tells_an_address(
    speaker: Speaker, client: Client, file: dict[str, Any]
) -> None:
    link = await share(client, file)
    path = urlsplit(link["url"]).path
    signature = path.split("/")[2].partition(".")[2]

    with capture_logs() as logs:
        said = [
            await speaker.say("GET", path, by=None),
            await speaker.say("GET", f"{path}/below", by=None),
            await speaker.say("GET", f"/elsewhere{path}", by=None),
            await speaker.say("PATCH", path, by=None),
            await speaker.say("GET", path, "Range: bytes=1000-", by=None),
        ]

    paths = [line["path"] for line in logs if line["event"] == "request.ended"]
    assert [answer.status for answer in said] == [200, 404, 404, 405, 416]
    assert {each.removeprefix("/elsewhere") for each in paths} == {f"/links/{link['id']}.***"}
    assert signature not in str(logs)
    assert "at sea" not in str(logs)
    assert all(signature.encode() not in answer.body for answer in said)


async def test_links_are_audited(client: Client, file: dict[str, Any]) -> None:
    link, upload = await share(client, file), await invite(client)
    assert (await use(client, upload, "PUT", content=b"x")).status_code == 201
    for _ in range(2):
        await client.request("DELETE", f"/api/v1/links/{link['id']}")
    await client.request("POST", "/api/v1/links/keys", by="admin", json={"end_links": True})

    told = (await client.request("GET", "/api/v1/audit", by="admin")).json()["items"]

    of_links = [event for event in reversed(told) if "link" in event["action"]]
    acts = [(event["action"], event["actor"], event["details"].get("link_id")) for event in of_links]
    assert acts == [
        ("linked", "alice", link["id"]),
        ("linked", "alice", upload["id"]),
        ("link_used", f"link:{upload['id']}", upload["id"]),
        ("link_revoked", "alice", link["id"]),
        ("link_key_rotated", "admin", None),
    ]


async def test_wrong_addresses_cost_time_as_wrong_tokens_do(client: Client) -> None:
    answers = [await client.request("GET", f"/links/{uuid4()}.{'x' * 43}/a", by=None) for _ in range(3)]
    metrics = await client.request("GET", "/metrics", by=None)

    assert [answer.status_code for answer in answers] == [404] * 3
    assert "tokens_rejected_total 3.0" in metrics.text


async def test_a_download_under_way_ends_when_its_link_is_revoked(
    client: Client, runtime: Runtime, file: dict[str, Any]
) -> None:
    link = await share(client, file)
    known = await runtime.files.links.find(urlsplit(link["url"]).path.split("/")[2])

    good = await runtime.files.links.find_good([known.id, uuid4()])
    await client.request("DELETE", f"/api/v1/links/{link['id']}")

    assert good == {known.id}
    assert await runtime.files.links.find_good([known.id]) == set()


def test_references_are_parsed_in_one_spelling() -> None:
    reference = Reference(uuid4(), sign(bytes(32), uuid4()))

    assert Reference.parse(str(reference)) == reference
    assert [Reference.parse(text) for text in (f"{reference}=", f" {reference}", f"{reference}\n", "")] == [None] * 4
    assert httpx.URL(f"http://a/links/{reference}/x").path == f"/links/{reference}/x"
