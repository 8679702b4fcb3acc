"""What a deletion left on the disk, as its answer and the list of deletions tell."""

from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.api.deletions import FRAMES, finished, remove_job
from tests.conftest import Client
from tests.disks import disk_of
from tests.files.conftest import objects


async def test_a_deletion_says_what_is_still_on_the_disk_and_where_that_is_seen(
    client: Client, runtime: Runtime
) -> None:
    job, frames = await finished(client, runtime)
    pause = await runtime.deletion.pauses.pause(category=Category.FRAMES, reason="backup", by="admin")

    told = await remove_job(client, job, by="admin", strategy="hard")
    left = await unpurged(client)
    await runtime.deletion.deleter.finish_entries()
    kept = objects(disk_of(runtime.store).root)
    await runtime.deletion.pauses.resume(pause.id, confirm=0, by="admin")
    await runtime.deletion.deleter.finish_entries()

    assert (told["pending"], told["remaining"]) == (True, {"files": FRAMES, "size_bytes": FRAMES})
    assert left == set(frames)
    assert len(kept) == FRAMES + 1
    assert len(objects(disk_of(runtime.store).root)) == 1
    assert await unpurged(client) == set()


async def unpurged(client: Client) -> set[str]:
    """Return the files whose bytes still have to go, as a list of deletions tells."""
    answer = await client.request("GET", "/api/v1/deletions", by="admin", params={"unpurged": "true"})
    return {item["file_id"] for item in answer.json()["items"]}
