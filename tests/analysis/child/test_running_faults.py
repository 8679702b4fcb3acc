"""What a parent hears of its child, and what is left of a child when nobody listens any more."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.protocol import (
    ResultMade,
)
from media_analysis.errors import MediaAnalysisError
from media_analysis.errors.analysis import (
    AnalysisCrashed,
    KindUnknown,
)
from media_analysis.media.options import Limits
from tests.analysis.child.conftest import Run, collect


def is_gone(process: int) -> bool:
    """Tell whether a process has ended and was reaped."""
    return not Path("/proc", str(process)).exists()


def is_dead(process: int) -> bool:
    """Tell whether a process has ended, whoever may have to reap it."""
    try:
        return Path("/proc", str(process), "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except FileNotFoundError:
        return True


def children() -> list[int]:
    """Return the processes that stems of ours forked, those that nobody reaped included."""
    return [child for zygote in _forked_by(os.getpid()) for child in _forked_by(zygote)]


def _forked_by(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


async def comes_true(condition: Callable[[], bool], *, within_seconds: float) -> bool:
    deadline = time.monotonic() + within_seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        await asyncio.sleep(0.01)
    return condition()


async def failure(run: Run, act: str, **orders: object) -> MediaAnalysisError:
    with pytest.raises(MediaAnalysisError) as raised:
        await collect(run(act, **orders))
    return raised.value


async def test_a_kind_of_an_uninstalled_plugin_is_unknown(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", sys.path[1:])

    error = await failure(run, "behave")

    assert isinstance(error, KindUnknown)


async def test_a_cancelled_job_stops_at_once(run: Run) -> None:
    started: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    async def listen() -> None:
        async with run("loop") as messages:
            async for message in messages:
                assert isinstance(message, ResultMade)
                started.set_result(message.document["id"])

    listening = asyncio.create_task(listen())
    process = await started
    listening.cancel()
    await asyncio.wait([listening], timeout=30)  # the child would go on for ever

    assert listening.cancelled()
    assert is_gone(process)


async def test_leaving_in_the_middle_ends_the_child(run: Run) -> None:
    async with run("loop") as messages:
        message = await anext(messages)

    assert isinstance(message, ResultMade)
    assert is_gone(message.document["id"])


async def test_a_child_waits_while_its_parent_stores(run: Run) -> None:
    limits = Limits(max_product_bytes=10**9)

    async with run("overflow", number=10_000_000, limits=limits) as messages:
        await anext(messages)
        child = max(children())

        assert not await comes_true(lambda: is_dead(child), within_seconds=0.5)
        assert len(messages.reader.stream._buffer) < 2_000_000  # type: ignore[attr-defined] # noqa: SLF001


async def test_no_descriptor_and_no_child_is_left(run: Run) -> None:
    await collect(run("behave"))
    before = sorted(os.listdir("/proc/self/fd"))  # noqa: PTH208

    for act in ("behave", "segfault", "corrupt"):
        async with run(act) as messages:
            try:
                async for _ in messages:
                    pass
            except MediaAnalysisError:
                pass

    assert await comes_true(lambda: sorted(os.listdir("/proc/self/fd")) == before, within_seconds=30)  # noqa: PTH208
    assert not any(map(is_dead, children()))


async def test_a_child_that_cannot_be_started_is_a_crash(
    run: Run, fork_server: ForkServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fork_server.aclose()
    monkeypatch.setattr(sys, "executable", "/no/such/program")

    error = await failure(run, "behave")

    assert isinstance(error, AnalysisCrashed)


async def test_the_event_loop_is_not_held_up(run: Run) -> None:
    longest, turns = 0.0, 0

    async def watch() -> None:
        nonlocal longest, turns
        while True:
            worked = time.thread_time()  # what others of this machine do is no work of the loop
            await asyncio.sleep(0.005)
            longest, turns = max(longest, time.thread_time() - worked), turns + 1

    watching = asyncio.create_task(watch())
    await collect(run("overflow", number=1_000_000, limits=Limits(max_product_bytes=10**9)))
    await collect(run("large"))
    watching.cancel()

    assert longest < 0.1
    assert turns > 20, "it stood still for its child"  # some two hundred


def test_a_child_dies_with_its_parent(tmp_path: Path, plugged_in: None) -> None:
    script = f"""
import asyncio, uuid
from pathlib import Path
from tests.analysis.child.conftest import assigned
from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.running import run_task
from media_analysis.analysis.task import Source
path = Path({str(tmp_path / "none")!r})
source = Source(position=0, file_id=uuid.uuid4(), path=path, filename="n", media_type="a/b", size_bytes=0)
async def main():
    async with run_task(assigned(source, "loop"), confinement=Confinement(), fork_server=ForkServer()) as messages:
        async for message in messages:
            print(message.document["id"], flush=True)
asyncio.run(main())
"""
    parent = subprocess.Popen(
        [sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert not is_dead(child)

        parent.kill()
        parent.wait()

    assert asyncio.run(comes_true(lambda: is_dead(child), within_seconds=30))
