"""Heads of requests: what is long, says two things, or names no host is refused in words."""

import asyncio
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import pytest

from media_analysis.api.connections import DEFAULT_LIMITS
from tests.api.raw import BODIES, HEAD, LAST, PATIENCE, refusal, rest, sent, spoken


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"GET / HTTP/1.1\r\n", (400, "invalid_host")),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", (400, "invalid_host")),
        (b"GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n", (400, "invalid_host")),
        (b"GET / HTTP/1.1\r\nHost: a b\r\n", (400, "invalid_host")),
        (b"GET / HTTP/1.1\r\nHost: a/b@c\r\n", (400, "invalid_host")),
        (HEAD + b"Transfer-Encoding: gzip, chunked\r\n", (501, "unknown_transfer_coding")),
        (HEAD + b"Transfer-Encoding: chunked, chunked\r\n", (400, None)),
        (HEAD + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n", (400, None)),
        (HEAD + b"Upgrade: x\r\nConnection: upgrade\r\nTransfer-Encoding: gzip, chunked\r\n", (501, None)),
        (HEAD + b"Transfer-Encoding: gzip\r\n", (501, "unknown_transfer_coding")),
        (HEAD + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", (400, None)),
        (HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", (400, None)),
        (HEAD + b"Content-Length: 5\r\nContent-Length: 5\r\n", (400, None)),
        (HEAD + b"Content-Length: -5\r\n", (400, None)),
        (HEAD.replace(b"1.1", b"1.0") + b"Transfer-Encoding: chunked\r\n", (400, "ambiguous_length")),
        (HEAD + b"no colon\r\n", (400, "malformed_request")),
        (HEAD + b"Folded: a\r\n b\r\n", (400, "malformed_request")),
        (b"PRI * HTTP/2.0\r\n", (400, "malformed_request")),
        (b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n", (400, "malformed_request")),
        (b"GET http://a HTTP/1.1\r\nHost: a\r\n", (400, "malformed_request")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400, "malformed_request")),
    ],
)
async def test_a_head_that_says_two_things_or_none_is_refused(
    patient: int, head: bytes, expected: tuple[int, str | None]
) -> None:
    status, code = refusal(await spoken(patient, head + b"\r\n5\r\nhello\r\n0\r\n\r\n"))

    assert (status, code if expected[1] else None) == expected


async def test_a_client_of_http_1_0_needs_no_host(patient: int) -> None:
    answer = await spoken(patient, b"GET /old HTTP/1.0\r\n\r\n")

    assert answer.endswith(b'["/old", 0, false, []]')


def head_of(size_bytes: int) -> bytes:
    return HEAD + b"X: " + b"x" * (size_bytes - len(HEAD) - 7) + b"\r\n\r\n"


@pytest.mark.parametrize("before", [b"", HEAD + BODIES[0]], ids=["first", "second"])
async def test_a_head_has_room_and_no_more(patient: int, before: bytes) -> None:
    limit = DEFAULT_LIMITS.head_bytes
    endless = (b"GET /" + b"x" * 2 * limit, HEAD + b"X: " + b"x" * 2 * limit, HEAD + b"X: y\r\n" * limit)

    fitting = await spoken(patient, before + head_of(limit - 100) + LAST)
    answers = [await spoken(patient, before + head) for head in (head_of(limit + 100), *endless)]

    assert fitting.count(b"HTTP/1.1 200 OK") == (3 if before else 2)
    if not before:
        assert [refusal(answer)[0] for answer in answers] == [431, 414, 431, 431]
    assert [answer.count(b"HTTP/1.1 200 OK") for answer in answers] == [1 if before else 0] * len(answers)


async def test_a_head_that_begins_behind_another_request_has_no_more_room(patient: int) -> None:
    limit = DEFAULT_LIMITS.head_bytes
    head = head_of(limit + 100)
    reader, writer = await asyncio.open_connection("127.0.0.1", patient)

    writer.write(HEAD + BODIES[0] + head[: limit // 2])
    first = await asyncio.wait_for(reader.readuntil(b"]]"), PATIENCE)
    writer.write(head[limit // 2 :] + LAST)
    second = await asyncio.wait_for(reader.read(), PATIENCE)
    writer.close()

    assert first.startswith(b"HTTP/1.1 200 OK")
    assert refusal(second)[0] == 431


async def test_whoever_is_refused_is_told_when(patient: int) -> None:
    for head in (b"GET / HTTP/1.1\r\n\r\n", b"nonsense\r\n\r\n"):
        answer = await rest(sent(patient, head))
        lines = dict(line.split(b": ", 1) for line in answer.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:])

        assert abs(parsedate_to_datetime(lines[b"date"].decode()) - datetime.now(UTC)) < timedelta(minutes=5)
