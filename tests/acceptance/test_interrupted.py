"""Uploads that are cut, by the client or by the end of the service."""

import asyncio
import hashlib
import signal
import subprocess
from pathlib import Path

import pytest

from tests.acceptance.service import Service, answer_of, wait_until
from tests.conftest import execute, fetch
from tests.oracle import inspect_everything

UPLOAD = "/api/v1/files?category=uploads&filename=a.bin"


@pytest.fixture
def content(tmp_path: Path) -> Path:
    """A file of 512 KiB."""
    path = tmp_path / "content"
    path.write_bytes(bytes(range(256)) * 2048)
    return path


def pending(database: str) -> list[str]:
    return [
        str(row["id"]) for row in asyncio.run(fetch(database, "SELECT id FROM media_files WHERE state = 'pending'"))
    ]


@pytest.mark.parametrize("way", ["raw", "multipart"])
def test_an_upload_its_client_breaks_off_leaves_nothing(
    service: Service, database: str, content: Path, way: str
) -> None:
    arguments = {
        "raw": [UPLOAD, "--data-binary", f"@{content}"],
        "multipart": ["/api/v1/files", "-F", "category=uploads", "-F", f"file=@{content}"],
    }[way]
    uploading = service.start_curl(*arguments, "--limit-rate", "16k")
    wait_until(lambda: len(pending(database)) == 1, "the upload to begin")
    reading = service.curl(f"/api/v1/files/{pending(database)[0]}/content")
    uploading.kill()
    uploading.communicate()

    def swept() -> bool:
        asyncio.run(execute(database, "UPDATE media_files SET due_at = now() WHERE state = 'pending'"))
        service.curl("/api/v1/storage/cleanup?dry_run=false", "-X", "POST")
        return service.objects() == [".media-analysis"]

    assert reading.status == 409
    wait_until(swept, "the sweep to take what was left")
    assert asyncio.run(fetch(database, "SELECT FROM media_files")) == []
    assert [row["state"] for row in asyncio.run(fetch(database, "SELECT state FROM tombstones"))] == ["pending"]


def test_an_upload_in_flight_ends_well_when_the_service_is_told_to_stop(
    service: Service, database: str, content: Path
) -> None:
    sent = content.read_bytes()
    half = len(sent) // 2
    uploading = service.start_curl(UPLOAD, "-X", "POST", "-T", "-", stdin=subprocess.PIPE)
    assert uploading.stdin is not None
    uploading.stdin.write(sent[:half])
    uploading.stdin.flush()
    wait_until(lambda: len(pending(database)) == 1, "the upload to begin")

    service.process.send_signal(signal.SIGTERM)
    uploading.stdin.write(sent[half:])
    answer = answer_of(uploading)
    exit_code = service.process.wait(60)

    digest = hashlib.sha256(sent).hexdigest()
    acknowledged = {answer.json()["id"]: digest}
    assert (answer.status, answer.json()["sha256"]) == (201, digest)
    assert exit_code == 0
    assert asyncio.run(inspect_everything(database, service.store, acknowledged=acknowledged)) == []
