"""An archive counts only as far as our rows know it, however whole it is by itself."""

from uuid import UUID

from media_analysis.archive.models import ArchiveTaskStatus
from media_analysis.runtime import Runtime
from tests.archive.archived import archive, make_run, restore
from tests.conftest import execute, fetch
from tests.disks import disk_of


async def key_of(database: str, job_id: UUID) -> str:
    (row,) = await fetch(database, "SELECT key FROM media_files WHERE job_id = $1 AND role = 'archive'", job_id)
    return str(row["key"])


async def test_an_archive_that_is_whole_but_not_ours_is_not_restored(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    other = await make_run(runtime, {name: content[::-1] for name, content in run.contents.items()})
    await archive(runtime, run.id)
    await archive(runtime, other.id)
    key = await key_of(database, run.id)
    path = disk_of(runtime.store).path_of(key)
    own, foreign = path.read_bytes(), disk_of(runtime.store).path_of(await key_of(database, other.id)).read_bytes()

    async def replace(content: bytes) -> None:
        """Let it be of the size that its row says, or opening it would end here."""
        path.write_bytes(content)
        await execute(database, f"UPDATE media_files SET size_bytes = {len(content)} WHERE key = '{key}'")

    await replace(foreign)
    task = await restore(runtime, run.id)

    assert (task.status, task.error_code) == (ArchiveTaskStatus.FAILED, "archive_damaged")
    assert (await runtime.jobs.catalog.get(run.id, owner="alice"))[0].archived_at is not None
    await replace(own)
