"""Bulk deletions: in processes of their own, with the same answers as in a thread."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.unlinking import FEW, Unlinker

MANY = FEW + 1


def children() -> set[int]:
    """The processes this one has started and not yet seen end."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread that has ended meanwhile
            found.update(map(int, (task / "children").read_text().split()))
    return found


def lay_out(store: DiskStore, count: int) -> list[str]:
    keys = [f"uploads/2026-11-2{number % 2}/{number}.bin" for number in range(count)]
    for key in keys:
        path = store.root / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"content")
    return keys


async def test_many_objects_go_in_a_process_and_leave_nothing(disk: DiskStore) -> None:
    before = children()
    keys = lay_out(disk, MANY)

    outcome = await disk.delete_many(keys)

    assert len(children() - before) == 1
    assert sorted(outcome.gone) == sorted(keys)
    assert outcome.failed == {}
    assert {path.name for path in disk.root.rglob("*")} == {MARKER_NAME, "uploads"}


async def test_few_objects_need_no_process(disk: DiskStore) -> None:
    before = children()

    await disk.delete_many(lay_out(disk, FEW))

    assert children() <= before  # of which some may have ended


async def test_a_poison_among_many_is_named_and_its_neighbours_go(disk: DiskStore) -> None:
    *keys, poison = lay_out(disk, MANY)
    (disk.root / poison).unlink()
    (disk.root / poison).mkdir()

    outcome = await disk.delete_many([*keys, poison])

    assert outcome.failed == {poison: "EISDIR"}
    assert sorted(outcome.gone) == sorted(keys)


async def test_a_process_that_was_killed_is_replaced(disk: DiskStore) -> None:
    before = children()
    await disk.delete_many(lay_out(disk, MANY))
    [victim] = children() - before
    os.kill(victim, signal.SIGKILL)

    outcome = await disk.delete_many(lay_out(disk, MANY))

    assert len(outcome.gone) == MANY
    assert not list(disk.root.rglob("*.bin"))


def test_a_process_that_dies_before_it_is_asked_is_not_left_behind(disk: DiskStore) -> None:
    before = children()
    unlinker = Unlinker()
    [victim] = children() - before
    os.kill(victim, signal.SIGKILL)
    os.waitid(os.P_PID, victim, os.WEXITED | os.WNOWAIT)

    with pytest.raises(OSError, match="Broken pipe"):
        unlinker.unlink_all(disk.root, lay_out(disk, MANY))
    unlinker.close()

    assert not unlinker.is_alive()
    assert victim not in children()


async def test_absent_objects_do_not_count_as_gone_without_the_marker(disk: DiskStore) -> None:
    keys = lay_out(disk, MANY)
    await disk.delete_many(keys)
    (disk.root / MARKER_NAME).unlink()

    with pytest.raises(MarkerMismatch):
        await disk.delete_many(keys)


async def test_closing_the_store_ends_its_processes(disk: DiskStore) -> None:
    before = children()
    await disk.delete_many(lay_out(disk, MANY))

    disk.close()

    assert children() <= before  # of which some may have ended
