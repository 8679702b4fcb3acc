"""The supervisor: a PostgreSQL that dies while somebody needs it comes back."""

import asyncio
import os
import shutil
import signal
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from media_analysis.db.embedded import embedded_server, supervisor
from media_analysis.db.embedded.account import OsAccount
from media_analysis.db.embedded.cluster import Cluster
from media_analysis.db.embedded.process import find_postmaster
from media_analysis.db.embedded.programs import find_binaries
from tests.db.embedded.servers import DEADLINE_SECONDS, Running, keeper_of, line_of, pid_of, run_statement, until

pytestmark = pytest.mark.crash
ENDED = "PostgreSQL ended unexpectedly; starting it again"


def kill(directory: Path) -> int:
    postmaster = pid_of(directory)
    assert postmaster is not None
    os.kill(postmaster, signal.SIGKILL)
    return postmaster


async def test_a_killed_postmaster_is_replaced_under_the_same_url(directory: Path) -> None:
    said: list[str] = []

    async with embedded_server(directory, report=said.append) as server:
        first = await _answer_of_the_next(directory, server.url, killed=kill(directory))
        second = await _answer_of_the_next(directory, server.url, killed=kill(directory))

    assert first == second == ["precious"]
    assert said[:3] == ["starting PostgreSQL", ENDED, "starting PostgreSQL"]
    assert said.count(ENDED) >= 2
    assert said[-1] == "stopping PostgreSQL"


async def test_an_adopted_server_that_dies_is_replaced_too(directory: Path) -> None:
    said: list[str] = []
    with keeper_of(directory) as keeper:
        assert await asyncio.to_thread(line_of, keeper) == "owned"
        keeper.kill()
        keeper.wait()

    async with embedded_server(directory, report=said.append) as server:
        kill(directory)
        await until(lambda: "starting PostgreSQL" in said)
        words = await _first_answer(server.url, "SELECT word FROM kept")

    assert words == ["precious"]
    assert said[1:3] == [ENDED, "starting PostgreSQL"]


async def test_a_server_that_cannot_start_again_is_tried_until_it_can(directory: Path) -> None:
    said: list[str] = []
    settings = directory / "data" / "postgresql.conf"
    sound = settings.read_text()

    async with embedded_server(directory, report=said.append) as server:
        settings.write_text(f"{sound}\nmax_connections = many\n")
        kill(directory)
        await until(lambda: sum("did not start again" in sentence for sentence in said) >= 2)
        settings.write_text(sound)
        words = await _first_answer(server.url, "SELECT word FROM kept")

    assert words == ["precious"]


async def test_a_vanished_cluster_is_not_replaced_by_an_empty_one(directory: Path) -> None:
    said: list[str] = []

    async with embedded_server(directory, report=said.append):
        (directory / "data").rename(directory / "moved")
        os.kill(int((directory / "moved" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        await until(lambda: any("has vanished" in sentence for sentence in said))

    assert "creating the database cluster" not in said
    assert not (directory / "data").exists()
    shutil.rmtree(directory / "moved")


async def test_nothing_is_started_again_while_stopping(directory: Path, account: OsAccount) -> None:
    said: list[str] = []

    async with embedded_server(directory, report=said.append):
        kill(directory)

    assert said.count("starting PostgreSQL") == 1
    assert find_postmaster(Cluster(directory, find_binaries(), account)) is None


def test_pauses_grow_to_a_limit() -> None:
    pauses = supervisor.pauses()

    first = [next(pauses) for _ in range(12)]

    assert first[:3] == [0.1, 0.2, 0.4]
    assert first[-1] == supervisor.LONGEST_PAUSE_SECONDS


async def test_the_url_leads_to_the_server_whatever_the_environment_says(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"PGPORT": "5999", "PGHOST": "/nowhere", "PGUSER": "nobody", "PGPASSWORD": "wrong"}.items():
        monkeypatch.setenv(name, value)
    engine = create_async_engine(make_url(running[1].url).set(drivername="postgresql+asyncpg"))

    from_asyncpg = await run_statement(running[1].url, "SELECT word FROM kept")
    async with engine.connect() as connection:
        from_sqlalchemy = await connection.scalar(text("SELECT word FROM kept"))
    await engine.dispose()

    assert [from_sqlalchemy] == from_asyncpg == ["precious"]


async def _answer_of_the_next(directory: Path, url: str, *, killed: int) -> list[object]:
    await until(lambda: pid_of(directory) not in {None, killed})
    return await _first_answer(url, "SELECT word FROM kept")


async def _first_answer(url: str, statement: str) -> list[object]:
    """Ask until PostgreSQL answers."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while True:
            try:
                return await run_statement(url, statement)
            except Exception:  # noqa: BLE001 - any refusal is a reason to ask again, the deadline ends it
                await asyncio.sleep(0.02)
