"""A store that moves while it has a replica, and places that cannot be both."""

from pathlib import Path

import pytest

from media_analysis.errors import InvalidSettings
from media_analysis.errors.moves import MoveRefused
from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.opened import MoveContext
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import fetch, storing
from tests.replication.conftest import settled
from tests.replication.test_copying import lying
from tests.replication.test_opening import Open, opened

__all__ = ["opened"]


def moves_of(runtime: Runtime) -> MoveContext:
    return MoveContext(runtime.db, runtime.settings, runtime.store.instance_id, "test")


async def test_replicas_outlive_a_move_of_the_first_ones(
    opened: Open, database: str, second: Path, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    async with opened() as runtime:
        kept, deleted = await storing(runtime)(b"kept"), await storing(runtime)(b"deleted")
        await settled(runtime, database)
        await MoveService(moves_of(runtime)).copy(new.as_uri(), archives=False)
        await SwitchService(moves_of(runtime)).switch()

    async with opened(STORAGE_URL=new.as_uri()) as runtime:
        await delete_file(runtime, deleted.id, owner="alice", actor="alice")
        added = await storing(runtime)(b"added")
        await settled(runtime, database)
        (new / kept.key).write_bytes(b"KEPT")
        emptying = EmptyService(moves_of(runtime))
        await emptying.empty((await emptying.find())[0])

        assert lying(second).keys() == {kept.key, added.key}
        assert await fetch(database, "SELECT file_id FROM replicas WHERE due_at IS NOT NULL") == []


@pytest.mark.parametrize("target", ["second", "second/below"])
async def test_a_store_does_not_move_to_where_its_replicas_lie(
    target: str, opened: Open, tmp_path: Path, database: str
) -> None:
    async with opened() as runtime:
        with pytest.raises(MoveRefused, match="replicas"):
            await MoveService(moves_of(runtime)).copy((tmp_path / target).resolve().as_uri(), archives=False)

    assert await fetch(database, "SELECT FROM store_moves") == []


async def test_a_place_that_a_move_fills_or_left_takes_no_replicas(
    opened: Open, database: str, second: Path, tmp_path: Path
) -> None:
    old, new, known = tmp_path / "var" / "store", tmp_path / "new", "SELECT address FROM replica_places"
    async with opened() as runtime:
        await storing(runtime)(b"kept")
        await settled(runtime, database)
        await MoveService(moves_of(runtime)).copy(new.as_uri(), archives=False)
        with pytest.raises(InvalidSettings, match="a move"):
            async with opened(STORAGE_REPLICA_URL=new.as_uri()):
                pass
        assert [row["address"] for row in await fetch(database, known)] == [second.as_uri()]
        await SwitchService(moves_of(runtime)).switch()

    with pytest.raises(InvalidSettings, match="a move"):
        async with opened(STORAGE_URL=new.as_uri(), STORAGE_REPLICA_URL=old.as_uri()):
            pass
    assert [row["address"] for row in await fetch(database, known)] == [second.as_uri()]
    (copied,) = await fetch(database, "SELECT count(*) FROM replicas WHERE copied_at IS NOT NULL")
    assert copied[0] == 1


async def test_a_move_is_neither_switched_once_the_store_is_somewhere_else_nor_forever_under_way(
    opened: Open, database: str, second: Path, tmp_path: Path
) -> None:
    old, new = tmp_path / "var" / "store", tmp_path / "new"
    async with opened() as runtime:
        kept = await storing(runtime)(b"kept")
        await settled(runtime, database)
        await MoveService(moves_of(runtime)).copy(new.as_uri(), archives=False)

    async with opened(STORAGE_URL=second.as_uri(), STORAGE_REPLICA_URL=None) as runtime:
        with pytest.raises(MoveRefused, match="cancel"):
            await SwitchService(moves_of(runtime)).switch(leave_damaged=True)
        old.rename(tmp_path / "lost")
        await MoveService(moves_of(runtime)).cancel()
        emptying = EmptyService(moves_of(runtime))
        await emptying.empty((await emptying.find())[0])
        assert kept.key not in lying(new)
        assert await runtime.store.read(kept.key, size_bytes=4) == b"kept"


async def test_a_store_that_archives_left_takes_replicas_and_holds_archives_again(
    opened: Open, database: str, second: Path, tmp_path: Path
) -> None:
    old, cold = tmp_path / "var" / "store", (tmp_path / "cold").as_uri()
    async with opened() as runtime:
        file = await storing(runtime)(b"kept")
        packed = await storing(runtime)(b"an archive", category=Category.ARCHIVES)
        await settled(runtime, database)
        await MoveService(moves_of(runtime)).copy(cold, archives=True)
        await SwitchService(moves_of(runtime)).switch()
    async with opened(ARCHIVE_URL=cold) as runtime:
        emptying = EmptyService(moves_of(runtime))
        await emptying.empty((await emptying.find())[0])
        assert lying(old).keys() == {file.key}

    lost_and_back = {"STORAGE_URL": second.as_uri(), "STORAGE_REPLICA_URL": old.as_uri()}
    async with opened(**lost_and_back, ARCHIVE_URL=cold) as runtime:
        await settled(runtime, database)
        assert lying(old).keys() == {file.key, packed.key}
    async with opened(STORAGE_URL=old.as_uri(), STORAGE_REPLICA_URL=None) as runtime:
        assert await runtime.store.read(packed.key, size_bytes=10) == b"an archive"
