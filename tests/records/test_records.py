"""Every record of the service's own ends, and nothing that is still needed does (promise 48)."""

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, add_pause
from media_analysis.errors import DeletionPaused
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.control import NewJob
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.conftest import Client, StoreFile, chunks, execute, fetch
from tests.disks import disk_of
from tests.retention.conftest import sweep

DAY = timedelta(days=1)
FILES = "/api/v1/files"


async def in_days(runtime: Runtime, days: float) -> datetime:
    return await runtime.db.now() + days * DAY


async def ended(runtime: Runtime, days: float, **options: Any) -> Mapping[str, int]:
    """End records as they would be so many days from now; return what ended, and how much of it.

    Sessions stay, by which the tests ask, and so do the days of the ledger, of which there always are some.
    """
    lives = {**runtime.records.lives, "sessions": None, "ledger_days": None, **options.pop("lives", {})}
    told = await replace(runtime.records, lives=lives, **options).end(now=await in_days(runtime, days))
    return {name: records for name, records in told.items() if records and name != "events"}


async def count(database: str, table: str) -> int:
    return int((await fetch(database, f"SELECT count(*) FROM {table}"))[0][0])


@pytest.fixture
async def deleted(runtime: Runtime, store_file: StoreFile) -> MediaFile:
    """A file that is gone, with its bytes."""
    file = await store_file()
    await delete_file(runtime, file.id, owner="alice", actor="alice")
    return file


async def test_a_deleted_file_is_410_while_its_tombstone_lives_and_404_from_then_on(
    client: Client, runtime: Runtime, database: str
) -> None:
    file = await client.upload()
    await client.request("DELETE", f"{FILES}/{file['id']}")
    at = f"{FILES}/{file['id']}"

    early = await ended(runtime, 399)
    gone = [(await client.request("GET", f"{at}{path}")).status_code for path in ("", "/content", "/retention")]
    late = await ended(runtime, 401)
    unknown = [(await client.request("GET", f"{at}{path}")).status_code for path in ("", "/content", "/retention")]

    assert (early, gone) == ({"purges": 1}, [410, 410, 200])
    assert (late, unknown) == ({"tombstones": 1, "audit": 1}, [404, 404, 404])
    assert [
        row["name"]
        for row in await fetch(database, "SELECT name FROM record_ends WHERE name <> 'events' ORDER BY name")
    ] == [
        "audit",
        "purges",
        "tombstones",
    ]
    assert (await client.request("GET", "/api/v1/deletions")).json()["items"] == []


async def test_bytes_of_which_the_outbox_entry_ended_are_told_as_gone(
    client: Client, runtime: Runtime, deleted: MediaFile
) -> None:
    await ended(runtime, 8)

    (told,) = (await client.request("GET", "/api/v1/deletions")).json()["items"]
    explained = (await client.request("GET", f"{FILES}/{deleted.id}/retention")).json()

    assert told["purged"]
    assert explained["state"] == "purged"


async def test_what_still_has_to_go_keeps_its_entry_and_its_tombstone(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    file = await store_file()
    await runtime.deletion.pauses.pause(category=None, reason="a backup", by="admin")
    await delete_file(runtime, file.id, owner="alice", actor="alice")

    told = await ended(runtime, 1_000)

    assert (told, await count(database, "tombstones")) == ({"audit": 1}, 1), "that of the pause"
    assert (disk_of(runtime.store).root / file.key).exists()


async def test_a_tombstone_stays_while_an_archive_has_its_file(
    runtime: Runtime, deleted: MediaFile, database: str
) -> None:
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="external", source_file_ids=()))
    await execute(
        database,
        "INSERT INTO archived_files (file_id, archive_id, job_id, owner, name, category, filename, media_type,"
        " size_bytes, sha256, created_at, stored_at, expiry_explicit, frame_offset, skip_bytes)"
        f" SELECT id, id, '{job.id}', owner, 'n', category, filename, media_type, size_bytes, sha256, created_at,"
        " created_at, false, 0, 0 FROM tombstones",
    )

    needed = await ended(runtime, 5_000)
    await execute(database, "DELETE FROM archived_files")
    free = await ended(runtime, 5_000)

    assert (needed, free) == ({"purges": 1}, {"tombstones": 1, "audit": 1})


async def test_a_deleted_job_is_410_while_its_summary_lives_and_404_from_then_on(
    client: Client, runtime: Runtime
) -> None:
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="external", source_file_ids=()))
    answer = await client.request("DELETE", f"/api/v1/jobs/{job.id}", by="admin", params={"strategy": "hard"})
    assert answer.status_code == 200, answer.text

    early = await ended(runtime, 399)
    gone = (await client.request("GET", f"/api/v1/jobs/{job.id}")).status_code
    late = await ended(runtime, 401)

    assert (early, gone) == ({}, 410)
    assert late == {"deleted_jobs": 1, "jobs": 1, "audit": 1}
    assert (await client.request("GET", f"/api/v1/jobs/{job.id}")).status_code == 404


async def test_records_end_in_batches_by_two_services_at_once(
    runtime: Runtime, settings: Settings, store_file: StoreFile, database: str
) -> None:
    for _ in range(5):
        file = await store_file()
        await delete_file(runtime, file.id, owner="alice", actor="alice")
    kept = await store_file()

    async with open_runtime(settings, database) as other:
        both = await asyncio.gather(*(ended(one, 500, batch=2) for one in (runtime, other)))

    sums = {name: sum(told.get(name, 0) for told in both) for name in ("purges", "tombstones", "audit")}
    ends = "SELECT name, records FROM record_ends WHERE name <> 'events'"
    told = {row["name"]: row["records"] for row in await fetch(database, ends)}
    assert sums == {"purges": 5, "tombstones": 5, "audit": 5}
    assert told == sums
    assert (await runtime.files.catalog.get(kept.id, owner="alice")).id == kept.id


async def test_a_rehearsal_counts_what_would_end_and_changes_nothing(
    runtime: Runtime, deleted: MediaFile, database: str
) -> None:
    at = await in_days(runtime, 500)

    rehearsed = await replace(runtime.records, batch=1).rehearse(now=at)

    told = {name: records for name, records in rehearsed.items() if records}
    assert told == {"purges": 1, "tombstones": 1, "ledger_days": 1, "events": 2}
    assert await count(database, "tombstones") == 1


async def test_what_is_told_of_a_living_file_stays_as_long_as_the_file(
    client: Client, runtime: Runtime, store_file: StoreFile
) -> None:
    file = await store_file(category=Category.OUTPUTS)
    await runtime.retention.holds.hold_file(
        file.id, HoldRequest(until=None, reason="court", actor="alice"), owner="alice"
    )
    before = (await client.request("GET", f"{FILES}/{file.id}/retention")).json()

    told = await ended(runtime, 5_000, batch=1)

    assert told == {}
    assert (await client.request("GET", f"{FILES}/{file.id}/retention")).json() == before


async def test_sweeps_that_found_nothing_end_before_those_that_took_something(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await store_file(ttl=1)
    await sweep(runtime, now=await in_days(runtime, 1))
    for _ in range(3):
        await sweep(runtime)

    idle = (await ended(runtime, 9))["idle_sweeps"]
    rest = await ended(runtime, 300)
    last = await ended(runtime, 402)

    assert idle == 3
    assert "sweeps" not in rest
    assert last["sweeps"] == 1
    assert await count(database, "sweeps") == 0


async def test_the_policy_that_was_put_in_force_last_is_never_forgotten(runtime: Runtime, database: str) -> None:
    await runtime.db.now()

    await ended(runtime, 5_000)

    assert [row["action"] for row in await fetch(database, "SELECT action FROM audit_events")] == ["policy_activated"]


async def test_an_upload_can_be_asked_for_again_until_its_key_ends(runtime: Runtime, database: str) -> None:
    upload = Upload(owner="alice", category=Category.UPLOADS, filename="a", idempotency_key="once")
    await runtime.files.uploads.store_file(upload, chunks(b"a"))

    early = await ended(runtime, 0.9)
    late = await ended(runtime, 1.1)

    assert (early, late) == ({}, {"idempotency_keys": 1})


async def test_a_clock_that_is_not_to_be_trusted_ends_no_record(
    runtime: Runtime, deleted: MediaFile, database: str
) -> None:
    async with runtime.db.transaction() as session:
        await add_pause(session, None, PauseFinding(cause=PauseCause.CLOCK, reason="it jumped"), by="clock")

    with pytest.raises(DeletionPaused):
        await ended(runtime, 5_000)

    assert await count(database, "tombstones") == 1


async def test_nobody_else_removes_an_audit_event(runtime: Runtime, deleted: MediaFile, database: str) -> None:
    for statement in ("DELETE FROM audit_events", "TRUNCATE audit_events", "UPDATE audit_events SET actor = 'x'"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await execute(database, statement)
