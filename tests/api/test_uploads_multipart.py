"""Uploads as streaming multipart/form-data."""

import hashlib

import httpx

from tests.api.answers import refusal
from tests.api.conftest import Remains
from tests.api.forms import BOUNDARY, END, FORM_TYPE, field, file, gathered, in_pieces
from tests.conftest import Client

CONTENT = bytes(range(256)) * 64
CATEGORY = field("category", "frames")


async def send(client: Client, body: bytes, content_type: str = FORM_TYPE, query: str = "") -> httpx.Response:
    return await client.request("POST", f"/api/v1/files{query}", content=body, headers={"Content-Type": content_type})


async def test_a_form_says_all_that_a_query_can(client: Client) -> None:
    parent = await client.upload()
    fields = field("ttl_seconds", "60") + field("parent_id", parent["id"])

    answer = await send(client, CATEGORY + fields + file(CONTENT, filename="frame-1.bin") + END)

    stored = answer.json()
    assert answer.status_code == 201
    assert (stored["category"], stored["filename"]) == ("frames", "frame-1.bin")
    assert stored["parent_id"] == parent["id"]
    assert stored["sha256"] == hashlib.sha256(CONTENT).hexdigest()
    assert (await client.request("GET", f"{answer.headers['location']}/content")).content == CONTENT


async def test_a_form_arrives_byte_by_byte_as_well(client: Client) -> None:
    tricky = f"\r\n--{BOUNDARY[:-1]}\r\n--\r\r\n".encode() * 3
    body = in_pieces(CATEGORY + file(tricky) + END, 1)

    answer = await client.request("POST", "/api/v1/files", content=body, headers={"Content-Type": FORM_TYPE})

    assert answer.json()["sha256"] == hashlib.sha256(tricky).hexdigest()


async def test_fields_may_come_from_the_query_and_a_name_from_a_field(client: Client) -> None:
    body = field("filename", "chosen.bin") + file(b"", filename="ignored.bin") + END

    answer = await send(client, body, query="?category=clips")

    assert answer.json()["filename"] == "chosen.bin"
    assert answer.json()["category"] == "clips"
    assert answer.json()["size_bytes"] == 0


async def test_a_file_is_called_what_its_form_says_in_any_script(client: Client) -> None:
    names = ["\u0444\u0438\u043b\u044c\u043c.mp4", "\N{CLAPPER BOARD}", "caf\xe9", "a; b=c", "../../x"]

    answers = [await send(client, CATEGORY + file(b"", filename=name) + END) for name in names]

    assert [answer.json()["filename"] for answer in answers] == names


LATE = file(CONTENT) + CATEGORY
WRONG_FORMS = {
    "no file": CATEGORY + END,
    "no category": file(CONTENT) + END,
    "a field after the file": CATEGORY + LATE + END,
    "the category after the file": LATE + END,
    "a field twice": CATEGORY + CATEGORY + file(CONTENT) + END,
    "two files": CATEGORY + file(CONTENT) + file(CONTENT) + END,
    "an unknown field": CATEGORY + field("colour", "red") + file(CONTENT) + END,
    "a nameless field": CATEGORY + field("", "red") + file(CONTENT) + END,
    "a huge field": field("category", "x" * 100_000) + file(CONTENT) + END,
    "a huge field name": field("x" * 100_000, "x") + file(CONTENT) + END,
    "too many fields": b"".join(field(f"f{number}", "x") for number in range(40)) + file(CONTENT) + END,
    "many headers": f"--{BOUNDARY}\r\n".encode() + b"X-A: b\r\n" * 1000 + b"\r\n" + END,
    "a field that is not UTF-8": field("category", b"\xff\xfe") + file(CONTENT) + END,
    "a lone surrogate": field("filename", b"\xed\xa0\x80") + CATEGORY + file(CONTENT) + END,
    "a NUL in a name": CATEGORY + file(CONTENT, filename="a\x00b") + END,
    "no name": CATEGORY + file(CONTENT, filename=None) + END,
    "an empty name": CATEGORY + file(CONTENT, filename="") + END,
    "cut in a field": CATEGORY[:-20],
    "cut in the file": CATEGORY + file(CONTENT)[:-5000],
    "cut before the end": CATEGORY + file(CONTENT),
    "cut in the last boundary": CATEGORY + file(CONTENT) + END[:-6],
    "cut after the last boundary": CATEGORY + file(CONTENT) + END[:-4],
    "cut in the last dashes": CATEGORY + file(CONTENT) + END[:-3],
    "no form at all": CONTENT,
    "nothing": b"",
}


async def test_a_malformed_form_is_refused_and_nothing_is_kept(client: Client, remains: Remains) -> None:
    answers = {name: await send(client, body) for name, body in WRONG_FORMS.items()}

    assert {name: refusal(answer) for name, answer in answers.items()} == dict.fromkeys(
        WRONG_FORMS, (422, "invalid_request")
    )
    assert await remains() == []


WRONG_TYPES = {
    "no boundary": "multipart/form-data",
    "an empty boundary": 'multipart/form-data; boundary=""',
    "another boundary": "multipart/form-data; boundary=other",
    "an endless boundary": f"multipart/form-data; boundary={'b' * 5000}",
}


async def test_a_form_needs_its_boundary(client: Client, remains: Remains) -> None:
    body = CATEGORY + file(CONTENT) + END

    answers = {name: await send(client, body, content_type) for name, content_type in WRONG_TYPES.items()}

    assert {name: refusal(answer) for name, answer in answers.items()} == dict.fromkeys(
        WRONG_TYPES, (422, "invalid_request")
    )
    assert await remains() == []


async def test_a_value_given_in_query_and_form_is_refused(client: Client, remains: Remains) -> None:
    answer = await send(client, CATEGORY + file(CONTENT) + END, query="?category=frames")

    assert refusal(answer) == (422, "invalid_request")
    assert await remains() == []


async def test_what_comes_after_the_end_of_a_form_is_not_part_of_the_file(client: Client) -> None:
    body = gathered([CATEGORY + file(b"short") + END, b"an epilogue", b"of two pieces"])

    answer = await client.request("POST", "/api/v1/files", content=body, headers={"Content-Type": FORM_TYPE})

    assert answer.json()["size_bytes"] == len(b"short")
