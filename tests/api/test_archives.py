"""The archive of a job over HTTP: asked for, watched, looked into, kept, and refused."""

from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.archive import tasks
from media_analysis.runtime import Runtime
from tests.api.answers import differences, problem_in, refusal
from tests.api.archives import ARCHIVED, archive_url, archived_run, ask_restore, contents, read_archive, work
from tests.api.jobs import URL, create, read
from tests.archive.archived import add_file, make_run
from tests.conftest import Client
from tests.disks import disk_of

HOLD = {"reason": "evidence"}


async def test_a_run_is_archived_found_read_inside_and_brought_back(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)

    asked = await client.request("POST", archive_url(run))
    waiting = await read_archive(client, run)
    await work(runtime)
    job, archive = await read(client, str(run.id)), await read_archive(client, run)

    assert (asked.status_code, asked.headers["location"]) == (202, archive_url(run))
    assert (waiting["task"], waiting["archived_at"], waiting["segments"]) == (asked.json(), None, [])
    assert (job["archive"], job["archived_at"]) == (archive_url(run), archive["archived_at"])
    assert datetime.fromisoformat(job["expires_at"]) == (run.job.completed_at or run.job.created_at) + timedelta(30)
    assert (await client.request("GET", ARCHIVED)).json()["items"][0]["id"] == job["id"]
    for name, file in run.files.items():
        told = [problem_in(await client.request("GET", f"/api/v1/files/{file.id}{part}")) for part in ("", "/content")]
        assert [(one["status"], one["code"]) for one in told] == [(409, "file_archived")] * 2
        assert (await client.request("GET", told[1]["archive"])).content == run.contents[name]

    assert (await ask_restore(client, run)).status_code == 202
    await work(runtime)

    back = await read(client, job["id"])
    assert (back["archived_at"], back["expires_at"], back["archive"]) == (None, None, archive_url(run))
    assert back["restored_at"] is not None
    assert await contents(client, run) == run.contents


async def test_an_archive_tells_its_segments_and_every_file_in_it(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)

    archive = await read_archive(client, run)

    (segment,) = archive["segments"]
    files = {file["filename"]: file for file in archive["items"]}
    frame = files["frame-2.jpg"]
    facts = ("category", "media_type", "size_bytes", "role", "ordinal", "parent_id")
    assert (archive["files"], archive["size_bytes"]) == (len(run.files), sum(map(len, run.contents.values())))
    assert archive["archive_bytes"] == segment["size_bytes"] > 0
    assert (segment["segment"], segment["media_type"]) == (0, "application/gzip")
    assert segment["filename"] == f"{run.job.folder_name}.tar.gz"
    assert segment["download"] == archive_url(run, "/download?segment=0")
    assert files.keys() == run.files.keys()
    assert {file["id"] for file in files.values()} == {str(file.id) for file in run.files.values()}
    assert frame["name"].startswith(f"{run.job.folder_name}/frames/")
    original = run.files["frame-2.jpg"]
    assert [frame[name] for name in facts] == [
        "frames",
        original.media_type,
        original.size_bytes,
        "frame",
        1,
        str(original.parent_id),
    ]
    assert frame["sha256"] == (original.sha256 or b"").hex()
    assert (frame["segment"], frame["frame_offset"] > 0) == (0, True)
    assert frame["content"] == archive_url(run, f"/files/{original.id}/content")


async def test_the_files_of_an_archive_come_in_pages(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)
    pages = [await read_archive(client, run, limit=2)]

    while cursor := pages[-1]["next_cursor"]:
        pages.append(await read_archive(client, run, limit=2, cursor=cursor))

    ids = [file["id"] for page in pages for file in page["items"]]
    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert ids == sorted(str(file.id) for file in run.files.values())


async def test_the_progress_of_a_task_is_told_while_it_runs(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    asked = (await client.request("POST", archive_url(run))).json()
    half = asked["total_bytes"] // 2
    async with runtime.db.transaction() as session:
        task = await tasks.claim_task(session)
        assert task is not None
        await tasks.mark_progress(session, task, stage="packing", done_bytes=half, total_bytes=asked["total_bytes"])

    under_way = (await read_archive(client, run))["task"]
    async with runtime.db.transaction() as session:
        await tasks.mark_handed_back(session, task)
    await work(runtime)
    ended = (await read_archive(client, run))["task"]

    assert asked | {"status": "pending", "progress": 0.0, "stage": None, "started_at": None} == asked
    assert (under_way["status"], under_way["stage"], under_way["progress"]) == ("running", "packing", 0.5)
    assert (under_way["started_at"] is None, under_way["ended_at"]) == (False, None)
    assert (ended["status"], ended["progress"], ended["attempts"]) == ("completed", 1.0, 2)
    assert ended["stats"]["files"] == len(run.files)
    assert (ended["requested_by"], ended["trigger"], ended["error"]) == ("alice", "request", None)


async def test_an_archiving_that_failed_says_why_and_changed_nothing(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    path = disk_of(runtime.store).path_of(run.files["run.log"].key)
    path.rename(path.with_suffix(".away"))
    await client.request("POST", archive_url(run))

    await work(runtime)
    path.with_suffix(".away").rename(path)

    archive = await read_archive(client, run)
    assert (archive["task"]["status"], archive["task"]["error"]["code"]) == ("failed", "object_missing")
    assert (archive["archived_at"], archive["segments"], archive["files"]) == (None, [], None)
    assert await contents(client, run) == run.contents


async def test_what_cannot_be_archived_is_refused_with_the_reason(client: Client, runtime: Runtime) -> None:
    young = await create(client)
    empty = await create(client, kind="external", source_file_ids=[], parameters={"analyser": "x"})
    await client.request("POST", f"{URL}/{empty['id']}/cancel")
    held, run = await make_run(runtime), await make_run(runtime)
    await client.request("PUT", f"{URL}/{held.id}/hold", json=HOLD)

    async def ask(job_id: object) -> tuple[int, str]:
        return refusal(await client.request("POST", f"{URL}/{job_id}/archive"))

    assert await ask(young["id"]) == (409, "job_not_ended")
    assert await ask(empty["id"]) == (409, "nothing_to_archive")
    assert await ask(held.id) == (409, "job_held")
    assert await ask(uuid4()) == (404, "job_not_found")
    assert await ask("archived") == (422, "invalid_request")
    assert refusal(await client.request("GET", archive_url(run))) == (409, "job_not_archived")
    assert refusal(await client.request("GET", archive_url(run, "/download"))) == (409, "job_not_archived")

    task = (await client.request("POST", archive_url(run))).json()
    twice = problem_in(await client.request("POST", archive_url(run)))
    await work(runtime)

    assert (twice["status"], twice["code"]) == (409, "archive_task_under_way")
    assert (twice["task_id"], twice["kind"]) == (task["id"], "archive")
    assert await ask(run.id) == (409, "job_archived")


async def test_an_archived_job_is_read_only(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)
    segment = f"/api/v1/files/{(await read_archive(client, run))['segments'][0]['id']}"
    inside = f"/api/v1/files/{run.files['run.log'].id}"
    query = {"category": "outputs", "filename": "late.txt", "job_id": str(run.id)}

    upload = problem_in(await client.request("POST", "/api/v1/files", params=query, content=b"late"))
    changes = [
        refusal(await client.request("PATCH", inside, json={"filename": "renamed.log"})),
        refusal(await client.request("DELETE", inside)),
        refusal(await client.request("PUT", f"{inside}/hold", json=HOLD)),
        refusal(await client.request("POST", f"{inside}/restore")),
        refusal(await client.request("PATCH", segment, json={"ttl_seconds": 60})),
        refusal(await client.request("DELETE", segment)),
    ]

    assert (upload["status"], upload["code"], upload["archive"]) == (409, "job_archived", archive_url(run))
    assert changes == [(409, "file_archived")] * 4 + [(409, "archive_of_job")] * 2


async def test_an_archived_job_is_held_and_released(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)
    job = f"{URL}/{run.id}"

    held = await client.request("PUT", f"{job}/hold", json=HOLD)
    listed = (await client.request("GET", ARCHIVED)).json()["items"][0]
    kept = await client.request("DELETE", job, by="admin", params={"strategy": "hard"})
    released = await client.request("DELETE", f"{job}/hold")
    gone = await client.request("DELETE", job, by="admin", params={"strategy": "hard", "reason": "no longer needed"})

    assert (held.status_code, held.json()["files"]) == (200, 1)
    assert (listed["held"], listed["hold_reason"], listed["held_by"]) == (True, "evidence", "alice")
    assert (refusal(kept), released.status_code) == ((409, "job_held"), 204)
    assert (gone.status_code, gone.json()["categories"].keys()) == (200, {"archives"})
    for path in ("", "/archive", "/archive/download", f"/archive/files/{run.files['run.log'].id}/content"):
        assert refusal(await client.request("GET", f"{job}{path}")) == (410, "job_gone"), path
    assert (await client.request("GET", ARCHIVED)).json()["items"] == []


@pytest.mark.parametrize("end", ["2090-01-01T00:00:00Z", None])
async def test_an_archived_job_is_kept_for_longer_with_its_archive(
    client: Client, runtime: Runtime, end: str | None
) -> None:
    run = await archived_run(client, runtime)

    answer = await client.request("PATCH", f"{URL}/{run.id}", json={"expires_at": end})

    archive = await read_archive(client, run)
    assert (answer.status_code, answer.json()["expires_at"], answer.json()["files"]) == (200, end, 1)
    assert archive["expires_at"] == archive["segments"][0]["expires_at"] == end


async def test_what_came_after_a_restore_makes_another_segment(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)
    await ask_restore(client, run)
    await work(runtime)
    await add_file(runtime, run, "later.txt", b"something new")

    assert (await client.request("POST", archive_url(run))).status_code == 202
    await work(runtime)

    archive = await read_archive(client, run)
    found = {file["filename"]: file["segment"] for file in archive["items"]}
    assert [segment["segment"] for segment in archive["segments"]] == [0, 1]
    assert (archive["files"], found) == (6, dict.fromkeys(run.files, 0) | {"later.txt": 1})
    assert archive["task"]["stats"]["files"] == 1


ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("GET", "/api/v1/jobs/{id}/archive", {}),
    ("POST", "/api/v1/jobs/{id}/archive", {}),
    ("GET", "/api/v1/jobs/{id}/archive/download", {}),
    ("HEAD", "/api/v1/jobs/{id}/archive/download", {}),
    ("GET", "/api/v1/jobs/{id}/archive/download?segment=0", {"headers": {"Range": "bytes=0-1"}}),
    ("POST", "/api/v1/jobs/{id}/restore", {}),
    ("GET", "/api/v1/jobs/{id}", {}),
    ("PATCH", "/api/v1/jobs/{id}", {"json": {"ttl_seconds": 60}}),
    ("PUT", "/api/v1/jobs/{id}/hold", {"json": HOLD}),
    ("DELETE", "/api/v1/jobs/{id}", {}),
]


async def test_an_archive_of_somebody_else_is_unknown_on_every_route(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime, owner="bob")
    own = await archived_run(client, runtime)
    file_id = run.files["run.log"].id
    of_file: list[tuple[str, str, dict[str, Any]]] = [
        ("GET", f"/api/v1/jobs/{{id}}/archive/files/{file_id}/content", {}),
        ("HEAD", f"/api/v1/jobs/{{id}}/archive/files/{file_id}/content", {}),
        ("POST", f"/api/v1/jobs/{{id}}/restore?file_id={file_id}", {}),
    ]

    told_apart = await differences(client, ROUTES + of_file, str(run.id))
    through_own = await client.request("GET", archive_url(own, f"/files/{file_id}/content"))
    their_file = await client.request("GET", f"/api/v1/files/{file_id}")

    assert told_apart == []
    assert refusal(through_own) == (404, "archived_file_not_found")
    assert refusal(their_file) == (404, "file_not_found")
    assert refusal(await ask_restore(client, own, file_id=file_id)) == (404, "archived_file_not_found")
    assert [job["id"] for job in (await client.request("GET", ARCHIVED)).json()["items"]] == [str(own.id)]
    assert (await read_archive(client, run, by="admin"))["owner"] == "bob"
