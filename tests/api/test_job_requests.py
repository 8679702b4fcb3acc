"""Jobs over HTTP: asked for, read, stopped, tried again."""

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from pydantic import Field

from media_analysis.analysis.kinds import BUILT_IN, Kind
from media_analysis.jobs.attempts.attempt import Failure
from media_analysis.media.options import Options
from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal, without_ids
from tests.api.conftest import Expire
from tests.api.jobs import URL, begin, create, fail, finish, read
from tests.conftest import Client, execute, fetch

KINDS = ["analyze", "contact_sheet", "external", "frames", "preview", "probe"]


ROUTES = [
    ("GET", ""),
    ("GET", "/files"),
    ("GET", "/results"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
]


DELETION = {
    "row": "UPDATE analysis_jobs SET deleted_at = now(), status = 'cancelled'",
    "summary": """
        INSERT INTO job_audit (job_id, owner, name, kind, folder_name, status, created_at, deleted_at, deleted_by,
                               files, size_bytes, stats)
        SELECT id, owner, name, kind, folder_name, status, created_at, now(), owner, 0, 0, '{}' FROM analysis_jobs;
        DELETE FROM analysis_jobs
    """,
}


async def test_options_nested_too_deep_are_refused(client: Client) -> None:
    deep: dict[str, Any] = {}
    for _ in range(100):
        deep = {"a": deep}

    answer = await client.request(
        "POST", URL, json={"name": "n", "kind": "external", "parameters": {"analyser": "x", "options": deep}}
    )

    assert refusal(answer) == (422, "invalid_request")


async def test_a_source_must_be_a_living_stored_file_of_the_caller(client: Client, expire: Expire) -> None:
    """A foreign file looks like one that never was (promise 22)."""
    foreign = (await client.upload(by="bob"))["id"]
    expired = await client.upload()
    await expire(expired)
    deleted = (await client.upload())["id"]
    await client.request("DELETE", f"/api/v1/files/{deleted}")
    unusable = [str(uuid4()), foreign, expired["id"], deleted]

    answers = [
        await client.request("POST", URL, json={"name": "n", "kind": "probe", "source_file_ids": [file_id]})
        for file_id in unusable
    ]

    assert {refusal(answer) for answer in answers} == {(422, "source_unusable")}
    assert len({without_ids(answer, file_id) for answer, file_id in zip(answers, unusable, strict=True)}) == 1


async def test_a_job_that_waits_is_cancelled_once_and_stays_so(client: Client, database: str) -> None:
    job = await create(client)

    cancelled = await client.request("POST", f"{URL}/{job['id']}/cancel")
    again = await client.request("POST", f"{URL}/{job['id']}/cancel")

    assert (cancelled.status_code, cancelled.json()["status"]) == (200, "cancelled")
    assert cancelled.json()["source_file_ids"] == job["source_file_ids"]
    assert again.json() == cancelled.json()
    assert await fetch(database, "SELECT FROM analysis_jobs WHERE status = 'pending'") == []


async def test_a_job_that_runs_is_cancelled(client: Client, runtime: Runtime) -> None:
    job = await create(client)
    await begin(runtime, job)

    answer = await client.request("POST", f"{URL}/{job['id']}/cancel")

    assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")


async def test_a_job_that_ended_cannot_be_cancelled(client: Client, runtime: Runtime) -> None:
    done, failed = await create(client), await create(client)
    await finish(runtime, done)
    await fail(runtime, failed)

    answers = [await client.request("POST", f"{URL}/{job['id']}/cancel") for job in (done, failed)]

    assert [refusal(answer) for answer in answers] == [(409, "job_ended")] * 2
    assert [problem_in(answer)["status"] for answer in answers] == [409, 409]


async def test_a_failed_job_says_why_and_is_tried_again(client: Client, runtime: Runtime) -> None:
    job = await create(client)
    await fail(runtime, job)

    failed = await read(client, job["id"])
    answer = await client.request("POST", f"{URL}/{job['id']}/retry")

    assert failed["error"] == {"code": "corrupt_media", "detail": "nothing of it can be decoded"}
    assert failed["completed_at"]
    assert (answer.status_code, answer.json()["status"], answer.json()["error"]) == (202, "pending", None)
    assert len((await runtime.jobs.claims.claim(["probe"], worker="w")).attempts) == 1


async def test_only_a_failed_job_is_tried_again(client: Client, runtime: Runtime) -> None:
    waiting, done = await create(client), await create(client)
    await finish(runtime, done)

    answers = [await client.request("POST", f"{URL}/{job['id']}/retry") for job in (waiting, done)]

    assert [refusal(answer) for answer in answers] == [(409, "job_not_failed")] * 2


async def test_a_failed_job_whose_source_went_is_not_tried_again(client: Client, runtime: Runtime) -> None:
    job = await create(client)
    await fail(runtime, job)
    await client.request("DELETE", f"/api/v1/files/{job['source_file_ids'][0]}")

    answer = await client.request("POST", f"{URL}/{job['id']}/retry")

    assert refusal(answer) == (422, "source_unusable")


async def test_a_job_that_waits_for_another_attempt_says_why_and_until_when(client: Client, runtime: Runtime) -> None:
    job = await create(client)
    fence = await begin(runtime, job)
    failure = Failure(code="store_unavailable", detail="the disk does not answer")

    await runtime.jobs.attempts.hand_back(UUID(job["id"]), fence=fence, failure=failure, delay=timedelta(minutes=5))

    waiting = await read(client, job["id"])
    assert (waiting["status"], waiting["attempts"]) == ("pending", 1)
    assert waiting["error"] == {"code": "store_unavailable", "detail": "the disk does not answer"}
    assert datetime.fromisoformat(waiting["retry_at"]) > datetime.fromisoformat(job["created_at"])


async def test_a_running_job_shows_how_far_it_is(client: Client, runtime: Runtime) -> None:
    job = await create(client)
    fence = await begin(runtime, job)
    job_id = UUID(job["id"])

    await runtime.jobs.attempts.tell_progress(job_id, fence=fence, share=0.25, stage="frames", done=5, total=20)
    await runtime.jobs.attempts.warn(job_id, fence=fence, code="truncated", detail="the file ends early")

    running = await read(client, job["id"])
    assert (running["status"], running["progress"], running["worker"]) == ("running", 0.25, "test")
    assert (running["stage"], running["stage_done"], running["stage_total"]) == ("frames", 5, 20)
    assert running["warnings"] == [{"code": "truncated", "detail": "the file ends early"}]
    assert running["started_at"]


@pytest.mark.parametrize("left", ["row", "summary"])
async def test_a_deleted_job_is_gone_for_its_owner_and_unknown_to_others(
    client: Client, database: str, left: str
) -> None:
    job = await create(client, kind="external", source_file_ids=[], parameters={"analyser": "x"})
    await execute(database, DELETION[left])

    own = [await client.request(method, f"{URL}/{job['id']}{path}") for method, path in ROUTES]
    admins = [await client.request(method, f"{URL}/{job['id']}{path}", by="admin") for method, path in ROUTES]
    strangers = [await client.request(method, f"{URL}/{job['id']}{path}", by="bob") for method, path in ROUTES]

    assert [refusal(answer) for answer in own + admins] == [(410, "job_gone")] * 2 * len(ROUTES)
    assert [refusal(answer) for answer in strangers] == [(404, "job_not_found")] * len(ROUTES)
    assert (await client.request("GET", URL)).json()["items"] == []


class GreyOptions(Options):
    """How grey it gets."""

    depth: int = Field(ge=1, le=8)


def no_task(_sources: object, _options: object, _limits: object, _emit: object) -> None:
    """Stands for a plugin's work."""


@pytest.fixture
def plugged_in(runtime: Runtime) -> None:
    """A plugin that takes two sources, beside the built-in kinds."""
    grey = Kind(
        name="grey", parameters=GreyOptions, task=no_task, min_sources=2, max_sources=2, summary="Makes it grey"
    )
    vars(runtime.jobs)["kinds"] = {**BUILT_IN, "grey": grey}


@pytest.mark.usefixtures("plugged_in")
async def test_a_plugins_kind_is_asked_for_like_any_other(client: Client) -> None:
    two = [(await client.upload())["id"] for _ in range(2)]
    asked = {"name": "n", "kind": "grey", "source_file_ids": two, "parameters": {"depth": 3}}
    wrong: list[dict[str, Any]] = [
        {"source_file_ids": two[:1]},
        {"parameters": {"depth": 9}},
        {"parameters": {}},
        {"parameters": {"x": 1}},
    ]

    answer = await client.request("POST", URL, json=asked)
    refused = [await client.request("POST", URL, json=asked | about) for about in wrong]
    unknown = await client.request("POST", URL, json=asked | {"kind": "gray"})

    assert (answer.status_code, answer.json()["parameters"]) == (202, {"depth": 3})
    assert {refusal(one) for one in refused} == {(422, "invalid_request")}
    assert problem_in(unknown)["known"] == sorted([*KINDS, "grey"])
