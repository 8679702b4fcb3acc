"""Moves that are given up, moved back, and those of archives alone, there and back."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.errors.moves import MoveRefused
from media_analysis.integrity.inspection import ReadThrottle
from media_analysis.moves.copying import AT_ONCE
from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.storage.marker import Marker, write_marker
from tests.archive.archived import archive, content_of, make_run, restore
from tests.asking import delete_file
from tests.conftest import fetch, storing
from tests.moves.conftest import MovesOf, OpenAt, acts
from tests.moves.test_service import objects, read


async def test_a_move_that_is_given_up_leaves_the_store_where_it_is(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    async with open_at(old) as runtime:
        file = await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        await MoveService(moves).cancel()
        with pytest.raises(MoveRefused, match="no move is under way"):
            await SwitchService(moves).switch()

        await storing(runtime)(b"goes on")
        emptying = EmptyService(moves)
        await emptying.empty((await emptying.find())[0])

        assert objects(tmp_path / "new") == set()
        assert file.key in objects(tmp_path / "old")
        assert await acts(database) == ["move_started", "move_cancelled", "move_leftovers_deleted"]
    with pytest.raises(MarkerMismatch):
        await open_at(new).__aenter__()


async def test_what_is_deleted_while_its_copy_is_asked_for_does_not_count_as_damaged(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        files = [await storing(runtime)(b"%d" % count) for count in range(AT_ONCE + 1)]
        await MoveService(moves_of(runtime)).copy(new, archives=False)
        await SwitchService(moves_of(runtime)).switch()
    async with open_at(new) as runtime:
        last, lock = [max(files, key=lambda file: file.key)], asyncio.Lock()

        async def delete_last(_seconds: float) -> None:
            async with lock:
                while last:
                    await delete_file(runtime, last.pop().id, owner="alice", actor="alice", hard=True)

        throttle = ReadThrottle(1, clock=lambda: 0.0, sleep=delete_last)
        emptying = EmptyService(replace(moves_of(runtime), throttle=throttle))
        report = await emptying.empty((await emptying.find())[0])

    assert (report.deleted, report.kept, objects(tmp_path / "old")) == (len(files), 0, set())


async def test_what_lies_in_the_place_it_moves_back_to_is_used_and_what_was_deleted_goes(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        store = storing(runtime)
        kept, deleted, damaged = await store(b"kept"), await store(b"deleted"), await store(b"damaged")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        await SwitchService(moves).switch()
    inode = (tmp_path / "old" / kept.key).stat().st_ino
    (tmp_path / "old" / damaged.key).write_bytes(b"DAMAGED")
    async with open_at(new, inspects=False) as runtime:
        await delete_file(runtime, deleted.id, owner="alice", actor="alice")
        made = await storing(runtime)(b"made at the new place")
        moves = moves_of(runtime)
        report = await MoveService(moves).copy(old, archives=False)
        await SwitchService(moves).switch()
        # A bucket may have got late what closed it before.
        write_marker(tmp_path / "old", Marker(runtime.store.instance_id, moved_to=new))
        with pytest.raises(MarkerMismatch, match="store switch"):
            await open_at(old).__aenter__()
        await SwitchService(moves).switch()

    assert (report.copied, report.deleted) == (3, 1)
    assert objects(tmp_path / "old") == {kept.key, damaged.key, made.key}
    assert (tmp_path / "old" / kept.key).stat().st_ino == inode
    async with open_at(old) as runtime:
        assert await read(runtime, damaged.key, b"damaged") == b"damaged"
        emptying = EmptyService(moves_of(runtime))
        move, _ = await emptying.find()
        assert move.left == new
        await emptying.empty(move)
        with pytest.raises(MoveRefused, match="no move left anything"):
            await emptying.find()
    assert objects(tmp_path / "new") == set()


async def test_archives_move_alone_and_come_back(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    async with open_at(old, inspects=False) as runtime:
        run = await make_run(runtime)
        await archive(runtime, run.id)
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=True)
        await SwitchService(moves).switch()
        with pytest.raises(MarkerMismatch, match="archives lie at"):
            await storing(runtime)(b"too late")

    archived = {row["key"] for row in await fetch(database, "SELECT key FROM media_files WHERE category = 'archives'")}
    assert objects(tmp_path / "new") == archived
    with pytest.raises(MarkerMismatch, match="archives lie at"):
        await open_at(old).__aenter__()
    async with open_at(old, new, inspects=False) as runtime:
        emptying = EmptyService(moves_of(runtime, old, new))
        await emptying.empty((await emptying.find())[0])
        assert archived.isdisjoint(objects(tmp_path / "old"))
        moves = moves_of(runtime, old, new)
        await MoveService(moves).copy(old, archives=True)
        with pytest.raises(MarkerMismatch, match="archives lie at"):
            await open_at(old).__aenter__()
        await SwitchService(moves).switch()
        with pytest.raises(MarkerMismatch, match="moved to"):
            await storing(runtime)(b"too late")
    async with open_at(old) as runtime:
        await restore(runtime, run.id)
        for name, file in run.files.items():
            assert await content_of(runtime, file.id) == run.contents[name]


async def test_a_move_whose_target_is_lost_is_given_up_and_keeps_nothing_else_from_being_deleted(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    third = (tmp_path / "third").as_uri()
    async with open_at(old, inspects=False) as runtime:
        file = await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        (tmp_path / "new").rename(tmp_path / "lost")
        await MoveService(moves).cancel()
        await MoveService(moves).copy(third, archives=False)
        await SwitchService(moves).switch()

    async with open_at(third) as runtime:
        emptying = EmptyService(moves_of(runtime))
        assert (await emptying.find())[0].left == new
        move, _ = await emptying.find(old)
        await emptying.empty(move)

    assert objects(tmp_path / "old") == set()
    assert objects(tmp_path / "third") == {file.key}


@pytest.mark.parametrize("end", ["switch", "cancel"])
async def test_a_place_is_moved_to_again_after_what_was_left_there_was_deleted(
    end: str, open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file = await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        await (SwitchService(moves).switch() if end == "switch" else MoveService(moves).cancel())
    store, left = (new, old) if end == "switch" else (old, new)
    place = tmp_path / Path(left).name
    async with open_at(store, inspects=False) as runtime:
        moves = moves_of(runtime)
        emptying = EmptyService(moves)
        await emptying.empty((await emptying.find())[0])
        (place / "file.txt").write_text("somebody's")
        with pytest.raises(MoveRefused, match=r"is not empty: file\.txt lies there"):
            await MoveService(moves).copy(left, archives=False)
        (place / "file.txt").unlink()
        await MoveService(moves).copy(left, archives=False)
        await SwitchService(moves).switch()

    async with open_at(left) as runtime:
        assert await read(runtime, file.key, b"kept") == b"kept"
