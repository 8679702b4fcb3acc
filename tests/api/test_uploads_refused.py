"""Uploads that may not be stored: wrong digests, too large, not accepted, no room; none of them leaves a trace."""

import base64
import hashlib
import shutil
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings, load_settings
from media_analysis.storage.category import Category
from tests.api.answers import problem_in, refusal
from tests.api.conftest import Expire, Remains
from tests.api.forms import END, FORM_TYPE, field, file, in_pieces, raw_headers
from tests.conftest import Client, chunks

CONTENT = b"sixteen bytes .." * 64
URL = "/api/v1/files?category=uploads&filename=a.bin"
PNG = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(64)


def encoded(algorithm: str, content: bytes = CONTENT) -> str:
    return base64.b64encode(hashlib.new(algorithm, content).digest()).decode()


RIGHT_DIGESTS = [
    {"Content-Digest": f"sha-256=:{encoded('sha256')}:"},
    {"Content-Digest": f"sha-512=:{encoded('sha512')}:, sha-256=:{encoded('sha256')}:"},
    {"Content-Digest": f"md5=:{encoded('md5')}:, sha-256=:{encoded('sha256')}:"},
    {"Digest": f"SHA-256={encoded('sha256')}"},
    {"Digest": f"sha-512={encoded('sha512')}", "Content-Digest": f"sha-256=:{encoded('sha256')}:"},
]


async def test_a_file_with_the_announced_digest_is_stored(client: Client) -> None:
    answers = [await client.request("POST", URL, content=CONTENT, headers=headers) for headers in RIGHT_DIGESTS]

    assert [answer.status_code for answer in answers] == [201] * len(RIGHT_DIGESTS)


WRONG = encoded("sha256", b"other bytes")
MISMATCH, MALFORMED = (422, "digest_mismatch"), (422, "invalid_request")
Header = tuple[str, str]


def mismatches(content: bytes) -> dict[str, list[Header]]:
    right, right_long = encoded("sha256", content), encoded("sha512", content)
    return {
        "wrong": [("Content-Digest", f"sha-256=:{WRONG}:")],
        "wrong elder": [("Digest", f"sha-256={WRONG}")],
        "wrong beside right": [("Content-Digest", f"sha-512=:{right_long}:, sha-256=:{WRONG}:")],
        "wrong newer, right elder": [("Content-Digest", f"sha-256=:{WRONG}:"), ("Digest", f"sha-256={right}")],
        "wrong in a second line": [
            ("Content-Digest", f"sha-256=:{right}:"),
            ("Content-Digest", f"sha-512=:{WRONG}:"),
        ],
        "short": [("Content-Digest", "sha-256=:AAAA:")],
    }


def malformed(content: bytes) -> dict[str, list[Header]]:
    return {
        "no colons": [("Content-Digest", f"sha-256={encoded('sha256', content)}")],
        "one colon": [("Content-Digest", "sha-256=:")],
        "not base64": [("Digest", "sha-256=!!!!")],
        "not ASCII": [("Digest", "sha-256=\xe9\xe9\xe9\xe9")],
        "only unknown": [("Digest", f"md5={encoded('md5', content)}")],
        "nothing": [("Content-Digest", "")],
        "nonsense": [("Content-Digest", ",,=,")],
    }


@pytest.mark.parametrize(
    ("announce", "expected"), [(mismatches, MISMATCH), (malformed, MALFORMED)], ids=["mismatch", "malformed"]
)
async def test_a_digest_that_does_not_hold_keeps_nothing(
    client: Client, remains: Remains, announce: Callable[[bytes], dict[str, list[Header]]], expected: tuple[int, str]
) -> None:
    answers = {
        f"{name}, {len(content)} bytes": await client.http.post(
            URL, content=content, headers=raw_headers(client.tokens["alice"], *headers)
        )
        for content in (b"small", CONTENT * 10)
        for name, headers in announce(content).items()
    }

    assert {name: refusal(answer) for name, answer in answers.items()} == dict.fromkeys(answers, expected)
    assert await remains() == []


async def test_the_digest_of_a_form_is_that_of_the_whole_form(client: Client, remains: Remains) -> None:
    body = field("category", "temp") + file(CONTENT) + END
    right, wrong = encoded("sha256", body), encoded("sha256")
    headers = {"Content-Type": FORM_TYPE}

    refused = await client.request(
        "POST", "/api/v1/files", content=body, headers=headers | {"Content-Digest": f"sha-256=:{wrong}:"}
    )
    kept_then = await remains()
    stored = await client.request(
        "POST", "/api/v1/files", content=body, headers=headers | {"Content-Digest": f"sha-256=:{right}:"}
    )

    assert (refusal(refused), kept_then) == (MISMATCH, [])
    assert stored.status_code == 201


class TestLimits:
    """A service that takes 16 KiB per file."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_UPLOAD_MAX_BYTES": "16KiB"}

    async def test_a_file_of_the_largest_size_is_stored(self, client: Client) -> None:
        assert (await client.upload(bytes(16_384)))["size_bytes"] == 16_384

    async def test_a_larger_one_is_refused_with_and_without_a_length(self, client: Client, remains: Remains) -> None:
        large = bytes(16_385)
        form = field("category", "temp") + file(large) + END

        declared = await client.request("POST", URL, content=large)
        streamed = await client.request("POST", URL, content=in_pieces(large, 1000))
        in_a_form = await client.request("POST", "/api/v1/files", content=form, headers={"Content-Type": FORM_TYPE})

        answers = [declared, streamed, in_a_form]
        assert [refusal(answer) for answer in answers] == [(413, "upload_too_large")] * 3
        assert [problem_in(answer)["limit_bytes"] for answer in answers] == [16_384] * 3
        assert await remains() == []

    async def test_an_announced_excess_is_refused_before_it_is_sent(self, client: Client) -> None:
        sent: list[int] = []

        async def body() -> AsyncIterator[bytes]:
            for number in range(1000):
                sent.append(number)
                yield bytes(8192)

        answer = await client.request("POST", URL, content=body(), headers={"Content-Length": "8192000"})

        assert refusal(answer) == (413, "upload_too_large")
        assert len(sent) < 5


class TestAccepted:
    """A service whose uploads are pictures and PDF only."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_ACCEPT_UPLOADS": "image/*,application/pdf"}

    async def test_only_listed_types_are_taken_whatever_was_declared(self, client: Client, remains: Remains) -> None:
        posing = {"Content-Type": "image/png"}

        picture = await client.upload(PNG, filename="a.png")
        paper = await client.upload(b"%PDF-1.7\n", filename="a.pdf")
        elsewhere = await client.upload(CONTENT, category="temp", filename="a.txt")
        refused = await client.request("POST", URL, content=b"\x7fELF" + bytes(99), headers=posing)

        assert [file["media_type"] for file in (picture, paper, elsewhere)] == [
            "image/png",
            "application/pdf",
            "text/plain",
        ]
        assert refusal(refused) == (415, "media_type_not_accepted")
        assert problem_in(refused)["accepted"] == ["image/*", "application/pdf"]
        assert len(await remains()) == 6


class TestReserve:
    """A service whose disk reserve leaves room for about 64 MiB."""

    @pytest.fixture
    def environment(self, environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
        reserve = shutil.disk_usage(tmp_path).free - 64 * 2**20
        unbounded = {"STORAGE_UPLOAD_MAX_BYTES": "1PiB", "STORAGE_QUOTA_UPLOADS": "none"}
        return environment | unbounded | {"STORAGE_MONITORING_RESERVE_BYTES": str(reserve)}

    async def test_an_announced_size_no_such_disk_could_hold_is_refused(self, client: Client, remains: Remains) -> None:
        answer = await client.request("POST", URL, content=in_pieces(CONTENT, 99), headers={"Content-Length": "1" * 15})

        assert refusal(answer) == (507, "disk_reserve_reached")
        assert problem_in(answer)["needed_bytes"] == 111_111_111_111_111
        assert await remains() == []


class TestFullDisk:
    """A service whose disk reserve is larger than its disk."""

    @pytest.fixture
    async def stored(self, settings: Settings, database: str) -> list[MediaFile]:
        """Three files from the time when there was room."""
        async with open_runtime(settings, database) as before:
            upload = Upload(owner="alice", category=Category.UPLOADS, filename="early.bin")
            return [await before.files.uploads.store_file(upload, chunks(CONTENT)) for _ in range(3)]

    @pytest.fixture
    async def runtime(
        self,
        environment: dict[str, str],
        database: str,
        stored: object,  # noqa: ARG002 - must have happened before
    ) -> AsyncIterator[Runtime]:
        full = load_settings(environ=environment | {"STORAGE_MONITORING_RESERVE_BYTES": "1PiB"}).settings
        async with open_runtime(full, database) as opened:
            yield opened

    async def test_uploads_are_refused_while_reads_deletes_and_sweeps_go_on(
        self, client: Client, stored: list[MediaFile], remains: Remains, expire: Expire
    ) -> None:
        read, deleted, expired = (str(file.id) for file in stored)
        await expire({"id": expired})

        refused = await client.request("POST", URL, content=CONTENT)
        content = await client.request("GET", f"/api/v1/files/{read}/content")
        deletion = await client.request("DELETE", f"/api/v1/files/{deleted}")
        sweep = await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")
        readiness = await client.request("GET", "/readyz", by=None)

        assert refusal(refused) == (507, "disk_reserve_reached")
        assert content.content == CONTENT
        assert deletion.status_code == 204
        assert sweep.json()["total_files_removed"] == 1
        assert readiness.status_code == 503
        assert len(await remains()) == 2
