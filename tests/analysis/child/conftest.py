"""A kind that misbehaves, installed as a plugin is, and a way to run it."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.analysis.child.confinement import Confinement
from media_analysis.analysis.child.protocol import Assignment, Message
from media_analysis.analysis.child.running import run_task
from media_analysis.analysis.task import Source
from media_analysis.media.options import Limits

Running = AbstractAsyncContextManager[AsyncIterator[Message]]
Run = Callable[..., Running]
METADATA = "Metadata-Version: 2.1\nName: misbehaving\nVersion: 1\n"
ENTRY_POINTS = "[media_analysis.kinds]\nmisbehaving = tests.analysis.child.misbehaving:KIND\n"


@pytest.fixture
def source(tmp_path: Path) -> Source:
    """One stored file, in a store of its own."""
    path = tmp_path / "store" / "uploads" / "source.bin"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"source")
    return Source(position=0, file_id=uuid4(), path=path, filename="source.bin", media_type="video/mp4", size_bytes=6)


@pytest.fixture
def plugged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lay the plugin's metadata where its entry point is found."""
    metadata = tmp_path / "plugins" / "misbehaving-1.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(METADATA)
    (metadata / "entry_points.txt").write_text(ENTRY_POINTS)
    monkeypatch.syspath_prepend(metadata.parent)


def assigned(source: Source, act: str, *, limits: Limits | None = None, **orders: Any) -> Assignment:
    return Assignment(
        kind="misbehaving", sources=[source], parameters={"act": act, **orders}, limits=limits or Limits()
    )


@pytest.fixture
def run(source: Source, plugged_in: None) -> Run:
    """Run one act of the misbehaving kind: `run("segfault", number=3)`."""

    def running(act: str, *, seconds: float = 30, memory_bytes: int = 2**30, **orders: Any) -> Running:
        confinement = Confinement(seconds=seconds, memory_bytes=memory_bytes)
        return run_task(assigned(source, act, **orders), confinement=confinement)

    return partial(running)


async def collect(running: Running) -> list[Message]:
    async with running as messages:
        return [message async for message in messages]
