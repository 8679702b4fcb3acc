"""The log has what happens to files and jobs, by whichever road, and each of it once."""

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

import pytest

from media_analysis.events.ending import level_of
from media_analysis.jobs.attempts.attempt import Failure
from media_analysis.jobs.control import NewJob
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from tests.asking import delete_file
from tests.claims import claim_job
from tests.conftest import Client, StoreFile, execute, fetch
from tests.retention.conftest import sweep

TOLD = """
    SELECT type, coalesce(file_id, job_id) AS id, number, data, at FROM events
    LEFT JOIN LATERAL unnest(file_ids) AS file_id ON true ORDER BY events.id
"""


async def types_of(database: str, about: UUID | str) -> list[str]:
    return [row["type"] for row in await fetch(database, TOLD) if str(row["id"]) == str(about)]


async def data_of(database: str, of_type: str) -> list[str]:
    return [row["data"] for row in await fetch(database, TOLD) if row["type"] == of_type]


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"DELETION_STRATEGY": "soft"}


async def test_the_life_of_a_file_is_told_step_by_step(client: Client, database: str) -> None:
    file = await client.upload()
    path = f"/api/v1/files/{file['id']}"
    await client.request("PATCH", path, json={"filename": "b", "labels": {"camera": "north"}})
    await client.request("PATCH", path, json={"filename": "b"})
    await client.request("PUT", f"{path}/hold", json={"reason": "evidence"})
    await client.request("DELETE", f"{path}/hold")
    await client.request("DELETE", path)
    await client.request("POST", f"{path}/restore")
    await client.request("DELETE", path, by="admin", params={"strategy": "hard"})

    assert await types_of(database, file["id"]) == [
        "file.stored",
        *["file.changed"] * 3,
        "file.trashed",
        "file.restored",
        "file.deleted",
    ]
    assert await data_of(database, "file.changed") == [
        '{"changed": ["filename", "labels"]}',
        *['{"changed": ["held_until"]}'] * 2,
    ]
    assert '"rule": "requested"' in (await data_of(database, "file.deleted"))[0]
    assert '"actor": "alice"' in (await data_of(database, "file.trashed"))[0]


async def test_what_goes_at_once_is_one_row_of_each_owner(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    for number in range(6):
        await store_file(owner="alice" if number % 2 else "bob", ttl=60)

    await sweep(runtime, now=await runtime.db.now() + timedelta(minutes=2))

    rows = await fetch(database, "SELECT owner, cardinality(file_ids) AS files FROM events WHERE type = 'file.trashed'")
    assert Counter((row["owner"], row["files"]) for row in rows) == {("alice", 3): 1, ("bob", 3): 1}


async def test_an_upload_that_failed_and_one_that_is_under_way_are_no_events(
    client: Client, runtime: Runtime, database: str
) -> None:
    answer = await client.request(
        "POST",
        "/api/v1/files?category=uploads&filename=a",
        content=b"x" * 300_000,
        headers={"Content-Digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"},
    )

    assert answer.status_code == 422
    assert await fetch(database, "SELECT FROM events") == []


async def test_a_job_is_told_with_its_numbers_and_its_changes_without(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    source = await store_file()
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id]))
    attempt = await claim_job(runtime, job.id)
    assert attempt is not None
    await runtime.retention.holds.hold_job(job.id, HoldRequest(actor="alice", reason="r"), owner="alice")
    await runtime.jobs.attempts.tell_progress(job.id, fence=attempt.fence, share=0.5, stage="s")
    await runtime.jobs.attempts.fail(job.id, fence=attempt.fence, failure=Failure(code="corrupt_media", detail="d"))

    rows = [row for row in await fetch(database, TOLD) if row["id"] == job.id]
    assert [(row["type"], row["number"]) for row in rows] == [
        ("job.created", 1),
        ("job.started", 2),
        ("job.changed", None),
        ("job.progress", 3),
        ("job.failed", 4),
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("status = 'completed'", "job.completed"),
        ("deleted_at = now()", "job.deleted"),
        ("archived_at = now()", "job.archived"),
        ("status = 'completed', last_event = last_event + 1", None),
        ("worker = 'w'", None),
    ],
)
async def test_whoever_forgets_to_tell_of_a_job_is_helped(
    runtime: Runtime, database: str, change: str, told: str | None
) -> None:
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="external", source_file_ids=()))

    await execute(database, f"UPDATE analysis_jobs SET {change}")

    assert (await types_of(database, job.id))[1:] == ([told] if told else [])


async def test_a_job_that_is_deleted_leaves_its_story_to_the_log(
    runtime: Runtime, client: Client, database: str
) -> None:
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="external", source_file_ids=()))
    await runtime.jobs.control.cancel(job.id, owner="alice")
    answer = await client.request("DELETE", f"/api/v1/jobs/{job.id}", by="admin", params={"strategy": "hard"})

    assert answer.status_code == 200
    assert await types_of(database, job.id) == ["job.created", "job.cancelled", "job.deleted"]
    assert await fetch(database, "SELECT FROM job_events") == []


async def test_events_end_by_age_and_what_a_job_tells_stays_with_it(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="external", source_file_ids=()))
    file = await store_file()
    await delete_file(runtime, file.id, owner="alice", actor="alice")
    now = await runtime.db.now()

    early = await runtime.event_ends.end(now=now + timedelta(days=6))
    late = await runtime.event_ends.end(now=now + timedelta(days=8))
    again = await runtime.event_ends.end(now=now + timedelta(days=9))

    assert (early, late, again) == (0, 2, 0)
    assert await types_of(database, job.id) == ["job.created"]
    assert await types_of(database, file.id) == []
    (through,) = await fetch(database, "SELECT through FROM event_ends WHERE owner = ''")
    assert through["through"] == (await fetch(database, "SELECT last_value FROM events_id_seq"))[0][0]
    await execute(database, f"DELETE FROM analysis_jobs WHERE id = '{job.id}'")
    assert await fetch(database, "SELECT FROM events") == []


async def test_of_too_many_events_those_of_whoever_has_most_end(runtime: Runtime, database: str) -> None:
    add = "INSERT INTO events (owner, type, file_ids) SELECT '{}', 'file.stored', ARRAY[gen_random_uuid()] FROM {}"
    await execute(
        database, add.format("quiet", "generate_series(1, 50)"), add.format("loud", "generate_series(1, 900)")
    )
    ends = runtime.event_ends.__class__(runtime.db, None, most=500)

    enough = await runtime.event_ends.end_surplus()
    ended = await ends.end_surplus()
    again = await ends.end_surplus()

    left = {row[0]: row[1] for row in await fetch(database, "SELECT owner, count(*) FROM events GROUP BY 1")}
    assert (enough, ended, again) == (0, 500, 0)
    assert left == {"quiet": 50, "loud": 400}


@pytest.mark.parametrize(
    ("counts", "most", "level"),
    [([10, 20], 40, 20), ([10, 20], 20, 10), ([1, 50, 50], 41, 20), ([5], 3, 3), ([], 3, 0)],
)
def test_room_is_shared_by_who_has_most(counts: Sequence[int], most: int, level: int) -> None:
    assert level_of(counts, most) == level
