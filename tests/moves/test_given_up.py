"""Moves that are given up after a switch closed the source: wherever the store is by then, the source opens again."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from media_analysis.errors import MarkerMismatch, StoreUnavailable
from media_analysis.errors.moves import MoveRefused
from media_analysis.moves import statements
from media_analysis.moves.opened import MoveContext
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.runtime import Runtime
from media_analysis.storage.marker import Marker, read_marker
from tests.archive.archived import archive, make_run
from tests.conftest import storing
from tests.moves.conftest import MovesOf, OpenAt
from tests.moves.test_service import read
from tests.replication.conftest import settled
from tests.replication.test_moving import moves_of as moves_beside
from tests.replication.test_opening import Open, opened

__all__ = ["opened"]


async def close_source(moves: MoveContext) -> None:
    """Leave what a switch leaves that is killed once it has closed the source."""
    async with moves.open_move(await MoveService(moves).find_under_way()) as move:
        await move.close_source()


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Where replicas lie."""
    return tmp_path / "second"


@asynccontextmanager
async def closed_by_a_switch(
    opened: Open, database: str, second: Path, new: str, *, archives: bool = False
) -> AsyncIterator[Runtime]:
    """Have a store with replicas closed, and go on with these as the store."""
    async with opened(STORAGE_REPLICA_URL=second.as_uri()) as runtime:
        await storing(runtime)(b"kept")
        if archives:
            await archive(runtime, (await make_run(runtime)).id)
        await settled(runtime, database)
        await MoveService(moves_beside(runtime)).copy(new, archives=archives)
        await close_source(moves_beside(runtime))
    async with opened(STORAGE_URL=second.as_uri()) as runtime:
        yield runtime


async def test_a_source_that_was_away_when_its_move_was_given_up_is_opened_when_that_is_said_again(
    opened: Open, database: str, second: Path, new: str, tmp_path: Path
) -> None:
    old, away = tmp_path / "var" / "store", tmp_path / "away"
    async with closed_by_a_switch(opened, database, second, new) as runtime:
        moves = MoveService(moves_beside(runtime))
        old.rename(away)

        given_up = await moves.cancel()
        with pytest.raises(MoveRefused, match="no move is under way"):
            await moves.cancel()
        away.rename(old)
        again = await moves.cancel()

        assert given_up.closed_because is not None
        assert "mounted" in given_up.closed_because
        assert (again.move.id, again.closed_because) == (given_up.move.id, None)
        assert read_marker(old) == Marker(runtime.store.instance_id)
        with pytest.raises(MoveRefused, match="no move is under way"):
            await moves.cancel()


async def test_a_source_that_archives_were_to_leave_has_them_again_wherever_the_store_is(
    opened: Open, database: str, second: Path, new: str, tmp_path: Path
) -> None:
    async with closed_by_a_switch(opened, database, second, new, archives=True) as runtime:
        given_up = await MoveService(moves_beside(runtime)).cancel()

        assert given_up.closed_because is None
        assert read_marker(tmp_path / "var" / "store") == Marker(runtime.store.instance_id)


async def test_a_source_that_was_left_since_is_not_opened(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file = await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        for _ in range(2):
            await MoveService(moves).copy(new, archives=False)
            await MoveService(moves).cancel()
        await MoveService(moves).copy(new, archives=False)
        await SwitchService(moves).switch()

        with pytest.raises(MoveRefused, match="no move is under way"):
            await MoveService(moves).cancel()

    with pytest.raises(MarkerMismatch, match="all was moved to"):
        await open_at(old).__aenter__()
    async with open_at(new) as runtime:
        assert await read(runtime, file.key, b"kept") == b"kept"


async def test_a_run_that_fails_after_another_one_switched_does_not_open_the_source(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_at(old, inspects=False) as runtime:
        await storing(runtime)(b"kept")
        moves, leave_unfinished = moves_of(runtime), statements.leave_unfinished
        await MoveService(moves).copy(new, archives=False)

        async def overtaken(*_: object) -> int:
            monkeypatch.setattr(statements, "leave_unfinished", leave_unfinished)
            await SwitchService(moves).switch()  # by a run that took this one's session for ended, and its lock with it
            raise StoreUnavailable("of the run before")

        monkeypatch.setattr(statements, "leave_unfinished", overtaken)
        with pytest.raises(StoreUnavailable, match="of the run before"):
            await SwitchService(moves).switch()

        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id, moved_to=new)
    async with open_at(new):
        pass


async def test_a_move_that_was_given_up_meanwhile_is_not_switched(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_at(old) as runtime:
        await storing(runtime)(b"kept")
        moves, list_failed = moves_of(runtime), statements.list_failed
        await MoveService(moves).copy(new, archives=False)
        asked = list[None]()

        async def given_up(*arguments: Any) -> Mapping[str, tuple[UUID | None, str]]:
            asked.append(None)
            if len(asked) == 2:  # within the transaction that settles
                await MoveService(moves).cancel()
            return await list_failed(*arguments)

        monkeypatch.setattr(statements, "list_failed", given_up)
        with pytest.raises(MoveRefused, match="another run"):
            await SwitchService(moves).switch()

        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id)
        await storing(runtime)(b"goes on")
    with pytest.raises(MarkerMismatch, match="still fills it"):
        await open_at(new).__aenter__()
