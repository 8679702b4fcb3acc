"""Whoever copies dies by kill -9, and what is left is made whole by whoever comes next, in both stores."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TESTING_VARIABLE, TRACE_VARIABLE
from tests.conftest import OpenRuntime, StartOver, execute, fetch
from tests.crash.points import find_moments
from tests.replication.conftest import environment, second, settled  # noqa: F401 - fixtures
from tests.replication.test_copying import lying

pytestmark = pytest.mark.crash


@asynccontextmanager
async def playing(environment: dict[str, str], database: str) -> AsyncIterator[Callable[[str, object], Awaitable[int]]]:  # noqa: F811
    """Yield what plays a day with a variable more, and returns how that ended."""
    command = (sys.executable, "-m", "tests.crash.replica_scenario", database)
    running = await asyncio.create_subprocess_exec(
        *command, env={**os.environ, **environment, TESTING_VARIABLE: "1"}, stdin=PIPE, stdout=PIPE
    )
    assert running.stdin is not None
    assert running.stdout is not None
    given, said = running.stdin, running.stdout

    async def play(name: str, value: object) -> int:
        given.write(f"{name}={value}\n".encode())
        while not (line := await said.readline()).startswith(b"ended "):
            assert line, "it died itself"
        return int(line.removeprefix(b"ended "))

    yield play
    given.close()
    assert await running.wait() == 0


async def test_both_copies_are_whole_wherever_the_service_is_killed(
    environment: dict[str, str],  # noqa: F811
    database: str,
    second: Path,  # noqa: F811
    open_here: OpenRuntime,
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    trace, store = tmp_path / "trace", tmp_path / "var" / "store"
    async with playing(environment, database) as play:
        assert await play(TRACE_VARIABLE, trace) == 0

        for moment in find_moments(trace, "replication"):
            with subtests.test(moment):
                await start_over()
                empty(second)
                assert await play(KILL_VARIABLE, moment) == -signal.SIGKILL
                await execute(database, "UPDATE replicas SET due_at = now() WHERE due_at IS NOT NULL")
                async with open_here() as runtime:
                    await runtime.scrub.run()
                    await settled(runtime, database)
                rows = await fetch(database, "SELECT key, sha256, last_error FROM media_files")

                assert {row["last_error"] for row in rows} == {None}
                assert lying(second) == lying(store) == {row["key"]: row["sha256"].hex() for row in rows}


def empty(root: Path) -> None:
    root.rename(root.with_name(f"{root.name} {len(list(root.parent.iterdir()))}"))
