"""What cannot be moved, or not now, or not there: said before anything is changed."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from media_analysis.deletion.pauses import PauseService
from media_analysis.errors import MarkerMismatch, StoreUnavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.moves import emptying
from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.lock import only_run
from media_analysis.moves.models import StoreMove
from media_analysis.moves.opened import MoveContext
from media_analysis.moves.places import parse_place
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.storage.marker import Marker, adopt_store, read_marker
from tests.conftest import fetch, storing
from tests.moves.conftest import MovesOf, OpenAt, SettingsAt
from tests.moves.test_service import objects
from tests.replication.test_copying import unmount

PASSWORD = "hunter2"


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///{base}/old", "lie already"),
        ("file:///{base}/old/inside", "one inside the other"),
        ("file:///{base}", "one inside the other"),
        ("file:///{base}/full", "is not empty"),
        ("file:///{base}/theirs", "another database"),
        ("file:///{base}/full/file.txt/below", "cannot be made"),
        ("s3://b/prefix?key=hunter2", "no user, password"),
        ("nowhere", "allowed: s3://"),
    ],
)
async def test_a_place_that_cannot_be_the_store_is_refused(
    target: str, reason: str, open_at: OpenAt, moves_of: MovesOf, old: str, tmp_path: Path, database: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file.txt").write_text("somebody's")
    adopt_store(tmp_path / "theirs", UUID(int=1), fresh_database=True)
    async with open_at(old) as runtime:
        await storing(runtime)(b"kept")

        with pytest.raises(MoveRefused, match=reason) as refused:
            await MoveService(moves_of(runtime)).copy(target.format(base=str(tmp_path)[1:]), archives=False)

        assert PASSWORD not in str(refused.value)
        assert await fetch(database, "SELECT FROM store_moves") == []
        assert (tmp_path / "full" / "file.txt").read_text() == "somebody's"


async def test_a_disk_without_room_is_told_before_anything_is_copied(
    open_at: OpenAt, moves_of: MovesOf, settings_at: SettingsAt, old: str, new: str, database: str
) -> None:
    async with open_at(old) as runtime:
        await storing(runtime)(b"kept")
        settings = settings_at(old, STORAGE_MONITORING_RESERVE_BYTES="1000TiB")
        moves = MoveContext(runtime.db, settings, runtime.store.instance_id, "test")

        with pytest.raises(MoveRefused, match="has room for 0 bytes beside the reserve, and 4 are to be copied"):
            await MoveService(moves).copy(new, archives=False)

        assert await fetch(database, "SELECT FROM store_moves") == []


async def test_two_moves_are_not_under_way_at_once(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old) as runtime:
        moves = MoveService(moves_of(runtime))
        await moves.copy(new, archives=False)

        with pytest.raises(MoveRefused, match="is under way: end it by switch or cancel"):
            await moves.copy((tmp_path / "elsewhere").as_uri(), archives=False)
        async with only_run(runtime.db):
            with pytest.raises(MoveRefused, match="another run"):
                async with only_run(runtime.db):
                    pass
        async with only_run(runtime.db):
            pass


async def test_a_store_that_is_away_is_not_copied_from(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        await storing(runtime)(b"kept")
        (tmp_path / "old").rename(tmp_path / "away")

        with pytest.raises(StoreUnavailable, match="mounted"):
            await MoveService(moves_of(runtime)).copy(new, archives=False)


async def test_objects_that_are_damaged_stop_the_switch_unless_they_are_left(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    async with open_at(old, inspects=False) as runtime:
        store = storing(runtime)
        whole, changed, missing, short = [await store(content) for content in (b"whole", b"before", b"lost", b"12345")]
        (tmp_path / "old" / changed.key).write_bytes(b"after!")
        (tmp_path / "old" / missing.key).unlink()
        (tmp_path / "old" / short.key).write_bytes(b"123")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)

        with pytest.raises(MoveRefused, match="3 objects cannot be copied"):
            await SwitchService(moves).switch()
        assert (await store(b"nothing is closed")).size_bytes == 17
        await SwitchService(moves).switch(leave_damaged=True)

    assert changed.key not in objects(tmp_path / "new")
    rows = await fetch(database, "SELECT id, last_error FROM media_files WHERE last_error IS NOT NULL")
    assert {row["id"]: row["last_error"] for row in rows} == {
        changed.id: "hash differs",
        missing.id: "missing",
        short.id: "size is 3, not 5",
    }
    async with open_at(new, inspects=False) as runtime:
        emptying = EmptyService(moves_of(runtime))
        report = await emptying.empty((await emptying.find())[0])
        assert (report.deleted, report.kept) == (2, 3)
        assert whole.key not in objects(tmp_path / "old")
        assert changed.key in objects(tmp_path / "old")


async def test_what_is_left_stays_while_the_settings_name_it_or_deletion_is_paused(
    open_at: OpenAt, moves_of: MovesOf, settings_at: SettingsAt, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file = await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        with pytest.raises(MoveRefused, match="no move left anything"):
            await EmptyService(moves).find()
        await SwitchService(moves).switch()
        move, _ = await EmptyService(moves).find()
        with pytest.raises(MoveRefused, match="the settings name"):
            await EmptyService(moves).empty(move)
    async with open_at(new) as runtime:
        copied_to = replace(moves_of(runtime), settings=settings_at(new, STORAGE_REPLICA_URL=old))
        with pytest.raises(MoveRefused, match="the settings name"):
            await EmptyService(copied_to).empty(move)
        await PauseService(runtime.db).pause(category=None, reason="wait", by="admin")
        with pytest.raises(MoveRefused, match="deletion is paused: wait"):
            await EmptyService(moves_of(runtime)).empty(move)

    assert objects(tmp_path / "old") == {file.key}


async def test_a_pause_stops_the_deletion_of_what_is_left_in_its_midst(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emptying, "PAGE", 1)
    async with open_at(old, inspects=False) as runtime:
        for content in (b"first", b"second", b"third"):
            await storing(runtime)(content)
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        await SwitchService(moves).switch()
    async with open_at(new) as runtime:
        service, note = EmptyService(moves_of(runtime)), EmptyService._delete_rows  # noqa: SLF001 - the end of a page

        async def note_and_pause(service: EmptyService, move: StoreMove, keys: Sequence[str]) -> None:
            await note(service, move, keys)
            await PauseService(runtime.db).pause(category=None, reason="a backup", by="admin")

        monkeypatch.setattr(EmptyService, "_delete_rows", note_and_pause)
        with pytest.raises(MoveRefused, match="deletion is paused: a backup"):
            await service.empty((await service.find())[0])

    assert len(objects(tmp_path / "old")) == 2


async def test_an_object_whose_copy_is_damaged_is_not_deleted_where_it_was(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        damaged, whole = await storing(runtime)(b"damaged"), await storing(runtime)(b"whole")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        await SwitchService(moves).switch()
    copy = tmp_path / "new" / damaged.key
    copy.write_bytes(b"DAMAGED")
    async with open_at(new) as runtime:
        emptying = EmptyService(moves_of(runtime))
        report = await emptying.empty((await emptying.find())[0])

        assert (report.deleted, report.kept, report.first_kept) == (1, 1, damaged.key)
        assert objects(tmp_path / "old") == {damaged.key}
        copy.write_bytes(b"damaged")
        await emptying.empty((await emptying.find())[0])
        assert objects(tmp_path / "old") == set()
        with pytest.raises(MoveRefused, match="no move left anything"):
            await emptying.find()
    assert whole.key in objects(tmp_path / "new")


def test_nothing_of_a_bucket_or_its_credentials_is_told_of_an_address_that_is_refused() -> None:
    with pytest.raises(MoveRefused) as refused:
        parse_place(f"s3://user:{PASSWORD}@bucket/prefix")

    assert PASSWORD not in str(refused.value)


async def test_a_place_without_a_marker_is_marked_as_one_that_fills(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old) as runtime:
        await MoveService(moves_of(runtime)).copy(new, archives=False)

        marker = read_marker(tmp_path / "new")
        assert marker is not None
        assert (marker.instance_id, marker.is_filling) == (runtime.store.instance_id, True)


async def test_an_empty_directory_where_the_targets_volume_was_is_neither_filled_nor_switched_to(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old) as runtime:
        await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        unmount(tmp_path / "new")

        with pytest.raises(MarkerMismatch, match="is its volume mounted"):
            await MoveService(moves).copy(new, archives=False)
        with pytest.raises(MarkerMismatch, match="is its volume mounted"):
            await SwitchService(moves).switch()

        assert list((tmp_path / "new").iterdir()) == []
        await storing(runtime)(b"goes on")


async def test_the_marker_of_another_database_is_not_written_over_where_a_move_goes_on(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old) as runtime:
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        unmount(tmp_path / "new")
        adopt_store(tmp_path / "new", UUID(int=1), fresh_database=True)

        with pytest.raises(MarkerMismatch):
            await MoveService(moves).copy(new, archives=False)

        assert read_marker(tmp_path / "new") == Marker(UUID(int=1))
