"""Deletions that began before a store was switched, and end after it."""

import asyncio
from pathlib import Path

import asyncpg

from media_analysis.moves.emptying import EmptyService
from media_analysis.moves.service import MoveService
from media_analysis.moves.switching import SwitchService
from tests.asking import delete_file
from tests.conftest import execute, fetch, storing
from tests.files.conftest import eventually
from tests.moves.conftest import MovesOf, OpenAt
from tests.moves.test_service import objects

WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_a_deletion_that_is_written_down_after_the_switch_deletes_where_the_store_is_by_then(
    open_at: OpenAt, moves_of: MovesOf, old: str, new: str, tmp_path: Path, database: str
) -> None:
    async with open_at(old, inspects=False) as runtime:
        file, moves = await storing(runtime)(b"to go"), moves_of(runtime)
        await MoveService(moves).copy(new, archives=False)
        holding = await asyncpg.connect(database)
        transaction = holding.transaction()
        await transaction.start()
        await holding.execute("SELECT FROM media_files WHERE id = $1 FOR UPDATE", file.id)
        deleting = asyncio.create_task(delete_file(runtime, file.id, owner="alice", actor="alice"))

        async def waits() -> bool:
            return bool((await fetch(database, WAITING))[0][0])

        await eventually(waits)
        await SwitchService(moves).switch()
        await transaction.rollback()
        await holding.close()
        await deleting
        assert (await fetch(database, "SELECT count(*) FROM tombstones"))[0][0] == 1
        assert objects(tmp_path / "new") == objects(tmp_path / "old") == {file.key}
    async with open_at(new) as runtime:
        await execute(database, "UPDATE purges SET due_at = now() WHERE due_at IS NOT NULL")
        await runtime.deletion.deleter.finish_entries()
        assert objects(tmp_path / "new") == set()
        emptying = EmptyService(moves_of(runtime))
        await emptying.empty((await emptying.find())[0])
    assert objects(tmp_path / "old") == set()
