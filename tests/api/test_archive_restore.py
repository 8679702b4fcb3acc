"""Bringing archived jobs back over HTTP: all of one, one file, out of the trash, or not at all."""

from datetime import datetime, timedelta
from uuid import uuid4

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.archives import (
    ARCHIVED,
    archive,
    archive_url,
    archived_run,
    ask_restore,
    content_url,
    contents,
    read_archive,
    work,
)
from tests.api.conftest import Remains
from tests.api.jobs import URL, read
from tests.archive.archived import Run, make_run
from tests.conftest import Client
from tests.disks import disk_of

LOG = "run.log"


async def test_a_restored_run_is_what_it_was_with_a_new_lifetime(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    job = await read(client, str(run.id))
    before = (await client.request("GET", f"{URL}/{run.id}/files")).json()["items"]
    results = (await client.request("GET", f"{URL}/{run.id}/results")).json()["items"]
    await archive(client, runtime, run)
    while_archived = (await client.request("GET", f"{URL}/{run.id}/results")).json()["items"]

    asked = await ask_restore(client, run)
    await work(runtime)

    after = (await client.request("GET", f"{URL}/{run.id}/files")).json()["items"]
    task = (await read_archive(client, run))["task"]
    now = await read(client, str(run.id))
    again = {"restored_at", "archive"}
    assert (asked.status_code, asked.headers["location"]) == (202, archive_url(run))
    assert (asked.json()["kind"], asked.json()["status"], asked.json()["file_id"]) == ("restore", "pending", None)
    assert asked.json()["total_bytes"] == sum(map(len, run.contents.values()))
    assert (task["id"], task["status"], task["progress"]) == (asked.json()["id"], "completed", 1.0)
    assert [{**file, "expires_at": None} for file in after if file["category"] != "archives"] == [
        {**file, "expires_at": None} for file in before
    ]
    frames = [file for file in after if file["category"] == "frames"]
    restored_at = datetime.fromisoformat(now["restored_at"])
    assert {datetime.fromisoformat(file["expires_at"]) - restored_at for file in frames} == {timedelta(days=30)}
    assert await contents(client, run) == run.contents
    assert results == while_archived == (await client.request("GET", f"{URL}/{run.id}/results")).json()["items"]
    assert {name: now[name] for name in now if name not in again} == {
        name: job[name] for name in job if name not in again
    }


async def test_a_restore_that_is_under_way_is_not_begun_twice(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)

    task = (await ask_restore(client, run)).json()
    again = problem_in(await ask_restore(client, run))
    one = problem_in(await ask_restore(client, run, file_id=run.files[LOG].id))
    repacked = await client.request("POST", archive_url(run))
    await work(runtime)

    for told in (again, one):
        assert (told["status"], told["code"]) == (409, "archive_task_under_way")
        assert (told["task_id"], told["kind"]) == (task["id"], "restore")
    assert refusal(repacked) == (409, "job_archived")
    assert await contents(client, run) == run.contents


async def test_one_file_comes_back_while_the_others_stay_archived(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime)
    log = run.files[LOG].id

    asked = await ask_restore(client, run, file_id=log)
    await work(runtime)

    assert (asked.status_code, asked.json()["file_id"]) == (202, str(log))
    assert asked.json()["total_bytes"] == len(run.contents[LOG])
    assert await contents(client, run) == dict.fromkeys(run.files, 409) | {LOG: run.contents[LOG]}
    assert (await read(client, str(run.id)))["archived_at"] is not None
    assert (await client.request("GET", content_url(run, LOG))).content == run.contents[LOG]
    assert refusal(await ask_restore(client, run, file_id=log)) == (409, "nothing_to_restore")


async def test_what_no_archive_has_is_not_restored(client: Client, runtime: Runtime) -> None:
    run, active = await archived_run(client, runtime), await make_run(runtime)

    assert refusal(await ask_restore(client, run, file_id=uuid4())) == (404, "archived_file_not_found")
    assert refusal(await ask_restore(client, active, file_id=active.files[LOG].id)) == (409, "job_not_archived")
    assert refusal(await ask_restore(client, run, file_id="all")) == (422, "invalid_request")
    assert refusal(await ask_restore(client, run, fileid=run.files[LOG].id)) == (422, "invalid_request")
    assert refusal(await client.request("POST", f"{URL}/archived/restore")) == (422, "invalid_request")
    assert refusal(await client.request("POST", f"{URL}/{uuid4()}/restore")) == (404, "job_not_found")
    unchanged = await ask_restore(client, active)
    assert (unchanged.status_code, unchanged.json()) == (200, {"restored": 0, "skipped": 0})
    assert await contents(client, run) == dict.fromkeys(run.files, 409)


async def test_an_administrator_restores_what_others_archived(client: Client, runtime: Runtime) -> None:
    run = await archived_run(client, runtime, owner="bob")

    refused = await ask_restore(client, run)
    asked = await ask_restore(client, run, by="admin")
    await work(runtime)

    assert refusal(refused) == (404, "job_not_found")
    assert (asked.status_code, asked.json()["requested_by"]) == (202, "admin")
    assert await contents(client, run) == run.contents


async def test_a_damaged_archive_restores_nothing_and_says_why(
    client: Client, runtime: Runtime, remains: Remains
) -> None:
    run = await archived_run(client, runtime)
    segment, reader = await runtime.archives.catalog.open_segment(run.id, owner=None)
    await reader.close()
    path = disk_of(runtime.store).path_of(segment.key)
    kept, before = path.read_bytes(), await remains()
    path.write_bytes(kept[: len(kept) // 2])

    await ask_restore(client, run)
    await work(runtime)
    path.write_bytes(kept)

    task = (await read_archive(client, run))["task"]
    assert (task["status"], task["error"]["code"]) == ("failed", "archive_damaged")
    assert task["error"]["detail"]
    assert await remains() == before
    assert await contents(client, run) == dict.fromkeys(run.files, 409)
    assert (await client.request("GET", content_url(run, LOG))).content == run.contents[LOG]


class TestTrash:
    """A service that deletes by way of the trash."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DELETION_STRATEGY": "soft", "TRASH_RETENTION": "2h"}

    async def test_an_archive_in_the_trash_is_taken_out_and_unpacked(self, client: Client, runtime: Runtime) -> None:
        run = await archived_run(client, runtime)
        deleted = await client.request("DELETE", f"{URL}/{run.id}", params={"reason": "by mistake"})
        gone = [
            await client.request("GET", url)
            for url in (archive_url(run), archive_url(run, "/download"), content_url(run, LOG))
        ]
        listed = (await client.request("GET", ARCHIVED)).json()["items"]

        foreign = await ask_restore(client, run, by="bob")
        asked = await ask_restore(client, run)
        await work(runtime)

        told = problem_in(gone[0])
        assert (deleted.status_code, deleted.json()["files"]) == (200, 1)
        assert {refusal(answer) for answer in gone} == {(410, "job_gone")}
        assert told["restorable_until"] == deleted.json()["restorable_until"] is not None
        assert listed == []
        assert refusal(foreign) == (404, "job_not_found")
        assert asked.status_code == 202
        assert await contents(client, run) == run.contents
        assert (await read(client, str(run.id)))["archived_at"] is None

    async def test_a_run_that_only_was_in_the_trash_is_back_at_once(self, client: Client, runtime: Runtime) -> None:
        run = await make_run(runtime)
        await client.request("DELETE", f"{URL}/{run.id}")

        answer = await ask_restore(client, run)

        assert (answer.status_code, answer.json()) == (200, {"restored": len(run.files), "skipped": 0})
        assert await contents(client, run) == run.contents

    async def test_what_was_purged_does_not_come_back(self, client: Client, runtime: Runtime) -> None:
        run = await archived_run(client, runtime)
        await client.request("DELETE", f"{URL}/{run.id}", by="admin", params={"strategy": "hard"})

        assert refusal(await ask_restore(client, run)) == (410, "job_gone")


class TestQuota:
    """A service with little room for outputs."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_QUOTA_OUTPUTS": "200KiB"}

    async def test_a_restore_over_the_quota_is_refused_and_changes_nothing(
        self, client: Client, runtime: Runtime, remains: Remains
    ) -> None:
        run: Run = await archived_run(client, runtime)
        filler = await client.upload(b"x" * 150 * 1024, category="outputs", filename="filler.txt")
        before, archived = await remains(), await read_archive(client, run)

        refused = problem_in(await ask_restore(client, run))
        frame = await ask_restore(client, run, file_id=run.files["frame-2.jpg"].id)
        await work(runtime)
        after = await read_archive(client, run)

        needed = sum(len(content) for name, content in run.contents.items() if not name.endswith(".jpg"))
        assert (refused["status"], refused["code"], refused["category"]) == (507, "quota_reached", "outputs")
        assert (refused["needed_bytes"], refused["owned_bytes"]) == (needed, 150 * 1024)
        assert frame.status_code == 202, "there is room for one frame"
        assert set(await remains()) - set(before) == {"frame-2.jpg", *await named(runtime, run, "frame-2.jpg")}
        assert {**after, "task": None} == {**archived, "task": None}

        await client.request("DELETE", f"/api/v1/files/{filler['id']}")
        assert (await ask_restore(client, run)).status_code == 202
        await work(runtime)
        assert await contents(client, run) == run.contents


class TestOwnerQuota:
    """A service whose owners have little room for outputs each."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_OWNER_QUOTA_OUTPUTS": "200KiB"}

    async def test_a_restore_over_its_owners_quota_is_refused_whatever_others_have(
        self, client: Client, runtime: Runtime
    ) -> None:
        run: Run = await archived_run(client, runtime)
        await client.upload(b"x" * 150 * 1024, category="outputs", by="bob")
        await client.upload(b"x" * 150 * 1024, category="outputs")

        refused = problem_in(await ask_restore(client, run))

        assert (refused["status"], refused["code"]) == (507, "owner_quota_reached")
        assert refused["used_bytes"] == 150 * 1024


async def named(runtime: Runtime, run: Run, name: str) -> list[str]:
    """Return the name of the object that has a file's bytes now."""
    file = await runtime.files.catalog.get(run.files[name].id, owner=None)
    return [disk_of(runtime.store).path_of(file.key).name]
