"""Archives that are made, and restored, while a store is switched."""

from pathlib import Path
from typing import Any

import pytest

from media_analysis.archive import restoring
from media_analysis.archive.committing import Commit
from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.archive.unarchiving import bring_back
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from tests.archive.archived import archive, content_of, make_run, restore
from tests.conftest import fetch
from tests.moves.conftest import MovesOf, OpenAt
from tests.moves.test_service import objects


async def kept_keys(database: str) -> set[str]:
    return {row["key"] for row in await fetch(database, "SELECT key FROM media_files")}


async def test_a_run_that_is_archived_while_the_store_is_switched_is_whole_and_leaves_nothing(
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    new: str,
    tmp_path: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_at(old, inspects=False) as runtime:
        run = await make_run(runtime)
        moves, commit = moves_of(runtime), Commit.run
        await MoveService(moves).copy(new, archives=False)

        async def switch_first(*arguments: Any) -> Any:
            monkeypatch.setattr(Commit, "run", commit)
            await SwitchService(moves).switch()
            return await commit(*arguments)

        monkeypatch.setattr(Commit, "run", switch_first)
        task = await archive(runtime, run.id)
        assert task.status is ArchiveTaskStatus.FAILED
    async with open_at(new) as runtime:
        await runtime.deletion.deleter.finish_entries()
        assert objects(tmp_path / "new") == await kept_keys(database)
        assert (await archive(runtime, run.id)).status is ArchiveTaskStatus.COMPLETED
        await restore(runtime, run.id)
        for name, file in run.files.items():
            assert await content_of(runtime, file.id) == run.contents[name]


async def test_a_run_that_is_restored_while_the_store_is_switched_is_whole(
    open_at: OpenAt,
    moves_of: MovesOf,
    old: str,
    new: str,
    tmp_path: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with open_at(old, inspects=False) as runtime:
        run = await make_run(runtime)
        await archive(runtime, run.id)
        moves = moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)

        async def switch_first(*arguments: Any, **about: Any) -> None:
            monkeypatch.setattr(restoring, "bring_back", bring_back)
            await SwitchService(moves).switch()
            await bring_back(*arguments, **about)

        monkeypatch.setattr(restoring, "bring_back", switch_first)
        task = await restore(runtime, run.id)
        assert task.status is ArchiveTaskStatus.FAILED
    async with open_at(new) as runtime:
        await runtime.deletion.deleter.finish_entries()
        await restore(runtime, run.id)
        for name, file in run.files.items():
            assert await content_of(runtime, file.id) == run.contents[name]
        assert objects(tmp_path / "new") == await kept_keys(database)
