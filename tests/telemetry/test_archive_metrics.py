"""Metrics of archives: what became of tasks here, and how archiving stands wherever it runs."""

from pathlib import Path
from uuid import UUID

from media_analysis.archive.models import ArchiveTask, ArchiveTaskKind, ArchiveTaskStatus
from media_analysis.runtime import Runtime, open_runtime
from tests.archive.archived import CONTENTS, Run, archive, make_run, restore
from tests.conftest import Client, execute, fetch
from tests.disks import disk_of
from tests.telemetry.test_metrics import scrape

RUN_BYTES = sum(map(len, CONTENTS.values()))
FAILURE = 'archive_failures{kind="archive",reason="object_missing"}'


def take_away(runtime: Runtime, run: Run) -> Path:
    """Move the bytes of a file of the run aside."""
    path = disk_of(runtime.store).path_of(run.files["run.log"].key)
    return path.rename(path.with_suffix(".away"))


async def test_archives_are_told_before_anything_was_archived(client: Client) -> None:
    samples = await scrape(client)

    assert samples['archive_tasks_total{kind="archive",reason="",status="completed"}'] == 0
    assert samples['archive_tasks_open{kind="restore",status="running"}'] == 0
    assert samples['archive_seconds_count{kind="archive"}'] == 0
    assert samples["archive_oldest_due_seconds"] == samples["archives_damaged"] == 0
    assert not [name for name in samples if name.startswith("archive_failures")]


async def test_what_was_archived_and_restored_is_counted_with_what_it_shrank_to(
    client: Client, runtime: Runtime
) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    archived = await scrape(client)
    await restore(runtime, run.id)

    restored = await scrape(client)

    for kind in ("archive", "restore"):
        assert restored[f'archive_tasks_total{{kind="{kind}",reason="",status="completed"}}'] == 1
        assert restored[f'archive_seconds_count{{kind="{kind}"}}'] == 1
    jpeg, text = (
        [archived[f'archive_bytes_total{{media_type="{media_type}",side="{side}"}}'] for side in ("packed", "raw")]
        for media_type in ("image/jpeg", "text/plain")
    )
    assert sum([jpeg[1], text[1]]) == RUN_BYTES
    assert jpeg[0] >= jpeg[1]
    assert text[0] < text[1] / 10


async def test_active_and_archived_bytes_are_told_apart(client: Client, runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    before = await scrape(client)
    await archive(runtime, run.id)

    after = await scrape(client)

    (segment,) = await fetch(database, "SELECT size_bytes FROM media_files WHERE role = 'archive'")
    assert before['storage_life_bytes{life="active"}'] - after['storage_life_bytes{life="active"}'] == RUN_BYTES
    assert before['storage_life_bytes{life="archived"}'] == after['storage_life_bytes{life="trashed"}'] == 0
    assert after['storage_life_bytes{life="archived"}'] == segment["size_bytes"]
    assert after['storage_life_files{life="archived"}'] == 1
    assert after["archive_original_bytes"] == RUN_BYTES
    assert after["archive_original_files"] == len(CONTENTS)


async def test_a_failure_is_told_with_its_reason_until_it_was_made_good(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    away = take_away(runtime, run)
    await archive(runtime, run.id)
    failed = await scrape(client)
    away.rename(away.with_suffix(disk_of(runtime.store).path_of(run.files["run.log"].key).suffix))
    await archive(runtime, run.id)

    mended = await scrape(client)

    assert failed['archive_tasks_total{kind="archive",reason="object_missing",status="failed"}'] == 1
    assert failed[FAILURE] == 1
    assert FAILURE not in mended
    assert mended['archive_tasks_total{kind="archive",reason="object_missing",status="failed"}'] == 1


async def test_what_another_process_did_is_told_from_the_database(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    away = take_away(runtime, run)
    async with open_runtime(runtime.settings, str(runtime.settings.database.url.get_secret_value())) as other:  # type: ignore[union-attr]
        await archive(other, run.id)
    waiting = await make_run(runtime)
    await runtime.archives.requests.request_archive(waiting.id, owner=None, actor="test")

    samples = await scrape(client)

    away.rename(away.with_suffix(disk_of(runtime.store).path_of(run.files["run.log"].key).suffix))
    assert samples[FAILURE] == 1
    assert samples['archive_tasks_open{kind="archive",status="pending"}'] == 1
    assert 'archive_tasks_total{kind="archive",reason="object_missing",status="failed"}' not in samples


async def test_archives_a_scrub_found_damaged_are_counted(client: Client, runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    await execute(database, "UPDATE media_files SET last_error = 'bytes differ' WHERE role = 'archive'")

    samples = await scrape(client)

    await execute(database, "UPDATE media_files SET last_error = NULL")
    assert samples["archives_damaged"] == 1


async def test_media_types_that_clients_made_up_share_a_label(client: Client, runtime: Runtime) -> None:
    stats = {"media_types": {f"text/x-{n}": {"raw_bytes": 10, "packed_bytes": 1} for n in range(100)}}
    stats["media_types"]["nonsense"] = {"raw_bytes": 10, "packed_bytes": 1}
    task = ArchiveTask(
        id=UUID(int=1), kind=ArchiveTaskKind.ARCHIVE, status=ArchiveTaskStatus.COMPLETED, error_code=None, stats=stats
    )

    runtime.metrics.archives.observe(task)
    samples = await scrape(client)

    told = {name: value for name, value in samples.items() if name.startswith("archive_bytes_total")}
    assert told['archive_bytes_total{media_type="text/*",side="raw"}'] == 1000
    assert told['archive_bytes_total{media_type="*/*",side="raw"}'] == 10
    assert len(told) == 4
