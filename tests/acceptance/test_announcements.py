"""A request that announces ten gibibytes and sends nine thousand bytes, over a real socket."""

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

from tests.acceptance.service import Service, wait_until

TEN_GIB = 10 * 2**30


@contextmanager
def announcing(service: Service, category: str) -> Iterator[socket.socket]:
    """Announce far more than is sent, and hold the connection open."""
    at = urlsplit(service.address)
    with socket.create_connection((str(at.hostname), int(at.port or 0)), timeout=30) as connection:
        head = (
            f"POST /api/v1/files?category={category}&filename=huge HTTP/1.1\r\nHost: {at.netloc}\r\n"
            f"Authorization: Bearer {service.token}\r\nContent-Length: {TEN_GIB}\r\n\r\n"
        )
        connection.sendall(head.encode() + bytes(9_000))
        yield connection


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Ten gibibytes and the file beside them are a little more than there is room for."""
    return environment | {"STORAGE_QUOTA_UPLOADS": str(TEN_GIB + 1_000_000)}


def upload(service: Service, category: str, size: int) -> dict[str, object]:
    answer = service.curl(
        f"/api/v1/files?category={category}&filename=a.bin", "--data-binary", "x" * size, "-H", "Content-Type: a/b"
    )
    assert answer.status == 201, answer.body
    told: dict[str, object] = json.loads(answer.body)
    return told


def test_an_announcement_moves_nobody_s_file_and_takes_no_room(service: Service) -> None:
    kept = upload(service, "uploads", 100_000)

    with announcing(service, "uploads"), announcing(service, "archives"):
        wait_until(lambda: len(service.objects()) >= 4, "both bodies are being written")
        beside = upload(service, "uploads", 100_000)

        assert [service.curl(f"/api/v1/files/{file['id']}").status for file in (kept, beside)] == [200, 200]
        assert service.curl("/api/v1/deletions").json()["items"] == []
