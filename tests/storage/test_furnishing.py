"""What lies in the roots of a store from the start."""

import stat
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.storage.category import Category
from media_analysis.storage.furnishing import README, README_NAME, furnish
from media_analysis.storage.keys import folder_of, object_key
from media_analysis.storage.modes import Modes
from media_analysis.storage.places import Places
from media_analysis.storage.walk import OWN_NAMES, walk


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "store"
    path.mkdir(0o750)
    return path


def test_each_category_has_its_folder_and_whoever_looks_inside_is_told_what_it_is(root: Path) -> None:
    furnish(Places(root, modes=Modes(directories=0o750, files=0o640)))

    assert {path.name for path in root.iterdir()} == {README_NAME, *map(folder_of, Category)}
    assert {mode_of(path) for path in root.iterdir() if path.is_dir()} == {0o750}
    assert (mode_of(root), mode_of(root / README_NAME)) == (0o750, 0o640)
    assert all(folder_of(category) in README for category in Category)
    assert list(walk(root, skip=OWN_NAMES)) == [], "nothing of it is an object nobody knows"


def test_a_disk_of_their_own_is_ready_to_have_the_archives_moved_there(root: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()

    furnish(Places(root, archives=disk))

    assert {path.name for path in disk.iterdir()} == {README_NAME}
    assert not (root / "archives").exists()


def test_what_is_there_already_stays_as_it_is(root: Path) -> None:
    (root / README_NAME).write_text("somebody else's")
    (root / "clips").mkdir(0o700)

    furnish(Places(root))
    furnish(Places(root))

    assert (root / README_NAME).read_text() == "somebody else's"
    assert mode_of(root / "clips") == 0o700
    assert (root / "uploads").is_dir()


@pytest.mark.parametrize("category", Category)
def test_every_key_begins_with_the_folder_of_its_category(category: Category) -> None:
    day = datetime(2026, 11, 21, tzinfo=UTC)

    key = object_key(category, uuid4(), extension="bin", day=day, parent_id=None, job_id=None, run="run")

    assert key.startswith(f"{folder_of(category)}/")
