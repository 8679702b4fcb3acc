"""A source that a switch closed is opened again where that fails, or it is said that it stays closed."""

import sys
from pathlib import Path
from unittest.mock import Mock

import pytest

from media_analysis import cli
from media_analysis.errors import MarkerMismatch
from media_analysis.moves.opened import OpenMove
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.storage.marker import Marker, read_marker
from tests.conftest import storing
from tests.moves.conftest import MovesOf, OpenAt
from tests.replication.test_copying import unmount


async def test_a_target_that_goes_while_the_source_is_closed_leaves_the_store_open(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_at(old) as runtime:
        await storing(runtime)(b"kept")
        moves, close = moves_of(runtime), OpenMove.close_source
        await MoveService(moves).copy(new, archives=False)

        async def close_then_lose(opened: OpenMove) -> None:
            await close(opened)
            unmount(tmp_path / "new")

        monkeypatch.setattr(OpenMove, "close_source", close_then_lose)
        with pytest.raises(MarkerMismatch):
            await SwitchService(moves).switch()

        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id)
        await storing(runtime)(b"goes on")


async def test_a_source_that_cannot_be_opened_again_is_told_beside_what_ended_the_switch(
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    new: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with open_at(old) as runtime:
        moves, close = moves_of(runtime), OpenMove.close_source
        await MoveService(moves).copy(new, archives=False)

        async def close_then_lose_both(opened: OpenMove) -> None:
            await close(opened)
            unmount(tmp_path / "new")
            (tmp_path / "old").rename(tmp_path / "away")

        with monkeypatch.context() as patch:
            patch.setattr(OpenMove, "close_source", close_then_lose_both)
            with pytest.raises(MarkerMismatch, match="does not carry") as refused:
                await SwitchService(moves).switch()
            patch.setattr(cli, "app", Mock(side_effect=refused.value))
            patch.setattr(sys, "argv", ["media-analysis", "store", "switch"])
            with pytest.raises(SystemExit):
                cli.main()

        said = capsys.readouterr().err
        assert str(refused.value) in said
        assert f"{old} stays closed, for it could not be opened again" in said
        assert "store cancel opens it" in said
        (tmp_path / "away").rename(tmp_path / "old")
        await MoveService(moves).cancel()
        await storing(runtime)(b"goes on")
