"""Deleting whole jobs over HTTP: what goes, what stays, what stands against it, and how it comes back."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from media_analysis.errors import FenceLost
from media_analysis.runtime import Runtime
from tests.api.analysers import Analyser
from tests.api.analysers import ask as ask_external
from tests.api.answers import problem_in, refusal, without_ids
from tests.api.conftest import Remains
from tests.api.deletions import FILES, FRAMES, delete, finished, kinds_of_results, remove_job, statuses
from tests.api.jobs import URL, begin, create, read, stage
from tests.claims import claim_job
from tests.conftest import Client, fetch
from tests.disks import disk_of
from tests.files.conftest import objects

HOLD = {"reason": "evidence"}
SAID_WHEN = ("dry_run", "deleted_at", "restorable_until")


def url(job: dict[str, Any], part: str = "") -> str:
    return f"{URL}/{job['id']}{part}"


async def test_a_deleted_job_is_gone_with_its_files_and_results_and_its_sources_stay(
    client: Client, runtime: Runtime
) -> None:
    job, frames = await finished(client, runtime)

    told = await remove_job(client, job, strategy="soft")

    of_frames = {"files": FRAMES, "size_bytes": FRAMES}
    assert {name: told[name] for name in ("files", "size_bytes", "categories", "results", "cancelled", "dry_run")} == {
        **of_frames,
        "categories": {"frames": of_frames},
        "results": 2,
        "cancelled": False,
        "dry_run": False,
    }
    assert (told["sources"]["files"], told["obstacles"]) == (1, [])
    for path in ("", "/files", "/results", "/events"):
        gone = problem_in(await client.request("GET", url(job, path)))
        assert (gone["code"], gone["restorable_until"]) == ("job_gone", told["restorable_until"]), path
    assert await statuses(client, *(f"{FILES}/{frame}" for frame in frames)) == [410] * FRAMES
    assert await statuses(client, f"{FILES}/{job['source_file_ids'][0]}/content") == [200]
    assert await kinds_of_results(client, job) == []
    assert (await client.request("GET", URL)).json()["items"] == []


@pytest.mark.parametrize("asked", [{"strategy": "soft"}, {"strategy": "hard"}, {"secure": "true"}, {}])
async def test_a_rehearsal_says_what_then_happens_and_changes_nothing(
    client: Client, runtime: Runtime, remains: Remains, asked: dict[str, str]
) -> None:
    job, _ = await finished(client, runtime)
    before = await remains(), await read(client, job["id"])

    rehearsed = await remove_job(client, job, by="admin", dry_run="true", **asked)
    after = await remains(), await read(client, job["id"])
    happened = await remove_job(client, job, by="admin", **asked)

    assert after == before
    assert (rehearsed["dry_run"], rehearsed["deleted_at"], happened["dry_run"]) == (True, None, False)
    assert bool(rehearsed["restorable_until"]) is bool(happened["restorable_until"]) is (asked == {"strategy": "soft"})
    assert {name: rehearsed[name] for name in rehearsed if name not in SAID_WHEN} == {
        name: happened[name] for name in happened if name not in SAID_WHEN
    }


@pytest.mark.parametrize(
    ("asked", "method"), [({"strategy": "hard"}, "unlink"), ({"secure": "true"}, "overwrite_best_effort")]
)
async def test_a_job_deleted_for_good_leaves_tombstones_and_a_summary(
    client: Client, runtime: Runtime, database: str, asked: dict[str, str], method: str
) -> None:
    job, frames = await finished(client, runtime)

    told = await remove_job(client, job, by="admin", reason="no longer needed", **asked)

    stones = await fetch(database, "SELECT id::text, rule::text, reason, requested_by, method::text FROM tombstones")
    assert {row["id"] for row in stones} == set(frames)
    assert {tuple(row)[1:] for row in stones} == {("requested", "no longer needed", "admin", method)}
    assert len(objects(disk_of(runtime.store).root)) == 1  # the source
    assert [row[0] for row in await fetch(database, "SELECT count(*) FROM analysis_results")] == [0]
    (summary,) = await fetch(database, "SELECT owner, status, deleted_by, reason, files, size_bytes FROM job_audit")
    assert tuple(summary) == ("alice", "completed", "admin", "no longer needed", FRAMES, FRAMES)
    assert told["restorable_until"] is None
    assert refusal(await client.request("POST", url(job, "/restore"))) == (410, "job_gone")


async def test_only_administrators_delete_for_good_against_the_configuration(client: Client, runtime: Runtime) -> None:
    job, _ = await finished(client, runtime)

    for asked in ({"strategy": "hard"}, {"secure": "true"}, {"strategy": "hard", "dry_run": "true"}):
        assert refusal(await delete(client, url(job), **asked)) == (403, "admin_required")
    assert (await read(client, job["id"]))["status"] == "completed"


@pytest.mark.parametrize(
    "asked", [{"secureee": "true"}, {"secure": "true", "strategy": "soft"}, {"strategy": "never"}, {"reason": ""}]
)
async def test_a_deletion_that_is_not_understood_deletes_nothing(
    client: Client, runtime: Runtime, asked: dict[str, str]
) -> None:
    job, _ = await finished(client, runtime)

    assert refusal(await delete(client, url(job), by="admin", **asked)) == (422, "invalid_request")
    assert (await read(client, job["id"]))["status"] == "completed"


async def test_asking_again_answers_gone_and_an_unknown_or_foreign_job_is_unknown(
    client: Client, runtime: Runtime
) -> None:
    mine, _ = await finished(client, runtime)
    theirs = await create(client, by="bob")
    await remove_job(client, mine)

    again = await delete(client, url(mine))
    foreign, unknown = await delete(client, url(theirs)), await delete(client, f"{URL}/{(nobodys := str(uuid4()))}")

    assert refusal(again) == (410, "job_gone")
    assert refusal(foreign) == (404, "job_not_found")
    assert without_ids(foreign, theirs["id"]) == without_ids(unknown, nobodys)
    assert (await read(client, theirs["id"], by="bob"))["status"] == "pending"


async def test_a_held_job_stays_with_all_that_is_its_own(client: Client, runtime: Runtime) -> None:
    job, frames = await finished(client, runtime)
    await client.request("PUT", url(job, "/hold"), json=HOLD)

    refused = problem_in(await delete(client, url(job)))
    rehearsed = await remove_job(client, job, dry_run="true")
    await client.request("DELETE", url(job, "/hold"))
    await remove_job(client, job)

    assert (refused["status"], refused["code"], refused["held_files"]) == (409, "job_held", FRAMES)
    assert rehearsed["obstacles"] == [{"rule": "hold", "files": FRAMES, "until": None}]
    assert await statuses(client, *(f"{FILES}/{frame}" for frame in frames)) == [410] * FRAMES


async def test_a_held_job_without_files_stays_too(client: Client) -> None:
    job = await create(client)
    await client.request("PUT", url(job, "/hold"), json=HOLD)

    refused = problem_in(await delete(client, url(job)))
    rehearsed = await remove_job(client, job, dry_run="true")

    assert (refused["code"], refused["rule"], refused["held_files"]) == ("job_held", "hold", 0)
    assert rehearsed["obstacles"] == [{"rule": "hold", "files": 0, "until": None}]
    assert (await read(client, job["id"]))["status"] == "pending"


@pytest.mark.parametrize("asked", [{"strategy": "soft"}, {"strategy": "hard"}])
async def test_one_held_file_keeps_the_whole_job(client: Client, runtime: Runtime, asked: dict[str, str]) -> None:
    job, frames = await finished(client, runtime)
    await client.request("PUT", f"{FILES}/{frames[1]}/hold", json=HOLD)

    refused = problem_in(await delete(client, url(job), by="admin", **asked))

    assert (refused["code"], refused["held_files"], refused["rule"]) == ("job_held", 1, "hold")
    assert await statuses(client, url(job), *(f"{FILES}/{frame}" for frame in frames)) == [200] * (1 + FRAMES)


async def test_a_file_another_job_works_with_keeps_the_whole_job(client: Client, runtime: Runtime) -> None:
    job, frames = await finished(client, runtime)
    other = await create(client, source_file_ids=[frames[0]])
    await begin(runtime, other)

    refused = problem_in(await delete(client, url(job)))
    await client.request("POST", url(other, "/cancel"))
    await remove_job(client, job)

    assert (refused["code"], refused["held_files"], refused["rule"]) == ("job_held", 1, "job_lease")
    assert refused["until"] is not None


@pytest.mark.parametrize("strategy", ["soft", "hard"])
async def test_a_running_job_is_cancelled_and_what_it_was_making_goes(
    client: Client, runtime: Runtime, database: str, strategy: str
) -> None:
    job = await create(client)
    fence = await begin(runtime, job)
    await stage(runtime, job, fence, [0, 1])

    told = await remove_job(client, job, by="admin", strategy=strategy)

    with pytest.raises(FenceLost):
        await runtime.jobs.attempts.complete(UUID(job["id"]), fence=fence)
    (row,) = await fetch(database, "SELECT status::text FROM analysis_jobs")
    assert (told["cancelled"], row["status"]) == (True, "cancelled")
    assert len(objects(disk_of(runtime.store).root)) == 1  # the source, which nobody leases any more
    assert [tuple(row) for row in await fetch(database, "SELECT id::text, leased_until FROM media_files")] == [
        (job["source_file_ids"][0], None)
    ]


async def test_a_waiting_job_leaves_the_queue(client: Client, runtime: Runtime) -> None:
    job = await create(client)

    told = await remove_job(client, job)

    assert told["cancelled"]
    assert await claim_job(runtime, UUID(job["id"])) is None
    assert not (await runtime.jobs.claims.claim(["probe"], worker="w")).attempts


async def test_an_external_analyser_is_told_that_its_job_is_gone(client: Client, analyser: Analyser) -> None:
    job = await ask_external(client)
    await analyser.claim()
    await analyser.put()

    told = await remove_job(client, job)

    assert (told["cancelled"], told["results"]) == (True, 0)
    for answer in (await analyser.tell("heartbeat"), await analyser.add(), await analyser.tell("finish")):
        assert refusal(answer) == (410, "job_gone")


@pytest.mark.parametrize("strategy", ["soft", "hard"])
async def test_an_upload_into_a_deleted_job_is_refused(client: Client, runtime: Runtime, strategy: str) -> None:
    job, _ = await finished(client, runtime)
    await remove_job(client, job, by="admin", strategy=strategy)

    params = {"category": "outputs", "filename": "late", "job_id": job["id"]}
    answer = await client.request("POST", FILES, params=params, content=b"late")

    assert refusal(answer) == (422, "invalid_request")
    assert len(objects(disk_of(runtime.store).root)) == (1 + FRAMES if strategy == "soft" else 1)


async def test_a_restored_job_is_what_it_was(client: Client, runtime: Runtime, database: str) -> None:
    job, frames = await finished(client, runtime, ttl_seconds=3600)
    before = await read(client, job["id"])
    await remove_job(client, job, strategy="soft", reason="by mistake")

    answer = await client.request("POST", url(job, "/restore"))

    assert answer.json() == {"restored": FRAMES, "skipped": 0}
    assert await read(client, job["id"]) == before
    assert await statuses(client, *(f"{FILES}/{frame}/content" for frame in frames)) == [200] * FRAMES
    assert await kinds_of_results(client, job) == ["probe", "summary"]
    asked = "SELECT action, actor, reason FROM audit_events WHERE job_id = $1 AND file_id IS NULL ORDER BY id"
    told = [tuple(row) for row in await fetch(database, asked, UUID(job["id"]))]
    assert told == [("trashed", "alice", "by mistake"), ("restored", "alice", None)]
    assert await fetch(database, "SELECT job_id FROM job_audit") == []


async def test_what_comes_back_by_one_of_its_files_is_the_job_and_its_results(client: Client, runtime: Runtime) -> None:
    """Nothing of a job lives while the job itself is deleted."""
    job, frames = await finished(client, runtime)
    await remove_job(client, job, strategy="soft")

    answer = await client.request("POST", f"{FILES}/{frames[0]}/restore")

    assert answer.status_code == 200
    assert await statuses(client, url(job), *(f"{FILES}/{frame}" for frame in frames)) == [200, 200, 410, 410]
    assert await kinds_of_results(client, job) == ["probe", "summary"]


async def test_a_cancelled_run_comes_back_cancelled_and_can_be_deleted_again(client: Client, runtime: Runtime) -> None:
    job = await create(client)
    await stage(runtime, job, await begin(runtime, job), [0])
    await remove_job(client, job, strategy="soft")

    answer = await client.request("POST", url(job, "/restore"))
    back = await read(client, job["id"])
    again = await remove_job(client, job, strategy="soft")

    assert (answer.json(), back["status"]) == ({"restored": 0, "skipped": 0}, "cancelled")
    assert (again["cancelled"], again["files"]) == (False, 0)


async def test_a_job_in_the_trash_can_be_deleted_for_good(client: Client, runtime: Runtime, database: str) -> None:
    job, frames = await finished(client, runtime)
    await remove_job(client, job, strategy="soft", reason="by mistake")

    rehearsed = await remove_job(client, job, by="admin", strategy="hard", dry_run="true")
    told = await remove_job(client, job, by="admin", strategy="hard", reason="on purpose")

    assert [told[name] for name in ("files", "results")] == [rehearsed["files"], rehearsed["results"]] == [FRAMES, 2]
    assert len(objects(disk_of(runtime.store).root)) == 1
    assert {row["id"] for row in await fetch(database, "SELECT id::text FROM tombstones")} == set(frames)
    assert [tuple(row) for row in await fetch(database, "SELECT reason, files FROM job_audit")] == [
        ("on purpose", FRAMES)
    ]
    assert refusal(await client.request("POST", url(job, "/restore"))) == (410, "job_gone")
    assert refusal(await delete(client, url(job), by="admin", strategy="hard")) == (410, "job_gone")


async def test_a_watcher_is_told_of_deletion_and_restoration(client: Client, runtime: Runtime, database: str) -> None:
    job, _ = await finished(client, runtime)
    await remove_job(client, job, strategy="soft")
    await client.request("POST", url(job, "/restore"))

    events = await fetch(database, "SELECT data->>'status' AS status FROM job_events ORDER BY number")

    assert [row["status"] for row in events] == ["pending", "running", "completed", "deleted", "completed"]
