"""Who may enter the store: those whom its root lets in, whatever umask the service was started with."""

import os
from pathlib import Path
from uuid import UUID

import pytest

from media_analysis.errors import InvalidSettings
from media_analysis.runtime import open_runtime
from media_analysis.settings import load_settings
from media_analysis.storage.disk import DiskStore
from media_analysis.storage.marker import adopt_archives, adopt_store
from media_analysis.storage.modes import Modes, make_root
from media_analysis.storage.places import Places
from tests.storage.conftest import put

OURS = UUID(int=1)
KEY = "uploads/2026-01-01/a.bin"


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_a_root_that_is_made_keeps_others_out_and_the_directory_above_it_is_the_systems(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        adopt_store(tmp_path / "data" / "store", OURS, fresh_database=True)
        adopt_archives(tmp_path / "far" / "archives", OURS, fresh=True)
    finally:
        os.umask(before)

    assert [mode_of(tmp_path / "data" / "store"), mode_of(tmp_path / "far" / "archives")] == [0o750, 0o750]
    assert mode_of(tmp_path / "data") == 0o777 & ~umask


@pytest.mark.parametrize("call", ["chown", "chmod", "rename"])
def test_a_root_whose_making_broke_off_is_made_right_by_the_next_start(
    tmp_path: Path, call: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, modes = tmp_path / "store", Modes(root=0o770, group_id=os.getgid())

    def break_off(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, call, break_off)
    with pytest.raises(KeyboardInterrupt):
        adopt_store(root, OURS, fresh_database=True, modes=modes)
    monkeypatch.undo()
    adopt_store(root, OURS, fresh_database=True, modes=modes)

    assert (mode_of(root), root.stat().st_gid) == (0o2770, os.getgid())
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_root_that_another_start_made_first_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, chmod = tmp_path / "store", os.chmod

    def be_overtaken(path: Path, mode: int, **options: bool) -> None:
        chmod(path, mode, **options)
        monkeypatch.undo()
        root.mkdir(0o711)
        (root / "theirs").touch()

    monkeypatch.setattr(os, "chmod", be_overtaken)
    make_root(root, Modes())

    assert [path.name for path in tmp_path.iterdir()] == ["store"]
    assert [path.name for path in root.iterdir()] == ["theirs"]


def test_a_root_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o711)

    adopt_store(tmp_path, OURS, fresh_database=True)

    assert mode_of(tmp_path) == 0o711


async def test_modes_and_the_group_of_everything_are_those_that_were_set(tmp_path: Path) -> None:
    modes, root = Modes(root=0o770, directories=0o750, files=0o640, group_id=os.getgid()), tmp_path / "store"
    adopt_store(root, OURS, fresh_database=True, modes=modes)
    store = DiskStore(Places(root, modes=modes), OURS)

    await put(store, KEY)
    store.close()

    path = root / KEY
    assert (mode_of(root), mode_of(path.parent), mode_of(path)) == (0o2770, 0o2750, 0o640)
    assert {one.stat().st_gid for one in (root, path.parent, path)} == {os.getgid()}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORAGE_MODES_ROOT", "0600"),
        ("STORAGE_MODES_ROOT", "0777"),
        ("STORAGE_MODES_GROUP", "99999999999"),
        ("STORAGE_MODES_GROUP", "4294967295"),
        ("STORAGE_MODES_GROUP", "\u0663"),
        ("STORAGE_MODES_DIRECTORIES", "rwx"),
        ("STORAGE_MODES_FILES", "0444"),
        ("STORAGE_MODES_GROUP", "no such group"),
    ],
)
def test_modes_that_keep_the_service_out_or_let_others_write_are_refused(name: str, value: str) -> None:
    with pytest.raises(InvalidSettings, match=name):
        load_settings(environ={name: value})


async def test_validate_warns_of_a_store_that_every_user_may_enter(
    open_directory: Path, environment: dict[str, str], database: str
) -> None:
    root = open_directory / "store"
    settings = load_settings(environ=environment | {"STORAGE_BASE_PATH": str(root)}).settings

    async with open_runtime(settings, database) as runtime:
        closed = await runtime.retention.status.problems()
        root.chmod(0o755)
        opened = await runtime.retention.status.problems()

    assert closed == []
    assert [problem for problem in opened if "may be entered by every user" in problem]
