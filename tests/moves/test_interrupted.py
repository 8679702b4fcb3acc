"""A switch that is ended by ^C, at every point: what is left, and that the next command ends it."""

import asyncio
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from media_analysis.cli.exits import INTERRUPTED
from media_analysis.db.database import open_database
from media_analysis.errors import DatabaseUnavailable, MarkerMismatch
from media_analysis.errors.moves import MoveRefused
from media_analysis.failpoints import TRACE_VARIABLE
from media_analysis.moves import passes, statements, switching
from media_analysis.moves.opened import MoveContext
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.settings.postgres import database_options
from media_analysis.storage.marker import Marker, read_marker
from tests.cli.commands import READY_SECONDS, armed, run, running
from tests.conftest import fetch, storing
from tests.files.cutting_proxy import cutting_proxy
from tests.moves.conftest import MovesOf, OpenAt
from tests.moves.test_service import read


async def interrupt(moves: MoveContext, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin a switch, and end it at a failpoint as ^C does."""
    switch = asyncio.create_task(SwitchService(moves).switch())

    def reach(name: str) -> None:
        if name == point:
            switch.cancel()

    with monkeypatch.context() as patch:
        for module in (passes, switching):
            patch.setattr(module, "failpoint", reach)
        with pytest.raises(asyncio.CancelledError):
            await switch


@pytest.mark.parametrize(
    ("point", "end"), [("move.registered", "cancel"), ("move.closed", "switch"), ("move.left", "cancel")]
)
async def test_a_switch_that_is_interrupted_before_it_counts_leaves_the_store_open_and_goes_on_or_is_given_up(
    point: str,
    end: str,
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    new: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_at(old, inspects=False) as runtime:
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        file = await storing(runtime)(b"late")

        await interrupt(moves, point, monkeypatch)

        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id)
        since = await storing(runtime)(b"goes on")
        await (SwitchService(moves).switch() if end == "switch" else MoveService(moves).cancel())
    async with open_at(new if end == "switch" else old) as runtime:
        assert await read(runtime, file.key, b"late") == b"late"
        assert await read(runtime, since.key, b"goes on") == b"goes on"


async def test_a_switch_that_is_interrupted_while_the_database_settles_it_leaves_the_store_closed(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file, moves = await storing(runtime)(b"kept"), moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)

        async def interrupted(*_: object, **__: object) -> None:
            raise asyncio.CancelledError

        with monkeypatch.context() as patch:
            patch.setattr(statements, "delete_again", interrupted)
            with pytest.raises(asyncio.CancelledError):
                await SwitchService(moves).switch()

        with pytest.raises(MarkerMismatch, match="moved to"):
            await storing(runtime)(b"nobody knows where")
        await SwitchService(moves).switch()
    async with open_at(new) as runtime:
        assert await read(runtime, file.key, b"kept") == b"kept"


async def test_a_switch_that_is_interrupted_once_it_counts_is_ended_by_the_next(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file, moves = await storing(runtime)(b"kept"), moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)

        await interrupt(moves, "move.settled", monkeypatch)

        with pytest.raises(MoveRefused, match="no move is under way"):
            await MoveService(moves).cancel()
        await SwitchService(moves).switch()
        for end in (SwitchService(moves).switch, MoveService(moves).cancel):  # by who did not hear that it is over
            with pytest.raises(MoveRefused, match=f"no move is under way: the store is at {new} since 2"):
                await end()
    async with open_at(new) as runtime:
        assert await read(runtime, file.key, b"kept") == b"kept"


async def test_the_command_opens_the_store_again_when_it_is_interrupted(
    environment: dict[str, str], open_at: OpenAt, old: str, new: str, tmp_path: Path
) -> None:
    reached, beside = tmp_path / "reached", environment | {"STORAGE_URL": old}
    os.mkfifo(reached)
    async with open_at(old) as runtime:
        await storing(runtime)(b"kept")
        assert run("store", "move", "--to", new, **beside).returncode == 0
        with running(
            "store", "switch", printed=tmp_path / "said", **beside, **armed(TRACE_VARIABLE, reached)
        ) as switch:
            while "move.closed" not in await asyncio.to_thread(reached.read_text):
                pass
            assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id, moved_to=new)
            switch.process.send_signal(signal.SIGINT)
            with reached.open("rb+", buffering=0):  # so that it does not wait for a reader any more
                assert switch.process.wait(READY_SECONDS) == INTERRUPTED

        await storing(runtime)(b"goes on")


@pytest.mark.parametrize("delivered", [True, False])
async def test_a_switch_whose_end_the_database_did_not_answer_is_ended_by_the_next_whichever_it_was(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str, *, delivered: bool
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file, moves = await storing(runtime)(b"kept"), moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        options = replace(database_options(runtime.settings), deadline_seconds=6)
        async with cutting_proxy(database) as proxy, open_database(proxy.url, options) as far:
            proxy.arm(b"switched_at=now()", delivered=delivered, ends=True)
            with pytest.raises(DatabaseUnavailable):
                await SwitchService(replace(moves, db=far)).switch()
            assert proxy.cuts == 1

        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id, moved_to=new)
        ended = await fetch(database, "SELECT switched_at IS NOT NULL FROM store_moves")
        assert [row[0] for row in ended] == [delivered]
        await SwitchService(moves).switch()
    async with open_at(new) as runtime:
        assert await read(runtime, file.key, b"kept") == b"kept"


async def test_a_switch_that_loses_the_database_before_it_counts_is_given_up_like_any_other(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    async with open_at(old) as runtime:
        await storing(runtime)(b"kept")
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        options = replace(database_options(runtime.settings), deadline_seconds=6)
        async with cutting_proxy(database) as proxy, open_database(proxy.url, options) as far:
            proxy.arm(b"ON CONFLICT (move_id, key) DO NOTHING", ends=True)
            with pytest.raises(DatabaseUnavailable):
                await SwitchService(replace(moves, db=far)).switch()
            assert proxy.cuts == 1

        await MoveService(moves).cancel()
        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id)
        await storing(runtime)(b"goes on")
