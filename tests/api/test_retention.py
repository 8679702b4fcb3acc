"""Explanations over REST: their shape, whose they are, and that they agree with what is answered elsewhere."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api.answers import refusal, without_ids
from tests.conftest import Client
from tests.retention.jobs import add_job, add_result, assign

CONTRACT = {
    "state",
    "action",
    "at",
    "archive",
    "rule",
    "policy_version",
    "blockers",
    "losing_rules",
    "eviction_rank",
    "next_steps",
    "attempts",
    "last_error",
    "timeline",
}


async def explain(client: Client, file_id: str, *, by: str = "alice") -> dict[str, Any]:
    answer = await client.request("GET", f"/api/v1/files/{file_id}/retention", by=by)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def test_a_file_is_explained_to_its_owner_and_to_administrators(client: Client) -> None:
    file = await client.upload(ttl_seconds=3600)

    told = await explain(client, file["id"])

    assert told.keys() == CONTRACT | {
        "analyses",
        "file_id",
        "category",
        "labels",
        "swept_at",
        "eviction_rank_capped",
        "dead_letter",
    }
    assert (told["state"], told["action"], told["at"]) == ("stored", "delete", file["expires_at"])
    assert (told["rule"], told["eviction_rank"], told["attempts"]) == ("explicit_expiry", None, 0)
    assert [loser["rule"] for loser in told["losing_rules"]] == ["category_lifetime", "pressure"]
    stored_at = datetime.fromisoformat(told["timeline"][1]["at"])
    assert datetime.fromisoformat(told["losing_rules"][0]["at"]) == stored_at + timedelta(days=7)
    assert told["losing_rules"][0]["reason"] == "an explicit expiry outranks the category's lifetime"
    assert [step["step"] for step in told["next_steps"]] == ["expires", "delete", "purge"]
    assert told["archive"] is None
    assert [moment["event"] for moment in told["timeline"]] == ["created", "stored"]
    assert await explain(client, file["id"], by="admin") == told


async def test_a_hold_and_a_new_end_are_told(client: Client) -> None:
    file = await client.upload()
    url = f"/api/v1/files/{file['id']}"
    await client.request("PATCH", url, json={"expires_at": None})
    await client.request("PUT", f"{url}/hold", json={"reason": "evidence"})

    told = await explain(client, file["id"])

    assert (told["rule"], told["action"], told["at"], told["eviction_rank"]) == ("hold", "keep", None, None)
    hold = {"rule": "hold", "scope": "file", "until": None, "reason": "evidence", "by": "alice"}
    assert told["blockers"] == [{**hold, "job_ids": []}]
    assert [moment["event"] for moment in told["timeline"]] == ["created", "stored", "extended", "held"]
    assert told["timeline"][-1]["reason"] == "evidence"


async def test_a_deleted_file_is_still_explained(client: Client) -> None:
    file = await client.upload()
    await client.request("DELETE", f"/api/v1/files/{file['id']}")

    gone = await client.request("GET", f"/api/v1/files/{file['id']}")
    told = await explain(client, file["id"])

    assert refusal(gone) == (410, "file_gone")
    assert (told["state"], told["action"], told["rule"]) == ("purged", "done", "requested")
    assert (told["attempts"], told["dead_letter"]) == (1, False)
    assert [moment["event"] for moment in told["timeline"]] == ["created", "deleted", "purged"]


@pytest.mark.parametrize("kind", ["files", "jobs"])
async def test_a_foreign_object_is_exactly_an_unknown_one(client: Client, database: str, kind: str) -> None:
    file, unknown = await client.upload(), str(uuid4())
    its_id = file["id"] if kind == "files" else str(await add_job(database))

    foreign = await client.request("GET", f"/api/v1/{kind}/{its_id}/retention", by="bob")
    absent = await client.request("GET", f"/api/v1/{kind}/{unknown}/retention", by="bob")

    assert refusal(foreign) == (404, f"{kind.removesuffix('s')}_not_found")
    assert without_ids(foreign, its_id) == without_ids(absent, unknown)


async def test_a_job_is_explained_with_its_files(client: Client, database: str) -> None:
    job_id = await add_job(database)
    early, late = [await client.upload(ttl_seconds=seconds) for seconds in (60, 3600)]
    await assign(database, job_id, UUID(early["id"]), UUID(late["id"]))

    answer = await client.request("GET", f"/api/v1/jobs/{job_id}/retention", params={"limit": 1})
    told = answer.json()
    rest = await client.request(
        "GET", f"/api/v1/jobs/{job_id}/retention", params={"limit": 1, "cursor": told["next_cursor"]}
    )

    assert answer.status_code == 200, answer.text
    assert told.keys() >= CONTRACT | {"job_id", "status", "expires_at", "hold", "files", "items", "next_cursor"}
    summed = {
        "count": 2,
        "bytes": 20,
        "held": 0,
        "by_state": {"stored": 2},
        "earliest": early["expires_at"],
        "latest": late["expires_at"],
    }
    assert told["files"] == {**summed, "by_category": {"uploads": summed}}
    assert (told["at"], told["rule"], told["status"], told["hold"]) == (
        early["expires_at"],
        "explicit_expiry",
        "completed",
        None,
    )
    assert [item["file_id"] for item in (*told["items"], *rest.json()["items"])] == [late["id"], early["id"]]
    assert rest.json()["next_cursor"] is None


async def test_a_job_without_files_is_explained_too(client: Client, database: str) -> None:
    job_id = await add_job(database)

    told = (await client.request("GET", f"/api/v1/jobs/{job_id}/retention")).json()

    assert (told["state"], told["action"], told["at"], told["rule"]) == (None, "keep", None, None)
    nothing = {"count": 0, "bytes": 0, "held": 0, "by_state": {}, "earliest": None, "latest": None}
    assert told["files"] == {**nothing, "by_category": {}}
    assert told["results"] == {"count": 0, "earliest": None, "latest": None}


async def test_a_job_is_summed_by_category_with_holds_and_results(client: Client, database: str) -> None:
    job_id = await add_job(database)
    frames = [await client.upload(category="frames", ttl_seconds=seconds) for seconds in (60, 3600)]
    output = await client.upload(category="outputs", content=b"whole")
    await assign(database, job_id, *(UUID(file["id"]) for file in (*frames, output)))
    await client.request("PUT", f"/api/v1/files/{frames[1]['id']}/hold", json={"reason": "a dispute"})
    for ends_at in ("now() + interval '1 h'", "NULL", "now() - interval '1 h'"):
        await add_result(database, job_id, expires_at=ends_at)

    told = (await client.request("GET", f"/api/v1/jobs/{job_id}/retention")).json()

    by_category = told["files"]["by_category"]
    assert list(by_category) == ["frames", "outputs"]
    assert by_category["frames"] == {
        "count": 2,
        "bytes": 20,
        "held": 1,
        "by_state": {"stored": 2},
        "earliest": frames[0]["expires_at"],
        "latest": None,
    }
    assert (by_category["outputs"]["bytes"], by_category["outputs"]["earliest"]) == (5, None)
    assert (told["files"]["count"], told["files"]["held"]) == (3, 1)
    assert (told["results"]["count"], told["results"]["latest"]) == (2, None)
    assert told["results"]["earliest"] is not None


async def test_what_is_no_cursor_is_refused(client: Client, database: str) -> None:
    job_id = await add_job(database)

    answer = await client.request("GET", f"/api/v1/jobs/{job_id}/retention", params={"cursor": "!"})

    assert refusal(answer) == (422, "invalid_request")
