"""Where children come from: one zygote, which may die, and never what one child did in another."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.protocol import ResultMade
from media_analysis.errors.analysis import AnalysisCrashed
from tests.analysis.child.conftest import Run, collect
from tests.analysis.child.test_running_faults import comes_true, is_dead, is_gone


def parent_of(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[1])


async def started(messages: object) -> int:
    message = await anext(messages)  # type: ignore[call-overload]
    assert isinstance(message, ResultMade)
    process = message.document["id"]
    assert isinstance(process, int)
    return process


async def test_children_have_one_stem_and_none_of_its_own(run: Run) -> None:
    async with run("loop") as one, run("loop") as other:
        children = await asyncio.gather(started(one), started(other))
        stems = {parent_of(child) for child in children}

    assert len(set(children)) == 2
    assert len(stems) == 1
    assert os.getpid() not in stems


async def test_a_stem_that_is_killed_takes_its_children_along_and_another_follows(run: Run) -> None:
    async with run("loop") as messages:
        child = await started(messages)
        zygote = parent_of(child)
        os.kill(zygote, signal.SIGKILL)
        with pytest.raises(AnalysisCrashed):
            await anext(messages)

        assert await comes_true(lambda: is_dead(child), within_seconds=60)

    async with run("loop") as messages:
        assert parent_of(await started(messages)) != zygote


async def test_a_stem_that_died_unnoticed_is_replaced(run: Run) -> None:
    async with run("loop") as messages:
        zygote = parent_of(await started(messages))
    os.kill(zygote, signal.SIGKILL)
    assert await asyncio.to_thread(lambda: asyncio.run(comes_true(lambda: is_dead(zygote), within_seconds=60)))

    told = await collect(run("surroundings"))

    assert len(told) == 1


async def test_another_environment_has_another_stem(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async with run("loop") as messages:
        zygote = parent_of(await started(messages))
        monkeypatch.setenv("TZ", "Asia/Tokyo")
        async with run("loop") as others:
            assert parent_of(await started(others)) != zygote


async def test_closing_leaves_no_process(run: Run, fork_server: ForkServer) -> None:
    async with run("loop") as messages:
        child = await started(messages)
        zygote = parent_of(child)

    await fork_server.aclose()

    assert is_gone(child)
    assert is_gone(zygote)
