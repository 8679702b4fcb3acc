"""Explanations of archived files and runs over REST: where the content is, how to get it back, what ended it."""

from typing import Any

from media_analysis.runtime import Runtime
from tests.api.answers import refusal
from tests.archive.archived import CONTENTS, archive, make_run
from tests.conftest import Client

NAME = "run.log"


async def retention(client: Client, kind: str, its_id: object, *, by: str = "alice") -> dict[str, Any]:
    answer = await client.request("GET", f"/api/v1/{kind}/{its_id}/retention", by=by)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_an_archived_file_names_the_address_its_content_has_now(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    file_id = run.files[NAME].id

    refused = await client.request("GET", f"/api/v1/files/{file_id}/content")
    told = await retention(client, "files", file_id)

    place = told["archive"]
    assert refusal(refused) == (409, "file_archived")
    assert place["content"] == refused.json()["archive"]
    assert place["restore"] == f"/api/v1/jobs/{run.id}/restore?file_id={file_id}"
    assert (told["state"], told["rule"], told["action"]) == ("archived", "archived", "delete")
    assert place.keys() == {
        "job_id",
        "archive_id",
        "archived_at",
        "available",
        "kept_until",
        "gone_at",
        "gone_by",
        "gone_reason",
        "content",
        "restore",
    }
    assert (place["available"], place["kept_until"]) == (True, told["at"])
    assert [moment["event"] for moment in told["timeline"]] == ["created", "archived", "purged"]
    assert await retention(client, "files", file_id, by="admin") == told
    foreign = await client.request("GET", f"/api/v1/files/{file_id}/retention", by="bob")
    assert refusal(foreign) == (404, "file_not_found")


async def test_a_run_is_explained_before_and_after_it_is_archived(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    active = (await retention(client, "jobs", run.id))["archive"]
    task = await archive(runtime, run.id)

    archived = (await retention(client, "jobs", run.id))["archive"]

    assert (active["archived_at"], active["archives"], active["reason"]) == (None, 0, None)
    assert active["due_at"] < active["starts_at"] < active["deletes_at"]
    assert archived["deletes_at"] == active["deletes_at"]
    assert (archived["due_at"], archived["reason"]) == (None, "it is archived")
    assert (archived["archives"], archived["size_bytes"]) == (1, task.stats["packed_bytes"])
    assert (archived["original_files"], archived["original_bytes"]) == (
        len(CONTENTS),
        sum(map(len, CONTENTS.values())),
    )


async def test_the_hold_of_a_run_stands_against_its_archiving(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    await client.request("PUT", f"/api/v1/jobs/{run.id}/hold", json={"reason": "a dispute"})

    told = (await retention(client, "jobs", run.id))["archive"]

    (hold,) = told["blockers"]
    assert (hold["rule"], hold["scope"], hold["reason"], hold["by"]) == ("hold", "job", "a dispute", "alice")


async def test_a_deleted_run_leaves_who_deleted_it_and_why(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    await archive(runtime, run.id)
    query = {"reason": "no longer needed"}
    deleted = await client.request("DELETE", f"/api/v1/jobs/{run.id}", params=query)

    told = await retention(client, "files", run.files[NAME].id)

    place = told["archive"]
    assert deleted.is_success, deleted.text
    assert (told["state"], told["action"], told["rule"]) == ("purged", "done", "archived")
    assert (place["available"], place["content"], place["restore"]) == (False, None, None)
    assert (place["gone_by"], place["gone_reason"]) == ("alice", "no longer needed")
    assert told["timeline"][-1]["event"] == "archive_deleted"
