"""Memory: a large upload flows through the service and is never held by it (promise 24)."""

from pathlib import Path

import pytest

from tests.acceptance.service import Service

MIB = 2**20
FILES = "/api/v1/files"
RAW = f"{FILES}?category=temp&filename=large.bin"


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A file of 300 MiB."""
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(300 * MIB)
    return path


@pytest.mark.parametrize("way", ["raw", "multipart"])
def test_a_large_upload_and_its_download_need_little_memory(
    service: Service, large: Path, tmp_path: Path, way: str
) -> None:
    arguments = {"raw": [RAW, "-X", "POST", "-T"], "multipart": [FILES, "-F", "category=temp", "-F"]}[way]
    prefix = {"raw": "", "multipart": "file=@"}[way]
    small = tmp_path / "small"
    small.write_bytes(bytes(2 * MIB))
    warm = service.curl(*arguments, f"{prefix}{small}").json()
    service.curl(f"{FILES}/{warm['id']}/content", "-o", "/dev/null")
    before = service.peak_bytes()

    uploaded = service.curl(*arguments, f"{prefix}{large}")
    after_upload = service.peak_bytes()
    service.curl(f"{FILES}/{uploaded.json()['id']}/content", "-o", "/dev/null")
    after_download = service.peak_bytes()

    assert uploaded.status == 201
    assert uploaded.json()["size_bytes"] == 300 * MIB
    assert after_upload - before < 32 * MIB
    assert after_download - before < 32 * MIB
    assert service.curl(f"{FILES}/{uploaded.json()['id']}", "-X", "DELETE").status == 204
