"""Holds over HTTP: on files and jobs, by whom, and what they refuse; new ends of jobs."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.api.answers import problem_in, refusal, without_ids
from tests.api.conftest import Expire
from tests.conftest import Client, execute
from tests.retention.jobs import add_job

FILES = "/api/v1/files"
JOBS = "/api/v1/jobs"
REASON = {"reason": "evidence"}
ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    ("PUT", "/hold", {"json": REASON}),
    ("PUT", "/hold", {"json": {}}),
    ("DELETE", "/hold", {}),
]
JOB_ROUTES: list[tuple[str, str, dict[str, Any]]] = [
    *ROUTES,
    ("GET", "", {}),
    ("PATCH", "", {"json": {"expires_at": None}}),
]


async def hold(client: Client, path: str, *, by: str = "alice", **asked: Any) -> dict[str, Any]:
    answer = await client.request("PUT", f"{path}/hold", by=by, json=REASON | asked)
    assert answer.status_code == 200, answer.text
    held: dict[str, Any] = answer.json()
    return held


@pytest.fixture
async def job(client: Client, database: str) -> str:
    """The address of a job of alice's."""
    return f"{JOBS}/{await add_job(database)}"


async def test_a_file_is_held_and_released(client: Client) -> None:
    file = await client.upload()
    path = f"{FILES}/{file['id']}"

    for_good = await hold(client, path)
    refused = await client.request("DELETE", path)
    for_a_while = await hold(client, path, until="2090-01-01T01:00:00+01:00")
    released = await client.request("DELETE", f"{path}/hold")
    deleted = await client.request("DELETE", path)

    assert for_good == {"file_id": file["id"], "held": True, "until": None, "reason": "evidence", "by": "alice"}
    assert for_a_while == for_good | {"until": "2090-01-01T00:00:00Z"}
    assert (refusal(refused), problem_in(refused)["rule"]) == ((409, "file_held"), "hold")
    assert (released.status_code, released.content) == (204, b"")
    assert deleted.status_code == 204


async def test_a_job_is_held_with_the_files_it_has_and_gets(client: Client, job: str) -> None:
    job_id = job.rpartition("/")[2]
    first = await client.upload(job_id=job_id)

    held = await hold(client, job, until=None)
    second = await client.upload(job_id=job_id)
    refused = [await client.request("DELETE", f"{FILES}/{file['id']}") for file in (first, second)]
    described = (await client.request("GET", job)).json()
    released = await client.request("DELETE", f"{job}/hold")
    deleted = await client.request("DELETE", f"{FILES}/{second['id']}")

    told = {"held": True, "until": None, "reason": "evidence", "by": "alice"}
    assert held == {"job_id": job_id, "files": 1, **told}
    assert [refusal(answer) for answer in refused] == [(409, "file_held")] * 2
    assert (described["held"], described["held_until"], described["held_by"]) == (True, None, "alice")
    assert (released.status_code, deleted.status_code) == (204, 204)
    assert (await client.request("GET", job)).json()["held"] is False


async def test_only_an_administrator_undoes_what_an_administrator_holds(client: Client, job: str) -> None:
    file = await client.upload()
    for path in (f"{FILES}/{file['id']}", job):
        await hold(client, path, by="admin")

        answers = [
            await client.request("DELETE", f"{path}/hold"),
            await client.request("PUT", f"{path}/hold", json=REASON),
        ]

        assert [refusal(answer) for answer in answers] == [(403, "admin_required")] * 2
        assert (await client.request("DELETE", f"{path}/hold", by="admin")).status_code == 204


async def test_what_is_gone_or_not_yet_there_is_not_held(client: Client, expire: Expire, database: str) -> None:
    expired, deleted, pending = await client.upload(), await client.upload(), {"id": str(uuid4())}
    await expire(expired)
    await client.request("DELETE", f"{FILES}/{deleted['id']}")
    await execute(
        database,
        "INSERT INTO media_files"
        " (id, owner, category, state, key, filename, media_type, reserved_bytes, expiry_explicit, due_at) VALUES"
        f" ('{pending['id']}', 'alice', 'temp', 'pending', 'temp/x', 'x', 'text/plain', 0, false, now() + '1 hour')",
    )

    said = [
        refusal(await client.request(method, f"{FILES}/{file['id']}/hold", **about))
        for file in (expired, deleted, pending)
        for method, _, about in (ROUTES[0], ROUTES[-1])
    ]

    assert said == [(410, "file_gone")] * 4 + [(409, "file_not_ready")] * 2


WRONG: list[Any] = [
    {},
    {"reason": ""},
    {"reason": None},
    {"reason": "x" * 501},
    {"reason": "a\x00b"},
    {"reason": "\ud800"},
    {"reason": 5},
    REASON | {"until": "2090-01-01T00:00:00"},
    REASON | {"until": "2090-01-01"},
    REASON | {"until": "forever"},
    REASON | {"until": 4102444800},
    REASON | {"until": "2020-01-01T00:00:00Z"},
    REASON | {"until": "9999-12-31T23:59:59.999999Z"},
    REASON | {"by": "bob"},
    [],
    None,
]


JSON = {"Content-Type": "application/json"}


async def test_a_hold_that_makes_no_sense_is_refused_and_holds_nothing(client: Client, job: str) -> None:
    file = await client.upload()

    for path in (f"{FILES}/{file['id']}", job):
        answers = [
            await client.request("PUT", f"{path}/hold", content=json.dumps(asked), headers=JSON) for asked in WRONG
        ]
        said = [(asked, *refusal(answer)) for asked, answer in zip(WRONG, answers, strict=True)]
        assert said == [(asked, 422, "invalid_request") for asked in WRONG]

    assert (await client.request("DELETE", f"{FILES}/{file['id']}")).status_code == 204


async def test_what_belongs_to_somebody_else_looks_unknown(client: Client, job: str) -> None:
    file = await client.upload()
    foreign = [(FILES, file["id"], ROUTES), (JOBS, job.rpartition("/")[2], JOB_ROUTES)]
    for base, theirs, routes in foreign:
        unknown = str(uuid4())
        for method, rest, about in routes:
            answers = [
                await client.request(method, f"{base}/{known}{rest}", by="bob", **about) for known in (theirs, unknown)
            ]

            bodies = {without_ids(answer, theirs, unknown) for answer in answers}
            assert len({answer.status_code for answer in answers}) == 1
            assert len(bodies) == 1, (method, base, rest)


async def test_a_new_end_of_a_job_is_that_of_its_files(client: Client, job: str) -> None:
    job_id = job.rpartition("/")[2]
    file = await client.upload(job_id=job_id, ttl_seconds=60)

    in_a_day = (await client.request("PATCH", job, json={"ttl_seconds": 86_400})).json()
    dated = (await client.request("GET", f"{FILES}/{file['id']}")).json()
    never = (await client.request("PATCH", job, by="admin", json={"expires_at": None})).json()

    assert timedelta(hours=23) < datetime.fromisoformat(in_a_day["expires_at"]) - datetime.now(UTC) <= timedelta(days=1)
    assert dated["expires_at"] == in_a_day["expires_at"]
    assert never == {"job_id": job_id, "expires_at": None, "labels": {}, "files": 1}
    assert (await client.request("GET", job)).json()["expires_at"] is None
    assert (await client.request("GET", f"{FILES}/{file['id']}")).json()["expires_at"] is None


async def test_a_new_end_that_makes_no_sense_is_refused(client: Client, job: str) -> None:
    wrong: list[Any] = [
        {},
        {"ttl_seconds": None},
        {"ttl_seconds": 0},
        {"ttl_seconds": 5, "expires_at": None},
        {"expires_at": "never"},
        {"name": "another"},
        None,
    ]

    answers = [await client.request("PATCH", job, json=change) for change in wrong]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(wrong)
    assert refusal(await client.request("GET", f"{JOBS}/{UUID(int=0)}")) == (404, "job_not_found")
