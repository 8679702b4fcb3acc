"""Trees as they are: what a walk finds, what it leaves out, and objects set aside without a loss."""

import os
import socket
from datetime import date
from pathlib import Path

import pytest

from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.walk import OWN_NAMES, QUARANTINE, look, set_aside, walk, walk_in_batches

DAY = date(2026, 1, 31)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "root"
    made.mkdir()
    return made


def write(path: Path, content: bytes = b"content") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def kinds(root: Path) -> dict[str, EntryKind]:
    return {entry.name: entry.kind for entry in walk(root)}


async def test_every_file_of_a_deep_tree_is_found_once_whatever_the_batch(root: Path) -> None:
    expected = {f"{'d/' * depth}{number}" for depth in range(5) for number in range(7)}
    for name in expected:
        write(root / name)

    batches = [batch async for batch in walk_in_batches(root, 4)]

    assert sorted(entry.name for batch in batches for entry in batch) == sorted(expected)
    assert [len(batch) for batch in batches] == [4] * 8 + [3]


def test_what_is_no_plain_file_is_named_as_what_it_is_and_no_link_is_followed(root: Path, tmp_path: Path) -> None:
    write(tmp_path / "outside" / "secret")
    (root / "link").symlink_to(tmp_path / "outside")
    (root / "dangling").symlink_to(tmp_path / "nowhere")
    os.mkfifo(root / "pipe")
    (root / "second").hardlink_to(write(root / "first"))
    write(root / "plain")

    found = kinds(root)

    assert found == {
        "link": EntryKind.LINK,
        "dangling": EntryKind.LINK,
        "pipe": EntryKind.SPECIAL,
        "first": EntryKind.HARD_LINK,
        "second": EntryKind.HARD_LINK,
        "plain": EntryKind.FILE,
    }


def test_the_stores_own_names_are_left_out_at_the_top_only(root: Path) -> None:
    write(root / ".media-analysis")
    write(root / QUARANTINE / "2026-01-01" / "clips" / "old")
    write(root / "clips" / QUARANTINE)

    found = [entry.name for entry in walk(root, skip=OWN_NAMES)]

    assert found == [f"clips/{QUARANTINE}"]


def test_a_directory_that_vanishes_under_the_walk_is_no_error(root: Path) -> None:
    write(root / "a" / "1")
    write(root / "b" / "1")
    walked = walk(root)
    first = next(walked)
    gone = root / ("b" if first.name.startswith("a") else "a")
    (gone / "1").unlink()
    gone.rmdir()

    rest = list(walked)

    assert rest == []


def test_names_that_are_no_unicode_are_told_apart(root: Path) -> None:
    Path(os.fsdecode(os.fsencode(root) + b"/\xff.jpg")).touch()
    write(root / "ü.jpg")

    sayable = {entry.sayable for entry in walk(root)}, [e.name for e in walk(root) if e.sayable]

    assert sayable == ({True, False}, ["ü.jpg"])


def test_a_look_tells_what_stands_there_now(root: Path) -> None:
    write(root / "a" / "file", b"12345")
    (root / "folder").mkdir()
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(root / "s"))
    listening.close()

    file, folder, special, missing, below_a_file = look(root, ["a/file", "folder", "s", "b/file", "a/file/x"])

    assert file == Entry("a/file", EntryKind.FILE, 5, (root / "a" / "file").stat().st_mtime_ns)
    assert folder is not None
    assert folder.kind is EntryKind.DIRECTORY
    assert special is not None
    assert special.kind is EntryKind.SPECIAL
    assert (missing, below_a_file) == (None, None)


def test_objects_are_set_aside_under_their_own_paths_and_never_over_another(root: Path) -> None:
    write(root / "clips" / "a.bin", b"first")
    (root / "clips" / "link").symlink_to("a.bin")

    first = set_aside(root, ["clips/a.bin", "clips/link", "clips/gone"], DAY, mode=0o755)
    write(root / "clips" / "a.bin", b"second")
    second = set_aside(root, ["clips/a.bin"], DAY, mode=0o755)

    place = f"{QUARANTINE}/2026-01-31/clips"
    assert first == {"clips/a.bin": f"{place}/a.bin", "clips/link": f"{place}/link"}
    assert second == {"clips/a.bin": f"{place}/a.bin.1"}
    assert (root / place / "a.bin").read_bytes() == b"first"
    assert (root / place / "a.bin.1").read_bytes() == b"second"
    assert (root / place / "link").is_symlink()
    assert list((root / "clips").iterdir()) == []
