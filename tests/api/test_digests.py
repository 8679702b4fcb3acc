"""Digests of what is sent, exactly as RFC 9530, RFC 8941 and RFC 3230 spell them: verified, or refused in words."""

import asyncio
import base64
import hashlib
import json

import pytest

from media_analysis.api.digests import parse_dictionary
from media_analysis.errors import InvalidRequest
from tests.api.conftest import Remains
from tests.api.forms import END, FORM_TYPE, field, file
from tests.api.raw import HEAD, PATIENCE, Speaker, refusal, spoken
from tests.conftest import Client

NEW = "/api/v1/files?category=temp&filename=a"
JSON = "Content-Type: application/json"


def encoded(algorithm: str, content: bytes) -> str:
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode()


def right_lines(content: bytes) -> list[list[str]]:
    short, long = encoded("sha256", content), encoded("sha512", content)
    return [
        [f"Content-Digest: sha-256=:{short}:"],
        [f"Repr-Digest: sha-256=:{short}:"],
        [f"Content-Digest: \t sha-256=:{short}: \t,\t sha-512=:{long}:  "],
        [f"Content-Digest: sha-256=:{short}:", f"content-digest: sha-512=:{long}:"],
        [f'Content-Digest: sha-256=:{short}:;a=1; b="x, y";c, md5=:AAAA:, unixsum=7, other'],
        [f"Content-Digest: sha-256=:{short}:, sha-256=:{short}:"],
        [f"Content-Digest: sha-256=:{short.rstrip('=')}:"],
        [f"Content-Digest: sha-512=:{long}:", f"Repr-Digest: sha-256=:{short}:", f"Digest: SHA-256={short}"],
        [f"Content-MD5: {encoded('md5', content)}"],
        [f"Digest: sHa-256={short},unixsum=30637, SHA-512={long}"],
    ]  # fmt: skip


def wrong_lines(content: bytes) -> list[list[str]]:
    right, wrong = encoded("sha256", content), encoded("sha256", b"other")
    return [
        [f"Content-Digest: sha-256=:{wrong}:"],
        [f"Repr-Digest: sha-256=:{wrong}:"],
        [f"Digest: SHA-256={wrong}"],
        [f"Content-Digest: sha-256=:{right}:", f"Repr-Digest: sha-256=:{wrong}:"],
        [f"Content-Digest: sha-256=:{right}:, sha-512=:{wrong}:"],
        ["Content-Digest: sha-256=::"],
        [f"Content-MD5: {encoded('md5', b'other')}"],
    ]


def unreadable_lines(content: bytes) -> list[list[str]]:
    right, wrong = encoded("sha256", content), encoded("sha256", b"other")
    return [
        [f"Content-Digest: SHA-256=:{right}:"],
        [f"Content-Digest: sha-256={right}"],
        [f"Content-Digest: sha-256 =:{right}:"],
        [f"Content-Digest: sha-256=:{right}:,"],
        [f"Content-Digest: ,sha-256=:{right}:"],
        [f"Content-Digest: sha-256=:{right}: sha-512=:{right}:"],
        [f"Content-Digest: sha-256=:{right}:; A=1"],
        [f"Content-Digest: sha-256=:{wrong}:, sha-256=:{right}:"],
        [f"Content-Digest: sha-256=:{right}:", f"Content-Digest: sha-256=:{wrong}:"],
        ["Content-Digest: sha-256=?1"],
        ["Content-Digest: sha-256"],
        [f"Content-Digest: md5=:{encoded('md5', content)}:"],
        ["Repr-Digest: "],
        [f"Repr-Digest: sha-256=:{right}:", "Content-Digest: x=1"],
        [f"Digest: SHA-256=:{right}:"],
        [f"Digest: SHA-256 {right}"],
        [f"Digest: SHA-256={right}, SHA-256={wrong}"],
        ["Content-MD5: ?"],
        ["Trailer: Content-Digest"],
        ["Trailer: X, repr-digest"],
    ]


FORM = field("category", "temp") + file(b"some bytes") + END
RIGHT, WRONG, UNREADABLE = 201, (422, "digest_mismatch"), (422, "invalid_request")


@pytest.mark.parametrize(
    ("path", "line", "content"),
    [(NEW, "X: y", b"some bytes"), (NEW, "X: y", b""), ("/api/v1/files", f"Content-Type: {FORM_TYPE}", FORM)],
    ids=["raw", "empty", "form"],
)
async def test_an_upload_has_every_digest_that_was_announced(
    speaker: Speaker, remains: Remains, path: str, line: str, content: bytes
) -> None:
    for lines in wrong_lines(content):
        said = await speaker.say("POST", path, line, *lines, body=content)
        assert (said.status, said.problem["code"]) == WRONG, lines
    for lines in unreadable_lines(content):
        said = await speaker.say("POST", path, line, *lines, body=content)
        assert (said.status, said.problem["code"]) == UNREADABLE, lines
    assert await remains() == []

    for lines in right_lines(content):
        assert (await speaker.say("POST", path, line, *lines, body=content)).status == RIGHT, lines


async def test_a_document_has_every_digest_that_was_announced(client: Client, speaker: Speaker) -> None:
    url = f"/api/v1/files/{(await client.upload())['id']}"
    body = json.dumps({"filename": "changed"}).encode()

    for lines in (*wrong_lines(body), *unreadable_lines(body)):
        assert (await speaker.say("PATCH", url, JSON, *lines, body=body)).status == 422, lines
    emptied = await speaker.say("DELETE", url, f"Content-Digest: sha-256=:{encoded('sha256', b'x')}:")
    unchanged = (await client.request("GET", url)).json()["filename"]
    for lines in right_lines(body):
        assert (await speaker.say("PATCH", url, JSON, *lines, body=body)).status == 200, lines

    assert (emptied.problem["code"], unchanged) == ("digest_mismatch", "file.bin")
    assert (await speaker.say("DELETE", url, f"Digest: SHA-256={encoded('sha256', b'')}")).status == 204


@pytest.mark.parametrize("name", ["Content-Digest", "repr-digest", "DIGEST"])
async def test_a_digest_behind_the_body_is_refused(patient: int, name: str) -> None:
    chunked = HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n"

    answer = await spoken(patient, chunked + f"{name}: sha-256=:AAAA:\r\n\r\n".encode())

    assert refusal(answer) == (400, "digest_in_trailer")


async def test_an_upload_with_a_digest_behind_it_keeps_nothing(speaker: Speaker, remains: Remains) -> None:
    body = b"5\r\nhello\r\n0\r\nContent-Digest: sha-256=:AAAA:\r\n\r\n"

    said = await speaker.say("POST", NEW, "Transfer-Encoding: chunked", body=body)

    assert (said.status, said.problem["code"]) == (400, "digest_in_trailer")
    async with asyncio.timeout(PATIENCE):
        while await remains():
            pass


@pytest.mark.parametrize(
    ("lines", "members"),
    [
        ([], []),
        ([""], []),
        (["a=1, b"], [("a", "1"), ("b", "?1")]),
        (["a=:AA==:;x;y=2", 'b="q\\""'], [("a", ":AA==:"), ("b", '"q\\""')]),
        (["c=tok/en, *d.e-f_g=-1.5"], [("c", "tok/en"), ("*d.e-f_g", "-1.5")]),
        (["a=1,\t a=2"], [("a", "1"), ("a", "2")]),
    ],
)  # fmt: skip
def test_a_dictionary_is_read_member_by_member(lines: list[str], members: list[tuple[str, str]]) -> None:
    assert parse_dictionary("field", lines) == members


@pytest.mark.parametrize("text", ["A=1", "a=", "a=1,", ",a=1", "a=1 b=2", "a=:x", "a=(1 2)", "a;B", "a = 1", "é=1"])
def test_what_is_no_dictionary_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="field"):
        parse_dictionary("field", [text])
