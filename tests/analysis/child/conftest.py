"""A way to run the kind that misbehaves."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.analysis.child.protocol import Assignment, Message
from media_analysis.analysis.child.running import run_task
from media_analysis.analysis.task import Source
from media_analysis.media.options import Limits

Running = AbstractAsyncContextManager[AsyncIterator[Message]]
Run = Callable[..., Running]


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """One stored file, in a store of its own."""
    path = tmp_path / "store" / "uploads" / "source.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"source")
    return Source(position=0, file_id=uuid4(), path=path, filename="source.bin", media_type="video/mp4", size_bytes=6)


def assigned(source: Source, act: str, *, limits: Limits | None = None, **orders: Any) -> Assignment:
    return Assignment(
        kind="misbehaving", sources=[source], parameters={"act": act, **orders}, limits=limits or Limits()
    )


@pytest.fixture
def run(source: Source, plugged_in: None, fork_server: ForkServer) -> Run:
    """Run one act of the misbehaving kind: `run("segfault", number=3)`."""

    def running(act: str, *, seconds: float = 30, memory_bytes: int = 2**30, **orders: Any) -> Running:
        confinement = Confinement(seconds=seconds, memory_bytes=memory_bytes)
        return run_task(assigned(source, act, **orders), confinement=confinement, fork_server=fork_server)

    return partial(running)


async def collect(running: Running) -> list[Message]:
    async with running as messages:
        return [message async for message in messages]
