"""Uploads as streaming multipart/form-data."""

import hashlib
from datetime import datetime, timedelta
from uuid import UUID

import httpx
import pytest

from tests.api.answers import refusal
from tests.api.conftest import Remains
from tests.api.forms import BOUNDARY, END, FORM_TYPE, field, file, gathered, in_pieces
from tests.conftest import Client, fetch

CONTENT = bytes(range(256)) * 64
CATEGORY = field("category", "frames")


async def send(client: Client, body: bytes, content_type: str = FORM_TYPE, query: str = "") -> httpx.Response:
    return await client.request("POST", f"/api/v1/files{query}", content=body, headers={"Content-Type": content_type})


async def send_in_two(client: Client, body: bytes) -> httpx.Response:
    middle = len(body) // 2
    pieces = gathered([body[:middle], body[middle:]])
    return await client.request("POST", "/api/v1/files", content=pieces, headers={"Content-Type": FORM_TYPE})


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


def headed(content: bytes, *headers: str, name: str = "file") -> bytes:
    """Return a part with further headers."""
    lines = [f"--{BOUNDARY}", f'Content-Disposition: form-data; name="{name}"; filename="a.bin"', *headers, "", ""]
    return "\r\n".join(lines).encode() + content + b"\r\n"


LATE = file(CONTENT) + CATEGORY
WRONG_FORMS = {
    "no file": CATEGORY + END,
    "no category": file(CONTENT) + END,
    "the category after the file as well": CATEGORY + LATE + END,
    "the category after the file": LATE + END,
    "a job after the file": CATEGORY + file(CONTENT) + field("job_id", str(UUID(int=7))) + END,
    "an unknown field after the file": CATEGORY + file(CONTENT) + field("colour", "red") + END,
    "an unknown parent after the file": CATEGORY.replace(b"frames", b"temp")
    + file(CONTENT)
    + field("parent_id", str(UUID(int=7)))
    + END,
    "a parent after the frame it places": CATEGORY + file(CONTENT) + field("parent_id", str(UUID(int=7))) + END,
    "a field before and after the file": CATEGORY
    + field("ttl_seconds", "5")
    + file(CONTENT)
    + field("ttl_seconds", "")
    + END,
    "two ends, one late": CATEGORY + field("ttl_seconds", "5") + file(CONTENT) + field("expires_at", "never") + END,
    "nonsense after the file": CATEGORY + file(CONTENT) + field("ttl_seconds", "soon") + END,
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
    "no file was chosen": CATEGORY + field("filename", "a") + file(b"", filename="") + END,
    "a name that is not UTF-8": CATEGORY + file(CONTENT, filename=b"\xe9.bin") + END,
    "a field name that is not UTF-8": CATEGORY + field("x", "").replace(b'"x"', b'"\xe9"') + file(CONTENT) + END,
    "another charset": field("_charset_", "shift_jis") + CATEGORY + file(CONTENT) + END,
    "base64": CATEGORY + headed(b"QUJD", "Content-Transfer-Encoding: base64") + END,
    "quoted-printable": CATEGORY + headed(b"=41", "Content-Transfer-Encoding: Quoted-Printable") + END,
    "a field in base64": headed(b"dGVtcA==", "Content-Transfer-Encoding: base64", name="category") + file(b"") + END,
    "gzip": CATEGORY + headed(b"\x1f\x8b", "Content-Encoding: gzip") + END,
    "parts in a part": CATEGORY + headed(b"--x\r\n", "Content-Type: multipart/mixed; boundary=x") + END,
    "a header twice": CATEGORY + headed(CONTENT, 'Content-Disposition: form-data; name="file"') + END,
    "an attachment": CATEGORY + file(CONTENT).replace(b"form-data", b"attachment") + END,
    "an endless preamble": b"x" * 10_000 + b"\r\n" + CATEGORY + file(CONTENT) + END,
    "an endless epilogue": CATEGORY + file(CONTENT) + END + b"x" * 80_000,
    "line feeds alone": (CATEGORY + file(b"") + END).replace(b"\r\n", b"\n"),
    "no form at all": CONTENT,
    "nothing": b"",
}


async def test_a_malformed_form_is_refused_and_nothing_is_kept(client: Client, remains: Remains) -> None:
    answers = {name: await send_in_two(client, body) for name, body in WRONG_FORMS.items()}

    assert {name: refusal(answer) for name, answer in answers.items()} == dict.fromkeys(
        WRONG_FORMS, (422, "invalid_request")
    )
    assert await remains() == []


CUT_FORMS = {
    "in a field": CATEGORY[:-20],
    "before the file": CATEGORY,
    "in the file": CATEGORY + file(CONTENT)[:-5000],
    "before the end": CATEGORY + file(CONTENT),
    "in the last boundary": CATEGORY + file(CONTENT) + END[:-6],
    "after the last boundary": CATEGORY + file(CONTENT) + END[:-4],
    "in the last dashes": CATEGORY + file(CONTENT) + END[:-3],
    "in a late field": CATEGORY + file(CONTENT) + field("filename", "late")[:-3],
    "after a late field": CATEGORY + file(CONTENT) + field("filename", "late"),
}


async def test_a_form_that_is_cut_is_incomplete_and_nothing_is_kept(client: Client, remains: Remains) -> None:
    answers = {name: await send(client, body) for name, body in CUT_FORMS.items()}

    assert {name: refusal(answer) for name, answer in answers.items()} == dict.fromkeys(
        CUT_FORMS, (422, "incomplete_upload")
    )
    assert await remains() == []


async def test_what_changes_no_place_may_follow_the_file(client: Client, database: str) -> None:
    parent = await client.upload()
    late = field("filename", "late.bin") + field("ttl_seconds", "60") + field("parent_id", parent["id"])
    temp = field("category", "temp")

    unnamed = (await send(client, temp + file(CONTENT, filename=None) + late + END)).json()
    renamed = (
        await send(client, temp + file(CONTENT, filename="early.bin") + field("filename", "late.bin") + END)
    ).json()

    stored = [(await client.request("GET", f"/api/v1/files/{file['id']}")).json() for file in (unnamed, renamed)]
    assert stored == [unnamed, renamed]
    assert [file["filename"] for file in stored] == ["late.bin"] * 2
    assert [file["parent_id"] for file in stored] == [parent["id"], None]
    lifetime = datetime.fromisoformat(unnamed["expires_at"]) - datetime.fromisoformat(unnamed["created_at"])
    assert lifetime < timedelta(seconds=120)
    assert [row["filename"] for row in await fetch(database, "SELECT filename FROM media_files ORDER BY id")][1:] == [
        "late.bin",
        "late.bin",
    ]


async def test_a_known_parent_after_its_frame_is_refused_however_the_form_arrives(
    client: Client, remains: Remains
) -> None:
    parent = await client.upload()
    body = CATEGORY + file(CONTENT) + field("parent_id", parent["id"]) + END
    kept = await remains()

    answers = [await send(client, body), await send_in_two(client, body)]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * 2
    assert await remains() == kept


async def test_with_an_idempotency_key_all_fields_come_before_the_file(client: Client, remains: Remains) -> None:
    headers = {"Content-Type": FORM_TYPE, "Idempotency-Key": "take-1"}
    bodies = [
        CATEGORY + file(CONTENT) + field("ttl_seconds", "60") + END,
        CATEGORY + file(CONTENT, filename=None) + field("filename", "late.bin") + END,
        CATEGORY + file(CONTENT, filename=None) + END,
    ]

    answers = [await client.request("POST", "/api/v1/files", content=body, headers=headers) for body in bodies]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(bodies)
    assert await remains() == []


async def test_inputs_that_were_left_empty_count_as_absent(client: Client) -> None:
    names = ("filename", "ttl_seconds", "expires_at", "job_id", "parent_id")
    empty = b"".join(field(name, "") for name in names)

    answers = [
        await send(client, CATEGORY + empty + file(CONTENT, filename="a.bin") + END),
        await send(client, CATEGORY + file(CONTENT, filename="a.bin") + field("ttl_seconds", "") + END),
        await send(client, field("ttl_seconds", "") + file(CONTENT, filename="a.bin") + END, query="?category=temp"),
    ]

    assert [(answer.status_code, answer.json()["filename"]) for answer in answers] == [(201, "a.bin")] * 3


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


AROUND = {
    "a preamble": (b"This is a multi-part message - in MIME format.\r\n", b""),
    "an empty line": (b"\r\n", b""),
    "almost a boundary": (f"--{BOUNDARY}x\r\n -{BOUNDARY}\r\nx--{BOUNDARY}\r\n".encode(), b""),
    "an epilogue": (b"", b"an epilogue\r\n" + CATEGORY + END),
    "both": (b"\r\n\r\n--", b"\r\n--"),
}


@pytest.mark.parametrize("size", [1, 7, 100_000])
async def test_what_comes_before_and_after_a_form_is_no_part_of_it(client: Client, size: int) -> None:
    spaced = (CATEGORY + file(b"short") + END).replace(f"{BOUNDARY}\r\n".encode(), f"{BOUNDARY} \t\r\n".encode())

    answers = {
        name: await client.request(
            "POST",
            "/api/v1/files",
            content=in_pieces(before + (b"\r\n" if name == "both" else b"") + spaced + after, size),
            headers={"Content-Type": FORM_TYPE},
        )
        for name, (before, after) in AROUND.items()
    }

    sizes = {name: answer.json().get("size_bytes", answer.text) for name, answer in answers.items()}
    assert sizes == dict.fromkeys(AROUND, len(b"short"))
