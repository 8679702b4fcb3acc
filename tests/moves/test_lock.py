"""The lock that lets one run work at a move: what happens to a run that lost it."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.errors.moves import MoveRefused
from media_analysis.moves import copying, emptying
from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.lock import only_run
from media_analysis.moves.models import StoreMove
from media_analysis.moves.opened import OpenMove
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.storage.copying import CopySource, ObjectCopier
from media_analysis.storage.marker import Marker, read_marker
from tests.conftest import fetch, storing
from tests.moves.conftest import MovesOf, OpenAt, acts
from tests.moves.test_service import objects, read

HELD = """
    SELECT pg_terminate_backend(pid, 5000) FROM pg_locks
    WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


async def test_a_switch_that_lost_its_lock_closes_nothing_and_a_copy_goes_no_further(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    async with open_at(old) as runtime:
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        async with only_run(runtime.db) as lock:
            await fetch(database, HELD)

            with pytest.raises(MoveRefused, match="was lost: say it again"):
                await SwitchService(replace(moves, lock=lock)).switch()
            await storing(runtime)(b"more")
            with pytest.raises(MoveRefused, match="was lost: say it again"):
                await MoveService(replace(moves, lock=lock)).copy(new, archives=False)

        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id)
        assert objects(tmp_path / "new") == set()


async def test_a_switch_that_lost_its_lock_while_the_store_is_closed_opens_it_again_where_nobody_else_is_at_work(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_at(old) as runtime:
        moves, close = moves_of(runtime), OpenMove.close_source
        await MoveService(moves).copy(new, archives=False)

        async def close_and_lose(opened: OpenMove) -> None:
            await close(opened)
            await fetch(database, HELD)

        monkeypatch.setattr(OpenMove, "close_source", close_and_lose)
        async with only_run(runtime.db) as lock:
            with pytest.raises(MoveRefused, match="was lost: say it again"):
                await SwitchService(replace(moves, lock=lock)).switch()

        await storing(runtime)(b"goes on")


@pytest.mark.parametrize("is_at_work", [True, False])
async def test_a_switch_that_lost_its_lock_leaves_the_store_closed_that_another_run_switches(
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    new: str,
    tmp_path: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
    *,
    is_at_work: bool,
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file, moves, close = await storing(runtime)(b"kept"), moves_of(runtime), OpenMove.close_source
        await MoveService(moves).copy(new, archives=False)
        others = only_run(runtime.db)

        async def close_and_lose(opened: OpenMove) -> None:
            await close(opened)
            await fetch(database, HELD)
            monkeypatch.setattr(OpenMove, "close_source", close)
            if is_at_work:
                await others.__aenter__()
            else:
                await SwitchService(moves).switch()

        monkeypatch.setattr(OpenMove, "close_source", close_and_lose)
        async with only_run(runtime.db) as lock:
            with pytest.raises(MoveRefused, match="was lost: say it again"):
                await SwitchService(replace(moves, lock=lock)).switch()

        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id, moved_to=new)
        if is_at_work:
            await others.__aexit__(None, None, None)
            await SwitchService(moves).switch()
    async with open_at(new) as runtime:
        assert await read(runtime, file.key, b"kept") == b"kept"
    assert (await acts(database)).count("move_switched") == 1


async def test_a_copy_that_loses_its_lock_stops_at_the_object_it_is_at(
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    new: str,
    tmp_path: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(copying, "AT_ONCE", 2)
    async with open_at(old) as runtime:
        for content in (b"first", b"second", b"third", b"fourth"):
            await storing(runtime)(content)
        moves, copy = moves_of(runtime), ObjectCopier.copy

        async def copy_and_lose(copier: ObjectCopier, wanted: CopySource) -> bytes:
            made = await copy(copier, wanted)
            await fetch(database, HELD)
            return made

        monkeypatch.setattr(ObjectCopier, "copy", copy_and_lose)
        async with only_run(runtime.db) as lock:
            with pytest.raises(MoveRefused, match="was lost: say it again"):
                await MoveService(replace(moves, lock=lock)).copy(new, archives=False)

    assert 1 <= len(objects(tmp_path / "new")) <= 2


async def test_what_a_move_left_is_not_deleted_any_further_by_who_lost_the_lock(
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    new: str,
    tmp_path: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emptying, "PAGE", 1)
    async with open_at(old, inspects=False) as runtime:
        for content in (b"first", b"second", b"third"):
            await storing(runtime)(content)
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        await SwitchService(moves).switch()
    async with open_at(new) as runtime, only_run(runtime.db) as lock:
        service, note = EmptyService(replace(moves_of(runtime), lock=lock)), EmptyService._delete_rows  # noqa: SLF001

        async def note_and_lose(service: EmptyService, move: StoreMove, keys: Sequence[str]) -> None:
            await note(service, move, keys)
            await fetch(database, HELD)

        monkeypatch.setattr(EmptyService, "_delete_rows", note_and_lose)
        with pytest.raises(MoveRefused, match="was lost: say it again"):
            await service.empty((await service.find())[0])

    assert len(objects(tmp_path / "old")) == 2
