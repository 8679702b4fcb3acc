"""Copies that leave a segment: synced a window at a time while the next is read, and none of them half."""

import shutil
from pathlib import Path

import pytest

from media_analysis.archive.landing import GatheringSink, Landing, sink_for
from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.archive.progress import Sink, TaskProgress
from media_analysis.archive.restoring import WINDOW_BYTES
from media_analysis.errors import ObjectMissing
from media_analysis.runtime import Runtime
from media_analysis.storage.store import ObjectWriter
from media_analysis.storage.writing import BUFFER_BYTES
from tests.archive.archived import archive, content_of, make_run, restore
from tests.disks import disk_of
from tests.files.conftest import objects

FRAMES = WINDOW_BYTES // BUFFER_BYTES + 2
"""As many of the largest that are gathered as two windows take."""


async def test_a_run_of_several_windows_comes_back_whole_with_small_and_large_files(runtime: Runtime) -> None:
    frames = {f"{number}.jpg": bytes([number]) * BUFFER_BYTES for number in range(FRAMES)}
    run = await make_run(runtime, {**frames, "large.jpg": b"\xff" * (2 * BUFFER_BYTES + 1), "small.jpg": b"\xfe"})
    await archive(runtime, run.id)

    back = await restore(runtime, run.id)

    assert (back.status, back.error) == (ArchiveTaskStatus.COMPLETED, None)
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]


async def test_a_window_that_cannot_be_synced_is_told_and_leaves_no_descriptor_open(runtime: Runtime) -> None:
    before = descriptors()
    told = TaskProgress()
    first, second = await create(runtime, "frames/a/1.jpg", "frames/a/2.jpg"), await create(runtime, "frames/b/3.jpg")
    shutil.rmtree(disk_of(runtime.store).root / "frames/a")
    small, large = sink_for(first[0], 1, told), sink_for(first[1], BUFFER_BYTES + 1, told)

    with pytest.raises(ObjectMissing):
        await land(runtime, [small, large], [sink_for(second[0], 1, told)])
    second[0].close()

    assert descriptors() == before
    await runtime.store.delete_many(["frames/b/3.jpg"])
    assert objects(disk_of(runtime.store).root) == []


async def land(runtime: Runtime, *windows: list[Sink | GatheringSink]) -> None:
    async with Landing(runtime.store) as landing:
        for window in windows:
            await landing.begin(window)


async def create(runtime: Runtime, *keys: str) -> list[ObjectWriter]:
    made = await runtime.store.create_many(keys)
    return [writer for writer in made if not isinstance(writer, Exception)]


def descriptors() -> int:
    """Return how many regular files below the store this process has open."""
    return sum("/frames/" in str(each.readlink()) for each in Path("/proc/self/fd").iterdir() if each.is_symlink())
