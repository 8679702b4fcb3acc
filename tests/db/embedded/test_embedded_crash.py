"""The embedded server after kill -9, half-made clusters and recycled process ids."""

import asyncio
import fcntl
import os
import signal
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from media_analysis.db.embedded import embedded_server, progress
from media_analysis.db.embedded.account import OsAccount
from media_analysis.db.embedded.cluster import NAME, Cluster
from media_analysis.db.embedded.process import find_postmaster
from media_analysis.db.embedded.programs import find_binaries
from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.cli.commands import armed
from tests.crash.points import find_moments
from tests.db.embedded.servers import (
    DEADLINE_SECONDS,
    end_leftovers,
    is_free,
    keeper_of,
    line_of,
    pid_of,
    run_statement,
    short_home,
    start_and_stop,
    stranger_of,
    until,
)


def first_starts(home: Path) -> Iterator[Path]:
    """Yield where to start a server for the first time, until one was caught at it: `initdb` waits for nobody."""
    for number in count():
        yield home / f"{number}"
        end_leftovers(home / f"{number}")


def has_begun(directory: Path) -> bool:
    return (directory / "data.new" / "global").exists() or (directory / "data").exists()


@pytest.mark.crash
async def test_a_server_that_outlived_its_process_is_adopted_and_stopped(directory: Path, account: OsAccount) -> None:
    with keeper_of(directory) as keeper:
        await until(lambda: pid_of(directory) is not None)
        assert await asyncio.to_thread(line_of, keeper) == "owned"
        keeper.kill()
        keeper.wait()
    left_running = pid_of(directory)
    (directory / "data" / "pg_hba.conf").write_text("local all all trust\n")

    async with embedded_server(directory) as server:
        adopted, owned = pid_of(directory), server.owned
        words = await run_statement(server.url, "SELECT word FROM kept")

    assert left_running == adopted
    assert (owned, words) == (True, ["precious"])
    assert find_postmaster(Cluster(directory, find_binaries(), account)) is None
    assert not (directory / "data" / "postmaster.pid").exists()


@pytest.mark.crash
async def test_a_server_still_stopping_is_waited_for_and_replaced(directory: Path) -> None:
    with keeper_of(directory) as keeper:
        assert await asyncio.to_thread(line_of, keeper) == "owned"
        keeper.kill()
        keeper.wait()
    leaving = pid_of(directory)
    assert leaving is not None
    os.kill(leaving, signal.SIGINT)

    async with embedded_server(directory) as server:
        words = await run_statement(server.url, "SELECT word FROM kept")

    assert words == ["precious"]


@pytest.mark.crash
async def test_a_crashed_server_recovers_what_was_committed(directory: Path) -> None:
    async with embedded_server(directory) as server:
        await run_statement(server.url, "CREATE TABLE late AS SELECT generate_series(1, 1000) AS number")
        crashed = pid_of(directory)
        assert crashed is not None
        os.kill(crashed, signal.SIGKILL)
    async with embedded_server(directory) as server:
        found = await run_statement(server.url, "SELECT count(*) FROM late")

    assert found == [1000]


@pytest.mark.crash
async def test_a_recycled_process_id_is_neither_adopted_nor_signalled(directory: Path, account: OsAccount) -> None:
    stranger = stranger_of(account)
    traces = [directory / "data" / "postmaster.pid", directory / "run" / ".s.PGSQL.5432.lock"]
    for trace in traces:
        trace.write_text(f"{stranger.pid}\n{directory / 'data'}\n1\n5432\n../run\n\n  1 1\nready\n")

    try:
        async with embedded_server(directory) as server:
            assert await run_statement(server.url, "SELECT word FROM kept") == ["precious"]

        assert stranger.poll() is None
        assert not any(trace.exists() for trace in traces)
    finally:
        stranger.kill()
        stranger.wait()


@pytest.mark.crash
async def test_a_first_start_killed_inside_initdb_is_begun_again(home: Path) -> None:
    for directory in first_starts(home):
        with keeper_of(directory) as keeper:
            await until(partial(has_begun, directory))
            keeper.kill()
            keeper.wait()
        if not (directory / "data").exists():
            break

    async with embedded_server(directory) as server:
        assert await run_statement(server.url, "SELECT current_database()") == [NAME]
    assert not (directory / "data.new").exists()


@pytest.mark.crash
async def test_a_first_start_killed_around_its_last_step_is_finished(tmp_path: Path, subtests: pytest.Subtests) -> None:
    trace = tmp_path / "trace"
    with short_home() as home, keeper_of(home / "postgres", **armed(TRACE_VARIABLE, trace)) as keeper:
        await asyncio.to_thread(line_of, keeper)

    for moment in find_moments(trace, "cluster"):
        with subtests.test(moment), short_home() as home:
            with keeper_of(home / "postgres", **armed(KILL_VARIABLE, moment)) as keeper:
                assert await asyncio.to_thread(keeper.wait, DEADLINE_SECONDS) == -signal.SIGKILL

            async with embedded_server(home / "postgres") as server:
                assert await run_statement(server.url, "SELECT current_database()") == [NAME]


async def test_a_start_waits_for_processes_of_a_dead_server(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "NOTICE_SECONDS", 0.05)
    said: list[str] = []
    remnant = os.open(directory / "server.lock", os.O_RDWR)
    fcntl.flock(remnant, fcntl.LOCK_EX)

    start = asyncio.create_task(start_and_stop(directory, report=said.append))
    await until(lambda: any("earlier PostgreSQL" in sentence for sentence in said))
    was_started = (directory / "data" / "postmaster.pid").exists()
    os.close(remnant)
    await start

    assert not was_started


async def test_a_cancelled_start_leaves_nothing_running(home: Path, account: OsAccount) -> None:
    for directory in first_starts(home):
        start = asyncio.create_task(start_and_stop(directory))
        await until(partial(has_begun, directory))
        start.cancel()
        await asyncio.wait([start])
        if not (directory / "data").exists():
            break

    assert start.cancelled()
    assert find_postmaster(Cluster(directory, find_binaries(), account)) is None
    lock = os.open(directory / "server.lock", os.O_RDWR)
    await until(lambda: is_free(lock))
    os.close(lock)
