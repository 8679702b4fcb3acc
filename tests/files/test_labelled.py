"""What files cost that have no labels, and what stands in the way of a hash that is another label's."""

import json
from uuid import UUID

from media_analysis.files.filters import FileFilter
from media_analysis.files.labelled import lists_of_files
from media_analysis.labels import parse_filters
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, execute, fetch
from tests.reused import CONNECTIONS

CHANGES = (
    "UPDATE media_files SET expires_at = now() + interval '1 hour', due_at = now() + interval '1 hour'",
    "DELETE FROM media_files",
)


async def called(database: str, statement: str) -> set[str]:
    """Return the triggers that a statement calls, which is taken back."""
    async with CONNECTIONS.lend(database) as connection:
        transaction = connection.transaction()
        await transaction.start()
        told = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}"))
        await transaction.rollback()
    return {trigger["Trigger Name"] for trigger in told[0]["Triggers"]}


async def test_only_files_with_labels_call_what_keeps_their_rows(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    file = await store_file()
    without = [await called(database, change) for change in CHANGES]
    await runtime.files.catalog.change(file.id, owner="alice", relabel=lambda _: {"event": "evt42"})

    having = [await called(database, change) for change in CHANGES]

    kept_by = [{"index_labels_on_update"}, {"index_labels_on_delete"}]
    assert [all_of & own for all_of, own in zip(without, kept_by, strict=True)] == [set(), set()]
    assert [all_of & own for all_of, own in zip(having, kept_by, strict=True)] == kept_by


async def test_a_hash_that_is_another_labels_finds_nothing(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    file = await store_file()
    wanted = FileFilter(owner="alice", labels=parse_filters(["event:evt42"]))
    await execute(
        database,
        f"""INSERT INTO file_labels VALUES (label_list('alice', '{file.category}', 'stored', 'event:evt42'),
            label_list('', '{file.category}', 'stored', 'event:evt42'), '{file.id}', 'infinity')""",
    )

    page = await runtime.files.catalog.list(wanted, after=None, limit=10)

    assert await fetch(database, "SELECT FROM file_labels") != []
    assert page.files == []
    await execute(database, "DELETE FROM file_labels")


async def test_a_list_by_several_labels_is_read_along_the_rarest(runtime: Runtime, store_file: StoreFile) -> None:
    files = [await store_file() for _ in range(3)]

    async def label(file_id: UUID, **labels: str) -> None:
        await runtime.files.catalog.change(file_id, owner="alice", relabel=lambda _: labels)

    for number, file in enumerate(files):
        await label(file.id, camera="north", **({"event": "evt42"} if number == 1 else {}))
    asked = parse_filters(["!project", "camera:north", "event", "camera"])
    lists = lists_of_files("alice", Category, FileState.STORED)

    assert list(map(str, await lists.rarest_first(runtime.db.driver.reads, asked))) == [
        "event",
        "!project",
        "camera:north",
        "camera",
    ]
