"""A target or a source without room in the midst of a move: said clearly, nothing lost, goes on once there is some."""

import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from media_analysis.errors import MarkerMismatch
from media_analysis.errors.moves import MoveRefused
from media_analysis.moves.opened import MoveContext, OpenMove
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from media_analysis.storage.marker import MARKER_NAME, Marker, read_marker
from tests.conftest import storing
from tests.moves.conftest import MovesOf, OpenAt
from tests.moves.test_service import objects, read
from tests.s3 import ENVIRONMENT, new_bucket
from tests.storage.remote.proxy import Answer, spoiling_proxy
from tests.storage.test_disk_faults import small_disk

LARGE = os.urandom(2 * 2**20)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    """A disk that takes one large file and not two."""
    with small_disk(tmp_path / "small", mebibytes=4) as root:
        yield root


async def test_a_disk_that_is_full_in_the_midst_of_a_move_stops_it_until_there_is_room(
    open_at: OpenAt, moves_of: MovesOf, old: str, small: Path, tmp_path: Path
) -> None:
    new, filler = small.as_uri(), small / "filler"
    async with open_at(old, inspects=False) as runtime:
        moves = moves_of(runtime)
        first = await storing(runtime)(b"first")
        await MoveService(moves).copy(new, archives=False)
        large = await storing(runtime)(LARGE)
        filler.write_bytes(bytes(3 * 2**20))

        for step in (partial(MoveService(moves).copy, new, archives=False), SwitchService(moves).switch):
            with pytest.raises(MoveRefused, match=f"{new} is full: make room there, and say it again"):
                await step()
        assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id)
        await storing(runtime)(b"goes on")
        filler.unlink()
        await MoveService(moves).copy(new, archives=False)
        await SwitchService(moves).switch()
    async with open_at(new) as runtime:
        assert await read(runtime, first.key, b"first") == b"first"
        assert await read(runtime, large.key, LARGE) == LARGE
        assert len(objects(small)) == 3


@pytest.mark.s3
@pytest.mark.parametrize(
    "answer",
    [
        (b"403 Forbidden", b"<Error><Code>QuotaExceeded</Code></Error>"),
        (b"507 Insufficient Storage", b"<Error><Code>InsufficientStorage</Code></Error>"),
    ],
    ids=["403", "507"],
)
async def test_a_bucket_whose_quota_is_reached_in_the_midst_of_a_move_stops_it_until_there_is_room(
    answer: Answer, open_at: OpenAt, moves_of: MovesOf, old: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for prefix in ("", "MOVE_"):
        for name, value in ENVIRONMENT.items():
            monkeypatch.setenv(prefix + name, value)
    async with new_bucket() as bucket, spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as proxy:
        new = str(replace(bucket, prefix="media"))
        async with open_at(old, inspects=False) as runtime:
            moves = moves_of(runtime)
            await storing(runtime)(b"first")
            await MoveService(moves).copy(new, archives=False)
            files = [await storing(runtime)(content) for content in (b"second", os.urandom(17 * 2**20))]
            monkeypatch.setenv("MOVE_AWS_ENDPOINT_URL", proxy.url)
            for step in (partial(MoveService(moves).copy, new, archives=False), SwitchService(moves).switch):
                proxy.answer(answer, b"/uploads/", times=1_000)
                with pytest.raises(MoveRefused, match=f"{new} is full: make room there, and say it again"):
                    await step()
            assert read_marker(tmp_path / "old") == Marker(runtime.store.instance_id)
            proxy.calm()
            await MoveService(moves).copy(new, archives=False)
            await SwitchService(moves).switch()
        async with open_at(new, inspects=False) as runtime:
            for file in files:
                found = await runtime.store.read(file.key, size_bytes=file.size_bytes or 0)
                assert len(found) == file.size_bytes


def fill(root: Path) -> Path:
    """Leave no byte free on a disk, and return what does."""
    filler = root / "clips"  # which verify would find, and a store's disk shares with others
    filler.mkdir(exist_ok=True)
    with (filler / "filler").open("ab", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler / "filler"


async def test_a_source_that_is_full_is_not_closed_and_is_switched_once_there_is_room(
    open_at: OpenAt, moves_of: MovesOf, new: str, small: Path
) -> None:
    async with open_at(small.as_uri(), inspects=False) as runtime:
        file, moves = await storing(runtime)(b"kept"), moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        filler = fill(small)

        with pytest.raises(
            MoveRefused, match=f"{small.as_uri()} is full, and cannot be marked: make room there, and say it again"
        ):
            await SwitchService(moves).switch()

        assert read_marker(small) == Marker(runtime.store.instance_id)
        filler.unlink()
        await storing(runtime)(b"goes on")
        await SwitchService(moves).switch()
    async with open_at(new) as runtime:
        assert await read(runtime, file.key, b"kept") == b"kept"


@pytest.mark.parametrize("ends", ["fails", "is killed"])
async def test_a_source_that_is_full_by_the_time_a_switch_ends_in_vain_is_opened_again(
    ends: str,
    open_at: OpenAt,
    moves_of: MovesOf,
    new: str,
    small: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_at(small.as_uri(), inspects=False) as runtime:
        moves, close = moves_of(runtime), OpenMove.close_source
        await MoveService(moves).copy(new, archives=False)

        async def close_and_fill(opened: OpenMove) -> None:
            await close(opened)
            fill(small)
            (tmp_path / "new" / MARKER_NAME).unlink()

        monkeypatch.setattr(OpenMove, "close_source", close_and_fill)
        if ends == "is killed":
            monkeypatch.setattr(MoveContext, "reopen_source", nothing)
        with pytest.raises(MarkerMismatch):
            await SwitchService(moves).switch()
        if ends == "is killed":
            monkeypatch.undo()
            assert read_marker(small) == Marker(runtime.store.instance_id, moved_to=new)
            await MoveService(moves).cancel()

        assert read_marker(small) == Marker(runtime.store.instance_id)


async def nothing(*_: object) -> bool:
    return False
