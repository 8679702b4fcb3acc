"""Embedded servers for tests: short homes, copies of a stopped one, processes that keep one."""

import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import asyncpg

import media_analysis
from media_analysis.db.embedded import EmbeddedServer, embedded_server
from media_analysis.db.embedded.account import OsAccount, choose_account
from media_analysis.db.embedded.cluster import Cluster
from media_analysis.db.embedded.process import find_postmaster
from tests.servers import short_directory

DEADLINE_SECONDS = 60.0
Running = tuple[Path, EmbeddedServer]
KEEPER = """
import asyncio, pathlib, signal, sys
from media_analysis.db.embedded import embedded_server

signal.signal(signal.SIGINT, signal.default_int_handler)  # also where whoever started the tests ignores it

async def keep():
    async with embedded_server(pathlib.Path(sys.argv[1])) as server:
        print("owned" if server.owned else "joined", flush=True)
        await asyncio.Event().wait()

asyncio.run(keep())
"""


@contextmanager
def short_home() -> Iterator[Path]:
    path = short_directory()
    path.chmod(0o711)
    try:
        yield path
    finally:
        end_leftovers(path / "postgres")
        shutil.rmtree(path)


def copy_of(template: Path, directory: Path) -> Path:
    subprocess.run(["cp", "-a", template, directory], check=True)
    return directory


def tree_of(directory: Path) -> dict[Path, os.stat_result]:
    return {path: path.lstat() for path in (directory, *directory.rglob("*"))}


def open_to_others(directory: Path) -> list[Path]:
    return [path for path, status in tree_of(directory).items() if status.st_mode & 0o077]


def stranger_of(account: OsAccount) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], user=None if account.is_ours else account.uid, cwd="/")


def end_leftovers(directory: Path) -> None:
    postmaster = find_postmaster(Cluster(directory, Path(), choose_account(None)))
    if postmaster is not None:
        os.kill(postmaster.pid, signal.SIGQUIT)
        while postmaster.is_alive():
            time.sleep(0.02)


@contextmanager
def keeper_of(directory: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    root = Path(media_analysis.__file__).parents[1]
    with subprocess.Popen(
        [sys.executable, "-c", KEEPER, directory],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, **environment},
    ) as keeper:
        try:
            yield keeper
        finally:
            keeper.kill()


def line_of(keeper: subprocess.Popen[str]) -> str:
    assert keeper.stdout is not None
    return keeper.stdout.readline().strip()


async def start_and_stop(directory: Path, **options: Any) -> None:
    async with embedded_server(directory, **options):
        pass


async def run_statement(url: str, statement: str) -> list[Any]:
    connection = await asyncpg.connect(url)
    try:
        return [row[0] for row in await connection.fetch(statement)]
    finally:
        await connection.close()


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not reached():  # noqa: ASYNC110  # files and processes set no Event
            await asyncio.sleep(0.005)


def pid_of(directory: Path) -> int | None:
    with suppress(FileNotFoundError, IndexError, ValueError):
        return int((directory / "data" / "postmaster.pid").read_text().splitlines()[0])
    return None


def facts_of(path: Path) -> tuple[int, int, int]:
    status = path.stat()
    return status.st_mode, status.st_uid, status.st_gid


def is_free(fd: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False
