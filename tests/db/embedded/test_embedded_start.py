"""Starting, joining and refusing the embedded server."""

import asyncio
import os
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url, text
from sqlalchemy.ext.asyncio import create_async_engine

from media_analysis.db.embedded import embedded_server, programs
from media_analysis.db.embedded.programs import find_binaries
from media_analysis.errors import EmbeddedServerFailed
from tests.db.embedded.servers import (
    Running,
    copy_of,
    run_statement,
    start_and_stop,
    tree_of,
)


async def test_a_later_start_finds_what_an_earlier_one_stored(home: Path) -> None:
    said: list[str] = []

    async with embedded_server(home / "new" / "postgres", report=said.append) as first:
        await run_statement(first.url, "CREATE TABLE kept AS SELECT 'precious' AS word")
    async with embedded_server(home / "new" / "postgres") as second:
        words = await run_statement(second.url, "SELECT word FROM kept")

    assert words == ["precious"]
    assert first == second
    assert second.owned
    assert said == ["creating the database cluster", "starting PostgreSQL", "stopping PostgreSQL"]


async def test_the_url_serves_sqlalchemy_from_a_directory_with_odd_characters(home: Path, template: Path) -> None:
    odd = copy_of(template, home / "a b%2F+&=?#:ü")

    async with embedded_server(odd) as server:
        engine = create_async_engine(make_url(server.url).set(drivername="postgresql+asyncpg"))
        async with engine.connect() as connection:
            from_sqlalchemy = await connection.scalar(text("SELECT word FROM kept"))
        await engine.dispose()
        from_asyncpg = await run_statement(server.url, "SELECT word FROM kept")

    assert [from_sqlalchemy] == from_asyncpg == ["precious"]


@pytest.mark.parametrize("name", ["x" * 100, "a, b"])
async def test_a_path_that_no_client_could_name_serves_all_the_same(home: Path, template: Path, name: str) -> None:
    (home / name).mkdir()
    directory = copy_of(template, home / name / "postgres")

    async with embedded_server(directory) as server, embedded_server(directory) as joined:
        words = [await run_statement(one.url, "SELECT word FROM kept") for one in (server, joined)]

    assert words == [["precious"], ["precious"]]


async def test_without_programs_the_way_out_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programs, "INSTALLATION", "nowhere")

    with pytest.raises(EmbeddedServerFailed, match="DATABASE_URL"):
        await start_and_stop(home / "postgres")

    assert list(tree_of(home)) == [home]


def test_the_package_of_the_programs_is_never_imported() -> None:
    find_binaries()

    assert programs.PACKAGE not in sys.modules


async def test_a_server_that_cannot_start_is_quoted(directory: Path) -> None:
    with (directory / "data" / "postgresql.conf").open("a") as settings:
        settings.write("max_connections = many\n")

    with pytest.raises(EmbeddedServerFailed, match=r'FATAL|invalid value for parameter "max_connections": "many"'):
        await start_and_stop(directory)


async def test_a_later_process_joins_and_leaves_the_server_running(running: Running) -> None:
    directory, owner = running

    async with embedded_server(directory) as joiner:
        assert (owner.owned, joiner.owned) == (True, False)

    assert await run_statement(owner.url, "SELECT word FROM kept") == ["precious"]


async def test_processes_that_start_at_once_share_one_server(home: Path) -> None:
    async def start(ready: asyncio.Barrier) -> bool:
        async with embedded_server(home / "postgres") as server:
            await run_statement(server.url, "SELECT 1")
            await ready.wait()
            return server.owned

    ready = asyncio.Barrier(3)
    owned = await asyncio.gather(*(start(ready) for _ in range(3)))

    assert sorted(owned) == [False, False, True]


async def test_an_exclusive_start_names_the_process_in_its_way(running: Running) -> None:
    with pytest.raises(EmbeddedServerFailed, match=f"already served by process {os.getpid()}"):
        await start_and_stop(running[0], exclusive=True)
