"""Uploads in pieces: tus 1.0 as its clients speak it."""

import hashlib
from email.utils import parsedate_to_datetime
from uuid import uuid4

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in
from tests.api.conftest import Remains
from tests.api.tus import PIECE, TusClient, metadata
from tests.conftest import Client, execute, fetch
from tests.files.conftest import sweep

CONTENT = bytes(range(256)) * 400
HALF = len(CONTENT) // 2


@pytest.fixture
def tus(client: Client) -> TusClient:
    return TusClient(client)


async def test_an_upload_in_two_pieces_is_a_file_when_the_second_is_answered(client: Client, tus: TusClient) -> None:
    path = await tus.start(len(CONTENT), filename="bikes.bin", category="clips", ttl_seconds="60")

    first = await tus.patch(path, 0, CONTENT[:HALF])
    last = await tus.patch(path, HALF, CONTENT[HALF:])

    assert (first.status_code, first.headers["Upload-Offset"]) == (204, str(HALF))
    assert (last.status_code, last.headers["Upload-Offset"]) == (204, str(len(CONTENT)))
    assert "location" not in first.headers
    file = (await client.request("GET", last.headers["Location"])).json()
    assert last.headers["File-Id"] == file["id"]
    assert (file["filename"], file["category"], file["state"]) == ("bikes.bin", "clips", "stored")
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    content = await client.request("GET", f"{last.headers['Location']}/content")
    assert content.content == CONTENT


async def test_every_answer_says_the_version(tus: TusClient) -> None:
    path = await tus.start(3)

    answers = [
        await tus.send("OPTIONS", Tus_Resumable=None),
        await tus.send("HEAD", path),
        await tus.send("HEAD", f"/api/v1/uploads/{uuid4()}"),
        await tus.patch(path, 2, b"c"),
        await tus.send("DELETE", path),
        await tus.send("POST", Tus_Resumable=None),
        await tus.send("GET"),
    ]

    assert [answer.status_code for answer in answers] == [204, 200, 404, 409, 204, 412, 200]
    assert {answer.headers["Tus-Resumable"] for answer in answers} == {"1.0.0"}
    assert answers[-2].headers["Tus-Version"] == "1.0.0"


async def test_options_tell_what_is_spoken_to_anybody(client: Client, runtime: Runtime) -> None:
    answer = await client.request("OPTIONS", "/api/v1/uploads/", by=None)

    said = set(answer.headers["Tus-Extension"].split(","))
    assert said >= {"creation", "creation-with-upload", "creation-defer-length", "expiration", "termination"}
    assert said >= {"checksum", "concatenation"}
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
    assert answer.headers["Tus-Max-Size"] == str(runtime.settings.storage.upload.max_bytes)


async def test_what_is_told_of_an_upload_is_what_was_said_and_what_is_durable(tus: TusClient) -> None:
    told = metadata(name="a.bin", other="thing")
    made = await tus.send("POST", Upload_Length="10", Upload_Metadata=told)

    before = await tus.send("HEAD", made.headers["Location"])
    await tus.patch(made.headers["Location"], 0, b"abc")
    after = await tus.send("HEAD", made.headers["Location"])

    assert [answer.headers["Upload-Offset"] for answer in (before, after)] == ["0", "3"]
    assert after.headers["Upload-Length"] == "10"
    assert after.headers["Upload-Metadata"] == told
    assert after.headers["Cache-Control"] == "no-store"
    assert parsedate_to_datetime(after.headers["Upload-Expires"]) >= parsedate_to_datetime(
        made.headers["Upload-Expires"]
    )


async def test_an_upload_may_be_created_with_its_first_bytes_or_all(tus: TusClient) -> None:
    some = await tus.create(6, b"abc")
    whole = await tus.create(3, b"abc", filename="a")

    assert (some.status_code, some.headers["Upload-Offset"]) == (201, "3")
    assert (whole.status_code, whole.headers["Upload-Offset"]) == (201, "3")
    assert "File-Id" in whole.headers
    assert "File-Id" not in some.headers
    assert (await tus.patch(some.headers["Location"], 3, b"def")).headers["Location"].startswith("/api/v1/files/")


async def test_a_file_has_the_parent_that_its_upload_was_created_with(client: Client, tus: TusClient) -> None:
    parent = (await client.upload())["id"]
    path = await tus.start(3, parent_id=parent)
    assert (await client.request("GET", "/api/v1/files")).json()["items"][0][
        "id"
    ] == parent  # nothing is registered yet

    done = await tus.patch(path, 0, b"abc")

    assert (await client.request("GET", done.headers["Location"])).json()["parent_id"] == parent


async def test_an_empty_upload_is_a_file_at_once(client: Client, tus: TusClient) -> None:
    made = await tus.create(0, filename="nothing")

    file = (await client.request("GET", f"/api/v1/files/{made.headers['File-Id']}")).json()
    assert (file["size_bytes"], file["state"]) == (0, "stored")
    assert await tus.offset(made.headers["Location"]) == 0


async def test_a_length_may_be_said_later(tus: TusClient) -> None:
    path = await tus.start(None)
    await tus.patch(path, 0, b"abc")

    without = await tus.send("HEAD", path)
    last = await tus.patch(path, 3, b"def", Upload_Length="6")

    assert without.headers["Upload-Defer-Length"] == "1"
    assert "Upload-Length" not in without.headers
    assert (last.status_code, "Location" in last.headers) == (204, True)


async def test_a_key_is_refused_where_an_upload_is_made_and_needs_none_where_it_goes_on(tus: TusClient) -> None:
    key = {"Idempotency_Key": "once"}

    refused = await tus.send("POST", Upload_Length="3", **key)
    gone_on = await tus.patch(await tus.start(3), 0, b"abc", **key)

    assert (refused.status_code, problem_in(refused)["field"]) == (422, "Idempotency-Key")
    assert gone_on.status_code == 204


async def test_what_is_said_of_an_upload_is_not_said_otherwise_later(client: Client, tus: TusClient) -> None:
    made = await tus.create(3, filename="a", labels="camera:north")
    path = made.headers["Location"]

    other = await tus.patch(path, 0, b"abc", Upload_Metadata=metadata(filename="a", labels="camera:south"))
    same = await tus.patch(path, 0, b"abc", Upload_Metadata=metadata(labels="camera:north", filename="a"))

    assert (other.status_code, problem_in(other)["code"]) == (400, "malformed_header")
    assert same.status_code == 204
    file = (await client.request("GET", f"/api/v1/files/{same.headers['File-Id']}")).json()
    assert file["labels"] == {"camera": "north"}


async def test_a_terminated_upload_leaves_nothing(tus: TusClient, remains: Remains) -> None:
    path = await tus.start(6)
    await tus.patch(path, 0, b"abc")

    ended = await tus.send("DELETE", path)

    assert ended.status_code == 204
    assert [(await tus.send("HEAD", path)).status_code, (await tus.patch(path, 3, b"def")).status_code] == [404, 404]
    assert await remains() == []


async def test_what_an_upload_became_is_not_deleted_with_it(client: Client, tus: TusClient) -> None:
    made = await tus.create(3, b"abc", filename="a")

    refused = await tus.send("DELETE", made.headers["Location"])

    assert (refused.status_code, problem_in(refused)["code"]) == (409, "upload_finished")
    assert (await client.request("GET", f"/api/v1/files/{made.headers['File-Id']}")).status_code == 200


async def test_an_upload_whose_file_was_deleted_is_gone(client: Client, tus: TusClient) -> None:
    made = await tus.create(3, b"abc", filename="a")
    await client.request("DELETE", f"/api/v1/files/{made.headers['File-Id']}")

    answers = [await tus.send("HEAD", made.headers["Location"]), await tus.patch(made.headers["Location"], 3, b"")]

    assert [answer.status_code for answer in answers] == [410, 410]


async def test_an_unfinished_upload_ends_a_day_after_its_last_byte(
    tus: TusClient, runtime: Runtime, database: str, remains: Remains
) -> None:
    path = await tus.start(6)
    await tus.patch(path, 0, b"abc")
    (row,) = await fetch(
        database,
        "SELECT extract(epoch FROM upload.ends_at - now()) AS left, file.due_at = upload.ends_at AS agrees"
        " FROM resumable_uploads AS upload JOIN media_files AS file USING (id)",
    )
    await execute(database, "UPDATE resumable_uploads SET ends_at = now()", "UPDATE media_files SET due_at = now()")

    answers = [await tus.send("HEAD", path), await tus.patch(path, 3, b"def")]
    await sweep(runtime)
    await runtime.records.end()

    assert (round(row["left"], -2), row["agrees"]) == (86_400, True)
    assert [answer.status_code for answer in answers] == [410, 410]
    assert await remains() == []
    assert (await tus.send("HEAD", path)).status_code == 404


async def test_parts_become_one_file_and_are_gone(client: Client, tus: TusClient, remains: Remains) -> None:
    first, second = await tus.part(CONTENT[:HALF]), await tus.part(CONTENT[HALF:])
    told = f"final;{first} http://test{second}/"

    made = await tus.send("POST", Upload_Concat=told, Upload_Metadata=metadata(filename="whole.bin"))

    file = (await client.request("GET", f"/api/v1/files/{made.headers['File-Id']}")).json()
    assert (made.status_code, file["filename"]) == (201, "whole.bin")
    assert file["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    head = await tus.send("HEAD", made.headers["Location"])
    assert (head.headers["Upload-Concat"], head.headers["Upload-Length"]) == (told, str(len(CONTENT)))
    assert (await tus.patch(made.headers["Location"], len(CONTENT), b"x")).status_code == 403
    assert (await tus.send("HEAD", first)).status_code == 410
    assert len(await remains()) == 2


async def test_uploads_under_way_are_listed_by_pages(tus: TusClient) -> None:
    paths = [await tus.start(10, filename=f"{number}.bin") for number in range(3)]
    await tus.patch(paths[1], 0, b"abc")
    await tus.create(3, b"abc", filename="finished")

    first = (await tus.send("GET", "/api/v1/uploads?limit=2")).json()
    second = (await tus.send("GET", f"/api/v1/uploads?limit=2&cursor={first['next_cursor']}")).json()

    listed = [*first["items"], *second["items"]]
    assert [item["filename"] for item in listed] == ["2.bin", "1.bin", "0.bin"]
    assert [item["received_bytes"] for item in listed] == [0, 3, 0]
    assert second["next_cursor"] is None
    assert (await tus.send("GET", paths[1])).json() == listed[1]


async def test_clients_that_know_only_get_and_post_override_the_method(tus: TusClient) -> None:
    path = await tus.start(3)

    answer = await tus.send(
        "POST", f"{path}/", content=b"abc", X_HTTP_Method_Override="PATCH", Upload_Offset="0", Content_Type=PIECE
    )

    assert (answer.status_code, "Location" in answer.headers) == (204, True)


async def test_the_type_is_what_the_first_bytes_tell(client: Client, tus: TusClient) -> None:
    png = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(20)
    made = await tus.create(len(png), png, filename="a.txt", filetype="text/plain")

    file = (await client.request("GET", f"/api/v1/files/{made.headers['File-Id']}")).json()
    assert file["media_type"] == "image/png"


async def test_what_has_arrived_is_told_by_the_statistics(client: Client, tus: TusClient) -> None:
    path = await tus.start(6)
    await tus.patch(path, 0, b"abc")

    arriving = [
        (await client.request("GET", "/api/v1/storage/stats", by=by)).json()["arriving"]
        for by in ("alice", "bob", "admin")
    ]

    assert [(each["files"], each["size_bytes"]) for each in arriving] == [(1, 3), (0, 0), (1, 3)]
