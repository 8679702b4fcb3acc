"""Uploads in pieces that contradict themselves, what is there, or whose they are."""

import hashlib
from uuid import uuid4

import pytest

from tests.api.tus import PIECE, TusClient, checksum, metadata
from tests.conftest import Client


@pytest.fixture
def tus(client: Client) -> TusClient:
    return TusClient(client)


async def test_a_length_that_was_said_is_not_said_otherwise(tus: TusClient) -> None:
    path = await tus.start(6)

    answer = await tus.patch(path, 0, b"abc", Upload_Length="3")

    assert answer.status_code == 400
    assert (await tus.patch(path, 0, b"abc", Upload_Length="6")).status_code == 204


async def test_bytes_that_begin_elsewhere_are_refused(tus: TusClient) -> None:
    path = await tus.start(6)
    await tus.patch(path, 0, b"abc")

    answers = [await tus.patch(path, offset, b"xyz") for offset in (0, 2, 4, 6)]

    assert [(answer.status_code, answer.json()["offset_bytes"]) for answer in answers] == [(409, 3)] * 4


async def test_more_bytes_than_were_announced_are_refused(client: Client, tus: TusClient) -> None:
    path = await tus.start(4)

    refused = await tus.patch(path, 0, b"abcde")
    after = await tus.offset(path)
    last = await tus.patch(path, after, b"abcd"[after:])

    assert refused.status_code == 413
    content = await client.request("GET", f"{last.headers['Location']}/content")
    assert content.content == b"abcd"


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 400),
        ({"Upload_Length": "-1"}, 400),
        ({"Upload_Length": "ten"}, 400),
        ({"Upload_Length": "1", "Upload_Defer_Length": "1"}, 400),
        ({"Upload_Defer_Length": "2"}, 400),
        ({"Upload_Length": str(2**59)}, 413),
        ({"Upload_Length": "1", "Upload_Metadata": "filename ???"}, 400),
        ({"Upload_Length": "1", "Upload_Metadata": "filename YQ==,filename YQ=="}, 400),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(category="nowhere")}, 422),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(ttl_seconds="soon")}, 422),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(job_id=uuid4())}, 422),
        ({"Upload_Length": "1", "Upload_Metadata": metadata(parent_id=uuid4())}, 422),
        ({"Upload_Concat": "half", "Upload_Length": "1"}, 400),
        ({"Upload_Concat": "final;/api/v1/uploads/x"}, 400),
        ({"Upload_Length": "1", "Tus_Resumable": "0.2.2"}, 412),
    ],
)
async def test_a_creation_that_says_nothing_sensible_is_refused_and_leaves_nothing(
    tus: TusClient, headers: dict[str, str], status: int
) -> None:
    answer = await tus.send("POST", **headers)

    assert answer.status_code == status, answer.text
    assert (await tus.send("GET")).json()["items"] == []


async def test_a_piece_needs_its_type_and_its_offset(tus: TusClient) -> None:
    path = await tus.start(3)

    typeless = await tus.patch(path, 0, b"abc", Content_Type="application/octet-stream")
    placeless = await tus.send("PATCH", path, content=b"abc", Content_Type=PIECE)
    coded = await tus.patch(path, 0, b"abc", Content_Encoding="gzip")

    assert [answer.status_code for answer in (typeless, placeless, coded)] == [415, 400, 415]
    assert await tus.offset(path) == 0


async def test_uploads_of_others_are_unknown_ones(client: Client, tus: TusClient) -> None:
    path = await tus.start(3, filename="mine")
    stranger = TusClient(client, by="bob")

    answers = [
        await stranger.send("HEAD", path),
        await stranger.patch(path, 0, b"abc"),
        await stranger.send("DELETE", path),
        await stranger.send("GET", path),
    ]

    assert [answer.status_code for answer in answers] == [404] * 4
    assert (await stranger.send("GET")).json()["items"] == []
    assert await tus.offset(path) == 0
    seen = (await client.request("GET", "/api/v1/uploads", by="admin")).json()["items"]
    assert [(item["owner"], item["filename"]) for item in seen] == [("alice", "mine")]


async def test_a_checksum_decides_about_its_piece_alone(client: Client, tus: TusClient) -> None:
    path = await tus.start(6)
    good = await tus.patch(path, 0, b"abc", Upload_Checksum=checksum(b"abc", "sha256"))

    bad = await tus.patch(path, 3, b"xyz", Upload_Checksum=checksum(b"def"))
    unknown = await tus.patch(path, 3, b"def", Upload_Checksum="md5 kAFQmDzST7DWlj99KOF/cg==")
    offset = await tus.offset(path)
    last = await tus.patch(path, 3, b"def", Upload_Checksum=checksum(b"def"))

    assert [answer.status_code for answer in (good, bad, unknown, last)] == [204, 460, 400, 204]
    assert offset == 3
    file = (await client.request("GET", last.headers["Location"])).json()
    assert file["sha256"] == hashlib.sha256(b"abcdef").hexdigest()


async def test_parts_that_are_not_all_here_are_not_joined(client: Client, tus: TusClient) -> None:
    whole = await tus.part(b"abc")
    made = await tus.send("POST", Upload_Length="3", Upload_Concat="partial")
    own, foreign = await tus.start(3), await TusClient(client, by="bob").part(b"abc")

    answers = [
        await tus.send("POST", Upload_Concat=f"final;{whole} {other}", Upload_Metadata=metadata(filename="a"))
        for other in (made.headers["Location"], own, foreign, f"/api/v1/uploads/{uuid4()}")
    ]

    assert [answer.status_code for answer in answers] == [409, 409, 404, 404]
    assert (await tus.send("HEAD", whole)).headers["Upload-Concat"] == "partial"


@pytest.mark.parametrize("name", ["Tus-Resumable", "Upload-Offset", "Upload-Checksum", "Upload-Length"])
async def test_a_header_that_is_there_twice_is_refused(client: Client, tus: TusClient, name: str) -> None:
    path = await tus.start(6)
    headers = {
        "Authorization": f"Bearer {client.tokens['alice']}",
        "Tus-Resumable": "1.0.0",
        "Content-Type": PIECE,
        "Upload-Offset": "0",
        "Upload-Checksum": checksum(b"abc"),
        "Upload-Length": "6",
    }

    answer = await client.http.request("PATCH", path, headers=[*headers.items(), (name, headers[name])], content=b"abc")

    assert (answer.status_code, answer.json()["reason"]) == (422, "given twice")
    assert await tus.offset(path) == 0


async def test_what_joins_parts_has_neither_bytes_nor_a_length(tus: TusClient) -> None:
    part = await tus.part(b"abc")

    with_bytes = await tus.send("POST", content=b"abc", Upload_Concat=f"final;{part}", Content_Type=PIECE)
    with_length = await tus.send("POST", Upload_Concat=f"final;{part}", Upload_Length="3")
    with_many = await tus.send("POST", Upload_Concat=f"final;{' '.join([part] * 1001)}")

    assert [answer.status_code for answer in (with_bytes, with_length, with_many)] == [403, 400, 400]
    assert await tus.offset(part) == 3


async def test_a_checksum_of_nothing_is_not_passed_over(tus: TusClient) -> None:
    made = await tus.send("POST", Upload_Length="3", Upload_Checksum=checksum(b"abc"))
    path = (await tus.create(3, b"abc")).headers["Location"]
    again = await tus.patch(path, 3, b"", Upload_Checksum=checksum(b"abc"))

    assert [answer.status_code for answer in (made, again)] == [460, 460]
    assert (await tus.send("GET")).json()["items"] == []


async def test_parts_whose_file_was_deleted_are_gone(client: Client, tus: TusClient) -> None:
    joins = {"Upload_Concat": f"final;{await tus.part(b'abc')}"}
    made = await tus.send("POST", **joins)
    await client.request("DELETE", f"/api/v1/files/{made.headers['File-Id']}")

    assert (await tus.send("POST", **joins)).status_code == 410
