"""`serve --processes 2`: one service at one address, whichever of its processes answers, and whichever dies."""

import asyncio
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from media_analysis.app import bind, bind_beside
from media_analysis.cli import serve_processes
from media_analysis.cli.serve_process import ServingOrder
from media_analysis.cli.serve_processes import ServingProcesses, share_of
from media_analysis.errors import Misconfigured
from media_analysis.settings import load_settings
from media_analysis.telemetry.shared import SharedMetrics
from tests.cli.commands import READY_SECONDS, Serving, home_of_a_service, serving
from tests.cli.conftest import FirstLife, postgres_runs

CLIENTS = 24
"""So many that chance leaves no process of two without one."""


@pytest.fixture
def service(first_life: FirstLife, tmp_path: Path) -> Iterator[tuple[Serving, Path]]:
    with (
        home_of_a_service(first_life.data_dir) as data_dir,
        serving(
            *("--processes", "2", "--data-dir", data_dir), printed=tmp_path / "printed", TMPDIR=str(tmp_path)
        ) as service,
    ):
        service.url()
        yield service, data_dir


@pytest.mark.crash
def test_both_answer_one_that_is_killed_is_followed_by_another_and_all_end_with_the_first(
    first_life: FirstLife, service: tuple[Serving, Path]
) -> None:
    served, data_dir = service
    first, second = answering(served)
    idle = {pid: sockets_of(pid) for pid in (first, second)}

    with clients(first_life.token) as several:
        places = [store(client, served.url()) for client in several]
        read = [client.get(place).content for client, place in zip(several, reversed(places), strict=True)]

        assert read == [b"content"] * CLIENTS
        assert all(sockets_of(pid) > count for pid, count in idle.items())
    # Each has written down what it counted when all that are asked, by turns of chance, know of everything.
    wait_until(lambda: all(counted(served, "POST") == CLIENTS for _ in range(8)))

    os.kill(first, signal.SIGKILL)
    served.wait_for("ended unexpectedly, with -9; starting another")
    with clients(first_life.token) as several:
        again = [store(client, served.url()) for client in several]

    assert len({*places, *again}) == 2 * CLIENTS
    assert len(answering(served)) == 2
    assert first not in answering(served)
    assert second in answering(served)
    wait_until(lambda: counted(served, "POST") == 2 * CLIENTS)

    under_way, rest = begin_upload(served, first_life.token)
    served.process.send_signal(signal.SIGTERM)
    wait_until(lambda: refuses(served.url()))
    under_way.sendall(rest)
    answer = under_way.recv(1000)
    under_way.close()
    exit_code = served.process.wait(READY_SECONDS)

    assert answer.startswith(b"HTTP/1.1 201")
    assert exit_code == 0
    assert not answering(served)
    assert not postgres_runs(data_dir)
    assert "Traceback" not in served.output


@pytest.mark.crash
def test_they_end_when_the_first_is_killed_and_leave_nothing_of_what_they_shared(
    service: tuple[Serving, Path], tmp_path: Path
) -> None:
    served, _ = service
    others, shared = answering(served), list(tmp_path.glob("media-analysis-*"))

    served.end(signal.SIGKILL)

    wait_until(lambda: not any(map(lives, others)))
    assert len(shared) == 1
    assert not shared[0].exists()


async def test_all_ends_with_an_error_where_a_process_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve_processes, "PROGRAM", "import sys; sys.exit(3)")
    with bind("127.0.0.1", 0) as listening:
        processes = ServingProcesses(order(tmp_path), [listening], SharedMetrics(tmp_path))

        with pytest.raises(Misconfigured, match="ended with 3"):
            await processes.run(lambda: None)


async def test_one_that_never_lasts_is_started_again_only_so_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers_and_dies = "import socket, sys; socket.socket(fileno=int(sys.argv[2])).send(b'ready'); sys.exit(4)"
    monkeypatch.setattr(serve_processes, "PROGRAM", answers_and_dies)
    monkeypatch.setattr(serve_processes, "RESTARTS", 1)
    told: list[str] = []
    with bind("127.0.0.1", 0) as listening:
        processes = ServingProcesses(order(tmp_path), [listening], SharedMetrics(tmp_path))

        with pytest.raises(Misconfigured, match="ended with 4"):
            await processes.run(lambda: told.append("ready"))

    assert told == ["ready"]


async def test_one_that_is_being_started_hears_that_all_is_to_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hears = "import socket, sys; socket.socket(fileno=int(sys.argv[2])).recv(9)"
    monkeypatch.setattr(serve_processes, "PROGRAM", hears)
    start = asyncio.create_subprocess_exec

    async def start_too_late(*command: str, **options: Any) -> asyncio.subprocess.Process:
        process = await start(*command, **options)
        processes.drain()
        return process

    monkeypatch.setattr(asyncio, "create_subprocess_exec", start_too_late)
    with bind("127.0.0.1", 0) as listening:
        processes = ServingProcesses(order(tmp_path), [listening], SharedMetrics(tmp_path))

        async with asyncio.timeout(READY_SECONDS):
            await processes.run(lambda: None)
            await processes.run(lambda: None)  # starts none


def test_an_address_that_several_share_is_taken_for_everybody_else() -> None:
    with bind("127.0.0.1", 0) as first:
        beside = bind_beside(first, 2)
        for one in (first, *beside):
            one.listen()

        assert {one.getsockname() for one in beside} == {first.getsockname()}
        with pytest.raises(Misconfigured, match="cannot listen"):
            bind(*first.getsockname())

        for one in beside:
            one.close()


def test_what_is_granted_is_divided_among_them() -> None:
    chosen = {"SERVER_MAX_UPLOADS_PER_OWNER": "5", "SERVER_MAX_CONNECTIONS": "10", "DATABASE_POOL_MAX": "6"}
    settings = load_settings({}, environ={**chosen, "DATABASE_POOL_MIN": "1"}).settings

    share = share_of(settings, 2)

    assert (share.server.max_uploads_per_owner, share.server.max_connections) == (3, 5)
    assert (share.database.pool_min, share.database.pool_max) == (1, 3)
    assert share.server.host == settings.server.host


def order(folder: Path) -> ServingOrder:
    return ServingOrder(load_settings({}, environ={}).settings, folder, 1, 5)


@contextmanager
def clients(token: str) -> Iterator[list[httpx.Client]]:
    """Yield clients that each keep a connection of their own."""
    with ExitStack() as opened:
        made = (httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) for _ in range(CLIENTS))
        yield [opened.enter_context(client) for client in made]


def store(client: httpx.Client, url: str) -> str:
    answer = client.post(f"{url}/api/v1/files?category=temp&filename=a", content=b"content").raise_for_status()
    return f"{url}{answer.headers['location']}/content"


def counted(service: Serving, method: str) -> float:
    told = httpx.get(f"{service.url()}/metrics", timeout=READY_SECONDS).text
    counts = re.findall(rf'^http_request_seconds_count{{method="{method}".*}} (\S+)$', told, re.MULTILINE)
    return sum(map(float, counts))


def begin_upload(service: Serving, token: str) -> tuple[socket.socket, bytes]:
    """Send the head of an upload and half of its body; return the connection and the other half."""
    url, half = httpx.URL(service.url()), bytes(50_000)
    head = f"POST /api/v1/files?category=temp&filename=a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n"
    connection = socket.create_connection((url.host, url.port or 0), timeout=READY_SECONDS)
    connection.sendall(f"{head}Expect: 100-continue\r\nContent-Length: {2 * len(half)}\r\n\r\n".encode())
    assert connection.recv(1000).startswith(b"HTTP/1.1 100")
    connection.sendall(half)
    return connection, half


def refuses(url: str) -> bool:
    try:
        socket.create_connection((httpx.URL(url).host, httpx.URL(url).port or 0)).close()
    except ConnectionRefusedError:
        return True
    return False


def answering(service: Serving) -> list[int]:
    """Return the processes that answer for a service."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal() and parent_of(folder) == service.process.pid:
            with_arguments = (folder / "cmdline").read_bytes()
            found += [int(folder.name)] if b"serve_process" in with_arguments else []
    return sorted(found)


def parent_of(folder: Path) -> int | None:
    try:
        return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def sockets_of(pid: int) -> int:
    count = 0
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):  # it was closed meanwhile
            count += "socket" in str(one.readlink())
    return count


def lives(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)
