"""What clients call their files is metadata: bounded, printable, and never part of a path."""

from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.api.conftest import Remains
from tests.conftest import Client, fetch
from tests.disks import disk_of

HARMLESS = [
    "../../../etc/passwd",
    "/etc/passwd",
    "C:\\Windows\\system32",
    "..",
    ".media-analysis",
    "-rf *",
    "a;b'c\"d%00%2e",
    "\N{PILE OF POO}\N{ZERO WIDTH JOINER}\N{CLAPPER BOARD}.mp4",
    "\N{RIGHT-TO-LEFT OVERRIDE}4pm.exe",
    "\u0634\u0631\u064a\u0637.mp4",
    "e\u0301" * 127,
    "x" * 255,
    " ",
]
REFUSED = ["", "x" * 256, "a\x00b", "a\nb", "a\r\nSet-Cookie: b", "a\x1b[2Jb", "a\x7fb", "a\x85b"]


async def test_odd_names_are_kept_as_they_are_and_stay_out_of_the_store(
    client: Client, runtime: Runtime, database: str
) -> None:
    files = {name: await client.upload(filename=name) for name in HARMLESS}

    listed = (await client.request("GET", "/api/v1/files")).json()["items"]
    keys = [row["key"] for row in await fetch(database, "SELECT key FROM media_files")]
    assert {name: file["filename"] for name, file in files.items()} == dict(zip(HARMLESS, HARMLESS, strict=True))
    assert sorted(file["filename"] for file in listed) == sorted(HARMLESS)
    assert {path.name for path in disk_of(runtime.store).root.parent.iterdir()} == {"store"}
    assert all(key.rpartition("/")[2].removesuffix(".txt") in {f["id"] for f in listed} for key in keys)


async def test_unprintable_or_endless_names_are_refused(client: Client, remains: Remains) -> None:
    file = await client.upload(filename="before")

    answers = [
        answer
        for name in REFUSED
        for answer in (
            await client.request("POST", "/api/v1/files", params={"category": "temp", "filename": name}),
            await client.request("PATCH", f"/api/v1/files/{file['id']}", json={"filename": name}),
        )
    ]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * 2 * len(REFUSED)
    assert len(await remains()) == 2


async def test_a_lone_surrogate_is_never_a_name(client: Client) -> None:
    file = await client.upload()

    renamed = await client.request(
        "PATCH",
        f"/api/v1/files/{file['id']}",
        content=b'{"filename": "a\\ud800b"}',
        headers={"Content-Type": "application/json"},
    )
    uploaded = await client.request("POST", "/api/v1/files?category=temp&filename=a%ED%A0%80b", content=b"x")

    assert refusal(renamed) == (422, "invalid_request")
    assert uploaded.status_code == 422 or "\ud800" not in uploaded.json()["filename"]
