"""Labels of files: given at every kind of upload, told in every answer, changed, and kept through whatever comes."""

import json
from typing import Any

import pytest

from tests.api.answers import refusal
from tests.api.conftest import Remains
from tests.api.forms import END, FORM_TYPE, field, file
from tests.api.tus import TusClient
from tests.conftest import Client, fetch

URL = "/api/v1/files"
LABELS = {"camera": "north", "event": "evt:42", "who": "Zoë"}
TOLD = [f"{key}:{value}" for key, value in LABELS.items()]
WRONG = ["camera", "Camera:north", "camera:", "a b:c", "camera:\x07", "k:" + "v" * 256]


async def send(client: Client, content: bytes, labels: list[str], **about: Any) -> Any:
    params = {"category": "uploads", "filename": "a.bin", "label": labels}
    return await client.request("POST", URL, params=params, content=content, **about)


async def form(client: Client, *parts: bytes, **params: str) -> Any:
    content = b"".join([*parts, END])
    return await client.request("POST", URL, params=params, content=content, headers={"Content-Type": FORM_TYPE})


@pytest.mark.parametrize("size", [10, 2 * 2**20])  # before the route, and by it
async def test_labels_of_a_query_are_told_by_every_answer(client: Client, size: int) -> None:
    stored = await send(client, b"x" * size, TOLD)
    plain = await client.upload()

    assert stored.status_code == 201, stored.text
    assert stored.json()["labels"] == LABELS
    assert (await client.request("GET", f"{URL}/{stored.json()['id']}")).json() == stored.json()
    listed = (await client.request("GET", URL)).json()["items"]
    assert [item["labels"] for item in listed] == [{}, LABELS]
    assert plain["labels"] == {}


async def test_the_routes_tell_of_labels_what_is_told_before_them(client: Client) -> None:
    stored = (await send(client, b"x", TOLD)).json()

    for path in (f"{URL}/{stored['id']}", URL):
        usual = await client.request("GET", path)
        by_route = await client.request("GET", path, headers={"If-Match": "*"})
        assert by_route.content == usual.content
        assert by_route.headers.get("etag") == usual.headers.get("etag")


async def test_a_form_may_say_labels_before_its_file_and_behind_it(client: Client) -> None:
    before, behind = [field("label", told) for told in TOLD[:2]], field("label", TOLD[2])

    stored = await form(client, field("category", "clips"), *before, file(b"bytes"), behind, field("label", ""))
    mixed = await form(client, before[0], file(b"bytes"), category="clips", label=TOLD[1])

    assert stored.status_code == 201, stored.text
    assert stored.json()["labels"] == LABELS
    assert (await client.request("GET", f"{URL}/{stored.json()['id']}")).json()["labels"] == LABELS
    assert refusal(mixed) == (422, "invalid_request")


async def test_an_upload_in_pieces_has_labels(client: Client) -> None:
    tus = TusClient(client)

    for told in (json.dumps(LABELS), ",".join(TOLD)):
        path = await tus.start(5, filename="a.bin", labels=told)
        under_way = (await tus.send("GET", path)).json()
        await tus.patch(path, 0, b"bytes")

        assert under_way["labels"] == LABELS
        assert (await client.request("GET", f"{URL}/{path.rpartition('/')[2]}")).json()["labels"] == LABELS


async def test_an_upload_in_pieces_with_wrong_labels_is_refused(client: Client) -> None:
    for told in ('{"a": 1}', '{"a": "b", "a": "c"}', "{", "nothing", "a:b,a:c", '{"A": "b"}', '{"a:b": "c"}'):
        assert refusal(await TusClient(client).create(5, labels=told)) == (422, "invalid_request"), told


async def test_a_wrong_label_is_refused_and_nothing_kept(client: Client, remains: Remains) -> None:
    for told in (*([wrong] for wrong in WRONG), ["a:b", "a:b"], [f"k{number}:v" for number in range(33)]):
        refused = await send(client, b"x", told)
        in_form = await form(client, field("category", "clips"), *(field("label", one) for one in told), file(b"bytes"))

        assert refusal(refused) == refusal(in_form) == (422, "invalid_request"), told

    assert await remains() == []


async def test_the_same_key_with_other_labels_is_another_request(client: Client) -> None:
    key = {"Idempotency-Key": "order-66"}
    first = await send(client, b"x", TOLD, headers=key)

    again, other, none = [await send(client, b"x", told, headers=key) for told in (TOLD[::-1], TOLD[:2], [])]

    assert (again.status_code, again.json()) == (201, first.json())
    assert refusal(other) == refusal(none) == (422, "idempotency_key_reused")


async def test_a_change_names_the_labels_it_changes(client: Client) -> None:
    stored = (await send(client, b"x", TOLD)).json()

    async def patch(labels: Any) -> Any:
        return await client.request("PATCH", f"{URL}/{stored['id']}", json={"labels": labels})

    changed = await patch({"camera": "south", "event": None, "absent": None, "new": "1"})
    same = await patch({"camera": "south"})
    emptied = await patch(None)

    expected = {"camera": "south", "who": "Zoë", "new": "1"}
    assert changed.json() == stored | {"labels": expected}
    assert same.json() == changed.json()
    assert emptied.json() == stored | {"labels": {}}
    assert (await client.request("GET", f"{URL}/{stored['id']}")).json() == emptied.json()


async def test_a_change_of_labels_is_audited_with_what_they_were(client: Client, database: str) -> None:
    stored = (await send(client, b"x", TOLD[:1])).json()

    for labels in ({"camera": "south"}, {"camera": "south"}, {}):
        await client.request("PATCH", f"{URL}/{stored['id']}", json={"labels": labels})

    events = await fetch(database, "SELECT actor, action, details FROM audit_events WHERE file_id IS NOT NULL")
    assert [(event["actor"], event["action"], json.loads(event["details"])) for event in events] == [
        ("alice", "labelled", {"labels": {"camera": "south"}, "before": {"camera": "north"}})
    ]


async def test_a_change_that_would_be_wrong_changes_nothing(client: Client) -> None:
    stored = (await send(client, b"x", [f"k{number}:v" for number in range(32)])).json()
    wrong: list[Any] = [{"more": "v"}, {"K": "v"}, {"k0": ""}, {"k0": 1}, {"k0": "\x00"}, ["k0:v"], "k0:v"]

    for labels in wrong:
        refused = await client.request("PATCH", f"{URL}/{stored['id']}", json={"labels": labels, "filename": "new"})
        assert refusal(refused) == (422, "invalid_request"), labels

    assert (await client.request("GET", f"{URL}/{stored['id']}")).json() == stored


async def test_labels_outlive_the_trash_and_the_file(client: Client, database: str) -> None:
    stored = (await send(client, b"x", TOLD)).json()

    await client.request("DELETE", f"{URL}/{stored['id']}", params={"strategy": "soft"})
    restored = await client.request("POST", f"{URL}/{stored['id']}/restore")
    await client.request("DELETE", f"{URL}/{stored['id']}", by="admin", params={"strategy": "hard"})

    assert restored.json() == stored
    stones = await fetch(database, "SELECT labels FROM tombstones")
    assert [json.loads(stone["labels"]) for stone in stones] == [LABELS]
