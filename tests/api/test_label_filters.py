"""Lists by labels: what meets all filters, in the order of every list, of nobody else, and counted."""

from typing import Any

import pytest

from media_analysis.labels import parse_filters
from tests.api.answers import refusal
from tests.api.conftest import Expire
from tests.api.test_listing import pages
from tests.conftest import Client

URL = "/api/v1/files"
LABELS: list[dict[str, str]] = [
    {"camera": "north", "event": "evt42"},
    {"camera": "north"},
    {"camera": "south", "event": "evt42"},
    {"project": "x:y"},
    {},
]
ASKED = [
    ["camera:north"],
    ["camera"],
    ["event:evt42", "camera:north"],
    ["camera", "event:evt42"],
    ["!camera"],
    ["!camera:north"],
    ["camera", "!camera:north"],
    ["!event", "!project"],
    ["project:x:y"],
    ["project:x"],
]


@pytest.fixture
async def files(client: Client) -> list[dict[str, Any]]:
    """Alice's and bob's files with the same labels, oldest first: clips with an end, and uploads."""
    made = []
    for by in ("alice", "bob"):
        for number, labels in enumerate(LABELS):
            told = [f"{key}:{value}" for key, value in labels.items()]
            about: dict[str, Any] = {"category": "clips", "ttl_seconds": 3600 - number} if number % 2 else {}
            made.append(await client.upload(by=by, filename=f"{by}{number}", label=told, **about))
    return made


def names(files: list[dict[str, Any]], asked: list[str], owner: str | None = "alice") -> list[str]:
    """Return what is to be found, newest first."""
    met = [
        file
        for file in files
        if file["owner"] == (owner or file["owner"])
        and all(wanted.is_met(file["labels"]) for wanted in parse_filters(asked))
    ]
    return [file["filename"] for file in reversed(met)]


async def listed(client: Client, asked: list[str], *, by: str = "alice", **query: Any) -> list[str]:
    answer = await client.request("GET", URL, by=by, params={"label": asked, **query})
    assert answer.status_code == 200, answer.text
    return [file["filename"] for file in answer.json()["items"]]


async def test_a_list_has_what_meets_all_filters_and_belongs_to_the_caller(
    client: Client, files: list[dict[str, Any]]
) -> None:
    for asked in ASKED:
        assert await listed(client, asked) == names(files, asked), asked
        assert await listed(client, asked, by="admin") == names(files, asked, None), asked
        assert await listed(client, asked, by="admin", owner="bob") == names(files, asked, "bob"), asked
        clips = [file for file in files if file["category"] == "clips"]
        assert await listed(client, asked, category="clips") == names(clips, asked), asked


async def test_pages_by_a_label_go_on_in_the_order_of_every_list(client: Client, files: list[dict[str, Any]]) -> None:
    by_age = await pages(client, label="camera", limit=1)
    by_end = await pages(client, label="camera", limit=1, expires_before="9999-01-01T00:00:00Z")
    every_end = await pages(client, limit=1, expires_before="9999-01-01T00:00:00Z")

    assert [file["filename"] for page in by_age for file in page] == names(files, ["camera"])
    expected = [file for page in every_end for file in page if "camera" in file["labels"]]
    assert [file for page in by_end for file in page] == expected


async def test_lists_follow_what_becomes_of_a_file(client: Client, files: list[dict[str, Any]], expire: Expire) -> None:
    one, other, third = files[:3]

    await client.request("PATCH", f"{URL}/{one['id']}", json={"labels": {"camera": "west"}})
    assert await listed(client, ["camera:west"]) == ["alice0"]
    assert await listed(client, ["camera:north"]) == ["alice1"]

    await client.request("DELETE", f"{URL}/{other['id']}", params={"strategy": "soft"})
    assert await listed(client, ["camera:north"]) == []
    assert await listed(client, ["camera:north"], state="trashed") == ["alice1"]

    await client.request("POST", f"{URL}/{other['id']}/restore")
    assert await listed(client, ["camera:north"], state="stored") == ["alice1"]

    await expire(third)
    assert await listed(client, ["camera:south"]) == []


async def test_deletions_are_found_by_the_labels_there_were(client: Client, files: list[dict[str, Any]]) -> None:
    for file in files:
        await client.request("DELETE", f"{URL}/{file['id']}", by="admin", params={"strategy": "hard"})

    async def deleted(asked: list[str], by: str = "alice", **query: Any) -> list[str]:
        answer = await client.request("GET", "/api/v1/deletions", by=by, params={"label": asked, **query})
        assert answer.status_code == 200, answer.text
        return [stone["filename"] for stone in answer.json()["items"]]

    for asked in ASKED:
        assert await deleted(asked) == names(files, asked), asked
        assert await deleted(asked, by="admin") == names(files, asked, None), asked
    first = await client.request("GET", "/api/v1/deletions", params={"label": "camera", "limit": 2})
    rest = await deleted(["camera"], cursor=first.json()["next_cursor"])
    assert [stone["filename"] for stone in first.json()["items"]] + rest == names(files, ["camera"])
    assert await deleted(["camera"], since="2090-01-01T00:00:00Z") == []
    explained = await client.request("GET", f"{URL}/{files[0]['id']}/retention")
    assert explained.json()["labels"] == files[0]["labels"] == first.json()["items"][-1]["labels"] | LABELS[0]


async def test_statistics_count_what_has_labels(client: Client, files: list[dict[str, Any]]) -> None:
    async def counted(by: str, *asked: str) -> Any:
        answer = await client.request("GET", "/api/v1/storage/stats", by=by, params={"label": list(asked)})
        return answer.json()["labelled"] if answer.status_code == 200 else refusal(answer)

    size = files[0]["size_bytes"]
    assert await counted("alice", "camera:north") == {
        "uploads": {"files": 1, "size_bytes": size},
        "clips": {"files": 1, "size_bytes": size},
    }
    assert (await counted("admin", "event:evt42", "camera"))["uploads"]["files"] == 4
    assert await counted("bob", "camera", "!event") == {"clips": {"files": 1, "size_bytes": size}}
    assert await counted("bob", "camera:west") == {}
    assert await counted("bob") is None
    assert await counted("bob", "!event") == (422, "invalid_request")


async def test_a_wrong_filter_is_refused(client: Client) -> None:
    for path in (URL, "/api/v1/deletions", "/api/v1/storage/stats"):
        for asked in (["Camera"], ["!"], [""], ["a:"], ["a:\x00"], [f"k{number}" for number in range(17)]):
            answer = await client.request("GET", path, params={"label": asked})
            assert refusal(answer) == (422, "invalid_request"), (path, asked)
