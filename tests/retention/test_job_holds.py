"""Holds and new ends of whole jobs: they reach every file there is, or comes, and nothing else."""

import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from media_analysis.errors import AdminRequired, FileHeld, InvalidRequest, JobGone, JobNotFound
from media_analysis.files.expiry import Expiry
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.conftest import StoreFile, execute, fetch
from tests.files.conftest import registration
from tests.retention.conftest import FUTURE, Plant, buried, living, sweep
from tests.retention.jobs import add_job, assign, events, facts_of

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def asked(actor: str = "alice", until: datetime | None = None) -> HoldRequest:
    return HoldRequest(actor=actor, reason="audit", until=until)


@pytest.fixture
async def job_id(database: str, runtime: Runtime) -> UUID:
    return await add_job(database)


async def test_a_held_job_keeps_all_its_files_until_it_is_released(
    runtime: Runtime, plant: Plant, database: str, job_id: UUID
) -> None:
    files, others = await plant(3, ends_in=FUTURE), await plant(2, ends_in=FUTURE)
    await assign(database, job_id, *files)
    later = await runtime.db.now() + DAY

    hold, count = await runtime.retention.holds.hold_job(job_id, asked(), owner="alice")
    held = await facts_of(database, files[0])
    kept = await sweep(runtime, now=later)
    with pytest.raises(FileHeld):
        await delete_file(runtime, files[0], owner=None, actor="admin", hard=True)
    await runtime.retention.holds.release_job(job_id, owner="alice", actor="alice")
    released = await facts_of(database, files[0])
    gone = await sweep(runtime, now=later)

    assert (hold.ends_at, count, kept.files) == (None, 3, 2)
    assert (held["due_at"], held["held_until"], held["version"]) == (None, None, 2)
    assert (released["due_at"], released["job_held_until"]) == (released["expires_at"], None)
    assert gone.files == 3
    assert await buried(database) == {*files, *others}


async def test_a_job_hold_with_an_end_lets_its_files_go_when_it_ends(
    runtime: Runtime, plant: Plant, database: str, job_id: UUID
) -> None:
    files = await plant(2, ends_in=FUTURE)
    await assign(database, job_id, *files)
    until = await runtime.db.now() + DAY

    await runtime.retention.holds.hold_job(job_id, asked(until=until), owner="alice")
    early = await sweep(runtime, now=until - timedelta(microseconds=1))
    due = await sweep(runtime, now=until)

    assert (early.files, due.files) == (0, 2)


async def test_a_file_and_its_job_are_released_each_from_its_own_hold(
    runtime: Runtime, plant: Plant, database: str, job_id: UUID
) -> None:
    first, second = await plant(2, ends_in=FUTURE)
    await assign(database, job_id, first, second)
    later = await runtime.db.now() + DAY
    for file_id in (first, second):
        await runtime.retention.holds.hold_file(file_id, asked(), owner="alice")
    await runtime.retention.holds.hold_job(job_id, asked(), owner="alice")

    await runtime.retention.holds.release_file(second, owner="alice", actor="alice")
    while_both = await facts_of(database, second)
    await runtime.retention.holds.release_job(job_id, owner="alice", actor="alice")

    assert (while_both["held_until"], while_both["due_at"]) == (None, None)
    assert (await sweep(runtime, now=later)).files == 1
    assert await living(database) == {first}


async def test_an_upload_into_a_held_job_is_held_from_its_first_moment(
    runtime: Runtime, store_file: StoreFile, database: str, job_id: UUID
) -> None:
    await runtime.retention.holds.hold_job(job_id, asked(), owner="alice")

    stored = await store_file(job_id=job_id, ttl=60)
    swept = await sweep(runtime, now=await runtime.db.now() + DAY)

    assert (await facts_of(database, stored.id))["due_at"] is None
    assert swept.files == 0


async def test_an_upload_into_a_job_held_for_a_while_is_due_when_the_hold_ends(
    runtime: Runtime, store_file: StoreFile, database: str, job_id: UUID
) -> None:
    until = await runtime.db.now() + DAY
    await runtime.retention.holds.hold_job(job_id, asked(until=until), owner="alice")

    stored = await store_file(job_id=job_id, ttl=60)

    assert (await facts_of(database, stored.id))["due_at"] == until


async def test_an_upload_given_up_in_a_held_job_is_cleared_all_the_same(
    runtime: Runtime, database: str, job_id: UUID
) -> None:
    pending = registration(job_id=job_id)
    await runtime.upload_transactions.register(pending)

    _, count = await runtime.retention.holds.hold_job(job_id, asked(), owner="alice")
    row = await facts_of(database, pending.id)
    await execute(database, "UPDATE media_files SET due_at = now() - interval '1 s'")
    await sweep(runtime)

    assert (count, row["version"]) == (1, 2)
    assert row["due_at"] is not None
    assert await buried(database) == {pending.id}


async def test_a_job_is_held_and_released_by_those_who_may(runtime: Runtime, database: str, job_id: UUID) -> None:
    now = await runtime.db.now()

    with pytest.raises(JobNotFound):
        await runtime.retention.holds.hold_job(job_id, asked("bob"), owner="bob")
    with pytest.raises(InvalidRequest):
        await runtime.retention.holds.hold_job(job_id, asked(until=now), owner="alice")
    await runtime.retention.holds.hold_job(job_id, asked("admin"), owner=None)
    with pytest.raises(AdminRequired):
        await runtime.retention.holds.release_job(job_id, owner="alice", actor="alice")
    await runtime.retention.holds.release_job(job_id, owner=None, actor="admin")
    await runtime.retention.holds.release_job(job_id, owner="alice", actor="alice")
    await execute(database, "UPDATE analysis_jobs SET deleted_at = now()")
    with pytest.raises(JobGone):
        await runtime.retention.holds.release_job(job_id, owner="alice", actor="alice")

    told = [(event["actor"], event["action"], event["reason"]) for event in await events(database, job_id=job_id)]
    assert told == [("admin", "held", "audit"), ("admin", "released", "audit")]


async def test_a_new_end_of_a_job_moves_its_living_stored_files_and_no_others(
    runtime: Runtime, plant: Plant, database: str, job_id: UUID
) -> None:
    living_one, held, trashed, foreign = await plant(4, ends_in=FUTURE, explicit=False)
    (expired,) = await plant(1)
    await assign(database, job_id, living_one, held, expired)
    await runtime.retention.holds.hold_file(held, asked(), owner="alice")
    untouched = [await facts_of(database, file_id) for file_id in (expired, foreign, trashed)]
    now = await runtime.db.now()

    ends_at, files = await runtime.retention.holds.extend_job(
        job_id, Expiry(lifetime=DAY), owner="alice", actor="alice", now=now
    )

    rows = [await facts_of(database, file_id) for file_id in (living_one, held)]
    (job,) = await fetch(database, "SELECT expires_at FROM analysis_jobs")
    assert (ends_at, files, job["expires_at"]) == (now + DAY, 2, now + DAY)
    assert [(row["expires_at"], row["expiry_explicit"], row["version"]) for row in rows] == [
        (now + DAY, True, 2),
        (now + DAY, True, 3),
    ]
    assert [row["due_at"] for row in rows] == [now + DAY, None]
    assert [await facts_of(database, file_id) for file_id in (expired, foreign, trashed)] == untouched


async def test_a_job_kept_for_good_takes_its_files_off_the_calendar(
    runtime: Runtime, plant: Plant, database: str, job_id: UUID
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE)
    await assign(database, job_id, file_id)

    await runtime.retention.holds.extend_job(job_id, Expiry(), owner="alice", actor="alice")

    row = await facts_of(database, file_id)
    assert (row["expires_at"], row["due_at"]) == (None, None)


async def test_a_new_end_is_told_of_the_job_and_of_each_file(
    runtime: Runtime, plant: Plant, database: str, job_id: UUID
) -> None:
    files = await plant(3, ends_in=FUTURE)
    await assign(database, job_id, *files)
    ends_at = await runtime.db.now() + DAY

    await runtime.retention.holds.extend_job(job_id, Expiry(at=ends_at), owner=None, actor="admin")

    of_job, *of_files = await events(database, job_id=job_id)
    assert json.loads(of_job["told"]) == {"expires_at": ends_at.isoformat(), "files": 3}
    assert of_job["file_id"] is None
    assert {event["file_id"] for event in of_files} == set(files)
    assert {event["told"] for event in of_files} == {json.dumps({"expires_at": ends_at.isoformat()})}
    assert {(event["actor"], event["action"], event["owner"]) for event in of_files} == {("admin", "extended", "alice")}
    with pytest.raises(JobNotFound):
        await runtime.retention.holds.extend_job(job_id, Expiry(), owner="bob", actor="bob")
