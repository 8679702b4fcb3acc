"""What the head of a request tells alone: refused before anything is asked for, and nothing of it is stored."""

import asyncio
import re
from uuid import UUID

import pytest

from tests.api.conftest import Remains
from tests.api.forms import FORM_TYPE
from tests.api.raw import PATIENCE, Speaker, sent
from tests.conftest import Client

FILES = "/api/v1/files"
NEW = f"{FILES}?category=temp&filename=a"
ANY = UUID(int=7)
MIB = 2**20
JSON, TEXT = "Content-Type: application/json", "Content-Type: text/plain"
BIG = f"Content-Length: {5 * MIB}"


class TestBounds:
    """A service that takes 4 MiB per file, and 2 MiB of `temp`."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_UPLOAD_MAX_BYTES": "4MiB", "STORAGE_QUOTA_TEMP": "2MiB"}

    async def test_what_the_head_tells_is_answered_before_the_body_is_asked_for(
        self, speaker: Speaker, remains: Remains
    ) -> None:
        refused = {
            ("POST", "/api/v1/nothing", JSON): 404,
            ("PUT", FILES, TEXT): 405,
            ("POST", NEW, "Authorization: Bearer no"): 401,
            ("POST", "/api/v1/sessions", JSON, "Authorization: Bearer no"): 401,
            ("POST", "/api/v1/sessions", JSON): 403,
            ("POST", NEW, BIG): 413,
            ("POST", NEW, f"Content-Length: {3 * MIB}"): 507,
            ("POST", FILES, f"Content-Type: {FORM_TYPE}", f"Content-Length: {6 * MIB}"): 413,
            ("PATCH", f"{FILES}/{ANY}", JSON, BIG): 413,
            ("POST", f"{FILES}/{ANY}/restore", BIG): 413,
            ("POST", NEW, "Content-Encoding: gzip"): 415,
            ("PATCH", f"{FILES}/{ANY}", TEXT): 415,
            ("PATCH", f"/api/v1/jobs/{ANY}", JSON, 'If-Match: "a"'): 412,
            ("POST", NEW, "Expect: 200-ok"): 417,
            ("POST", f"{FILES}?category=films&filename=a"): 422,
            ("POST", f"{NEW}&filename=b"): 422,
            ("POST", NEW, "Idempotency-Key: a b"): 422,
            ("POST", NEW, "Content-Digest: sha-256=abc"): 422,
            ("PATCH", f"{FILES}/{ANY}", JSON, "Digest: nonsense"): 422,
            ("POST", NEW, "Content-Range: bytes 0-4/10"): 422,
        }  # fmt: skip

        for (method, path, *lines), status in refused.items():
            answer = await asked(speaker, method, path, *lines)
            assert answer.startswith(b"HTTP/1.1 %d " % status), (path, lines, answer)
            assert b"\r\nconnection: close\r\n" in answer.lower()
            assert b"application/problem+json" in answer

        assert await remains() == []
        assert (await asked(speaker, "POST", NEW)).startswith(b"HTTP/1.1 100 Continue\r\n\r\n")

    async def test_a_client_of_http_1_0_is_not_told_to_continue(self, speaker: Speaker) -> None:
        head = (
            f"POST {NEW} HTTP/1.0\r\nExpect: 100-continue\r\nContent-Length: 1\r\nAuthorization: Bearer {speaker.token}"
        )

        answer = await read(speaker, head.encode() + b"\r\n\r\nx")

        assert answer.startswith(b"HTTP/1.1 201 ")


async def asked(speaker: Speaker, method: str, path: str, *lines: str) -> bytes:
    """Return what comes after a head that waits to be told to go on."""
    told = "\r\n".join(lines)
    head = [f"{method} {path} HTTP/1.1", "Host: a", *lines]
    head += [] if "Expect" in told else ["Expect: 100-continue"]
    head += [] if "Content-Length" in told else ["Content-Length: 5"]
    head += [] if "Authorization" in told else [f"Authorization: Bearer {speaker.token}"]
    return await read(speaker, "\r\n".join([*head, "", ""]).encode())


async def read(speaker: Speaker, content: bytes) -> bytes:
    async with asyncio.timeout(PATIENCE):
        with sent(speaker.port, content) as connection:
            return await asyncio.get_running_loop().sock_recv(connection, 2**16)


async def test_a_coded_body_is_not_taken_for_what_it_codes(client: Client, speaker: Speaker, remains: Remains) -> None:
    url = f"{FILES}/{(await client.upload())['id']}"
    kept = await remains()

    for coding in ("gzip", "GZIP", "br", "identity, gzip", "x"):
        for method, path, *lines in (("POST", NEW), ("PATCH", url, JSON), ("DELETE", url), ("POST", FILES, FORM)):
            said = await speaker.say(method, path, f"Content-Encoding: {coding}", *lines, body=b'{"filename": "b"}')
            assert (said.status, said.problem["code"]) == (415, "content_coding_not_accepted"), (coding, path)
            assert said.headers["accept-encoding"] == "identity"
    empty = await speaker.say("POST", NEW, "Content-Encoding: gzip", "Content-Length: 0")
    plain = await speaker.say("POST", NEW, "Content-Encoding: identity", body=b"x")

    assert (empty.status, plain.status) == (415, 201)
    assert len(await remains()) == len(kept) + 2


FORM = f"Content-Type: {FORM_TYPE}"
PIECES = (
    *("Content-Range: bytes 0-4/10", "Content-Range: bytes 0-4/5", "Tus-Resumable: 1.0.0", "Upload-Offset: 5"),
    *("Upload-Complete: ?0", "Upload-Incomplete: ?1", "Upload-Concat: partial", "Upload-Defer-Length: 1"),
)


async def test_a_piece_is_not_taken_for_the_whole(client: Client, speaker: Speaker, remains: Remains) -> None:
    result, products = f"/api/v1/jobs/{ANY}/results/k?fence=1", f"/api/v1/jobs/{ANY}/products?fence=1&role=a"

    for piece in PIECES:
        for method, path, *lines in (("POST", NEW), ("POST", FILES, FORM), ("PUT", result, JSON), ("POST", products)):
            said = await speaker.say(method, path, piece, *lines, body=b"piece")
            named = piece.partition(":")[0]
            assert said.refusal == (422, f"{named}: a body is taken whole here, in one request, and not in pieces"), (
                path
            )
    assert await remains() == []
    whole = ("Upload-Complete: ?1", "Upload-Offset: 0", "Upload-Length: 5")
    assert (await speaker.say("POST", NEW, *whole, body=b"whole")).status == 201


LONG_AGO = "Sun, 06 Nov 1994 08:49:37 GMT"
UNMET = ('If-Match: "a"', 'If-Match: "a", W/"b"', "If-Match: x", "If-None-Match: *")
DATE = f"If-Unmodified-Since: {LONG_AGO}"


async def test_no_condition_is_overlooked_where_nothing_has_a_tag(
    client: Client, speaker: Speaker, remains: Remains
) -> None:
    file = (await client.upload())["id"]
    job = await client.request("POST", "/api/v1/jobs", json={"name": "n", "kind": "probe", "source_file_ids": [file]})
    url = f"/api/v1/jobs/{job.json()['id']}"
    document = (await client.request("GET", "/openapi.json")).json()
    changes = {
        (method, path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method not in {"get", "head"}
        and "If-Match" not in {parameter["name"] for parameter in operation.get("parameters", [])}
    }

    for method, path in changes:
        for condition in (*UNMET, DATE):
            there = re.sub(r"\{job_id\}", job.json()["id"], re.sub(r"\{file_id\}", file, path))
            by = client.tokens["admin"]
            said = await speaker.say(
                method.upper(), re.sub(r"\{\w+\}", str(ANY), there), condition, JSON, body=b"{}", by=by
            )
            assert (said.status, said.problem["code"]) == (412, "precondition_failed"), (path, condition)
    read = [await speaker.say("GET", url, condition) for condition in UNMET]
    dated = await speaker.say("GET", url, DATE)
    nobody = await speaker.say("DELETE", url, 'If-Match: "a"', by=None)
    unknown = await speaker.say("DELETE", f"/api/v1/jobs/{ANY}", "If-Match: *")

    assert [answer.status for answer in read] == [412, 412, 412, 200]
    assert (dated.status, nobody.status, unknown.status) == (200, 401, 404)
    assert (await client.request("GET", url)).json()["status"] == "pending"
    assert len(await remains()) == 2
    met = await speaker.say("PATCH", url, JSON, "If-Match: *", DATE, 'If-None-Match: "a"', body=b'{"expires_at": null}')
    assert met.status == 200


async def test_a_description_is_read_only_while_it_is_the_one_meant(client: Client) -> None:
    url = f"{FILES}/{(await client.upload())['id']}"
    tag = (await client.request("GET", url)).headers["etag"]

    statuses = [
        (await client.request(method, url, headers={"If-Match": condition})).status_code
        for method in ("GET", "HEAD")
        for condition in (tag, '"other"', "*")
    ]

    assert statuses == [200, 412, 200] * 2
