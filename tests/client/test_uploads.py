"""Uploads over lines that break: all of it arrives, once."""

import asyncio
import hashlib
import os
import random
from collections import Counter
from pathlib import Path

import pytest

from media_analysis.client import (
    AsyncClient,
    Client,
    MemoryFile,
    NotFound,
    QuotaExceeded,
    SourceChanged,
    Unreachable,
    uploading,
)
from tests.client.line import line_to
from tests.client.server import Served

LARGE = random.Random(19).randbytes(6_000_000)


@pytest.fixture
def small_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the server say every 512 KiB what it has: of more than that nobody knows when it breaks off."""
    monkeypatch.setattr(uploading, "PIECE_BYTES", 2**19)


class Stopped(Exception):
    """What ends a program in the middle of an upload."""


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def small_files(folder: Path, count: int) -> list[Path]:
    folder.mkdir()
    return [write(folder / f"{number:05}.txt", b"file %d\n" % number * 20) for number in range(count)]


async def upload_all(url: str, token: str, paths: list[Path], tasks: int = 4) -> None:
    queue = iter(paths)
    async with AsyncClient(url, token) as client:

        async def take() -> None:
            for path in queue:
                await client.upload(path, category="temp")

        async with asyncio.TaskGroup() as group:
            for _ in range(tasks):
                group.create_task(take())


def require_each_once(client: Client, paths: list[Path]) -> None:
    stored = Counter((file.filename, file.sha256) for file in client.files())
    assert stored == Counter((path.name, hashlib.sha256(path.read_bytes()).hexdigest()) for path in paths)


@pytest.mark.parametrize(
    "count", [200, pytest.param(10_000, marks=pytest.mark.large)], ids=lambda count: f"{count} files"
)
def test_small_files_over_a_line_that_is_cut_twice_are_there_once_each(
    server: Served, alice: Client, tmp_path: Path, count: int
) -> None:
    paths = small_files(tmp_path / "files", count)

    # An answer is about 800 bytes: what is cut there was stored, and nobody was told.
    with line_to(server.url, down_cuts=[270 * count, 540 * count]) as line:
        asyncio.run(upload_all(line.url, server.token, paths))

    assert line.cuts == 2
    require_each_once(alice, paths)


@pytest.mark.usefixtures("small_pieces")
def test_a_large_file_goes_on_where_the_line_broke(server: Served, alice: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "large.bin", LARGE)

    with line_to(server.url, up_cuts=[2_000_000, 5_000_000]) as line, server.client(url=line.url) as client:
        heard: list[int] = []
        file = client.upload(path, told=heard.append)

    assert line.cuts == 2
    assert (file.size_bytes, file.sha256) == (len(LARGE), hashlib.sha256(LARGE).hexdigest())
    assert line.up_bytes < len(LARGE) + 2_000_000, "what had arrived is not sent again"
    assert (heard[0], heard[-1]) == (0, len(LARGE))
    require_each_once(alice, [path])


@pytest.mark.usefixtures("small_pieces")
def test_an_upload_goes_on_after_its_program_has_ended(server: Served, alice: Client, tmp_path: Path) -> None:
    path, memory = write(tmp_path / "large.bin", LARGE), MemoryFile(tmp_path / "goes-on")

    def stop(done_bytes: int) -> None:
        if done_bytes > len(LARGE) // 2:
            raise Stopped

    with pytest.raises(Stopped):
        alice.upload(path, memory=memory, told=stop)
    with line_to(server.url) as line, server.client(url=line.url) as client:
        file = client.upload(path, memory=memory)

    assert file.sha256 == hashlib.sha256(LARGE).hexdigest()
    assert line.up_bytes < len(LARGE), "what had arrived is not sent again"
    assert memory.recall() is None
    require_each_once(alice, [path])


def test_an_upload_that_the_server_forgot_begins_again(alice: Client, tmp_path: Path) -> None:
    path, memory = write(tmp_path / "large.bin", LARGE), MemoryFile(tmp_path / "goes-on")
    memory.note("00000000-0000-7000-8000-000000000000")

    file = alice.upload(path, memory=memory)

    assert file.sha256 == hashlib.sha256(LARGE).hexdigest()


def test_a_file_that_changes_meanwhile_leaves_nothing_on_the_server(alice: Client, tmp_path: Path) -> None:
    path = write(tmp_path / "large.bin", LARGE)

    def change(done_bytes: int) -> None:
        if done_bytes == 0:
            os.utime(path, ns=(0, 0))

    with pytest.raises(SourceChanged, match="changed while it was uploaded"):
        alice.upload(path, told=change)

    assert list(alice.files()) == []
    assert alice.request("GET", "/uploads")["items"] == []


def test_what_is_no_plain_file_is_not_waited_for(alice: Client, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(SourceChanged, match="is no regular file"):
        alice.upload(tmp_path / "pipe")


def test_an_empty_file_and_bytes_at_hand_are_files(alice: Client, tmp_path: Path) -> None:
    empty = alice.upload(write(tmp_path / "empty", b""), category="temp")
    named = alice.upload(LARGE, filename="in memory", labels={"event": "evt42"})

    assert (empty.size_bytes, named.size_bytes) == (0, len(LARGE))
    assert [file.id for file in alice.files(labels={"event": "evt42"})] == [named.id]
    assert [file.id for file in alice.files(labels=["!event"])] == [empty.id]


def test_a_limited_session_uploads_large_files_in_one_request(server: Served, tmp_path: Path) -> None:
    token = server.make_token(scopes=["files:read", "files:write"], labels=["camera"])

    with Client(server.url, token) as client:
        file = client.upload(write(tmp_path / "large.bin", LARGE), labels={"camera": "north"})

    assert file.sha256 == hashlib.sha256(LARGE).hexdigest()


def test_a_full_quota_is_told_and_not_tried_again(server: Served, tmp_path: Path) -> None:
    with server.client(patience_seconds=600) as client, pytest.raises(QuotaExceeded) as refused:
        client.upload(write(tmp_path / "large.bin", LARGE), category="outputs")

    assert refused.value.code in {"quota_reached", "owner_quota_reached"}
    assert refused.value.status == 507


def test_what_may_not_be_asked_twice_is_asked_once(server: Served, alice: Client) -> None:
    file = alice.upload(b"some bytes", filename="a.txt")

    with line_to(server.url, down_cuts=[1]) as line, server.client(url=line.url) as client:
        with pytest.raises(Unreachable):
            client.create_job("probe", source_file_ids=[file.id])
        cuts = line.cuts

    assert cuts == 1
    assert len(list(alice.jobs())) == 1, "the answer was lost, and the job was made once"


def test_a_deletion_whose_answer_was_lost_is_done(server: Served, alice: Client) -> None:
    file = alice.upload(b"some bytes", filename="a.txt")

    with line_to(server.url, down_cuts=[1]) as line, server.client(url=line.url) as client:
        assert client.delete_file(file.id) is None

    assert line.cuts == 1
    with pytest.raises(NotFound):
        alice.file("00000000-0000-7000-8000-000000000000")
