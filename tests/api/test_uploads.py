"""Raw uploads over REST: what is answered, and what is refused with nothing kept."""

import hashlib
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.conftest import Remains
from tests.api.forms import in_pieces
from tests.conftest import Client, execute, fetch
from tests.disks import disk_of

CONTENT = b"\x00\x01 some bytes"
YEAR_SECONDS = 365 * 86_400


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def add_job(database: str, *, owner: str) -> str:
    job_id = str(uuid4())
    await execute(
        database,
        "INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category)"
        f" VALUES ('{job_id}', '{owner}', 'n', 'probe', 'pending', 0, 0, 0, '{job_id}', 'outputs')",
    )
    return job_id


async def test_an_upload_answers_every_fact_of_the_file_and_where_it_is(client: Client) -> None:
    before = datetime.now(UTC)
    params = {"category": "uploads", "filename": "bikes.bin"}

    answer = await client.request("POST", "/api/v1/files", params=params, content=CONTENT)

    file = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/api/v1/files/{file['id']}"
    assert before - timedelta(seconds=5) < instant(file.pop("created_at")) < datetime.now(UTC) + timedelta(seconds=5)
    lifetime = instant(file.pop("expires_at")) - before
    assert timedelta(days=7) - timedelta(seconds=5) < lifetime < timedelta(days=7, seconds=30)
    assert file == {
        "id": file["id"],
        "owner": "alice",
        "category": "uploads",
        "state": "stored",
        "filename": "bikes.bin",
        "media_type": "application/octet-stream",
        "size_bytes": len(CONTENT),
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
        "job_id": None,
        "parent_id": None,
        "labels": {},
        "role": None,
        "ordinal": None,
        "instant_seconds": None,
        "held": False,
        "held_until": None,
        "hold_reason": None,
        "held_by": None,
        "trashed_at": None,
        "restorable_until": None,
        "rule": None,
    }


async def test_a_location_leads_to_the_same_file_and_its_bytes(client: Client) -> None:
    answer = await client.request("POST", "/api/v1/files?category=temp&filename=a", content=in_pieces(CONTENT, 3))

    location = answer.headers["location"]
    assert (await client.request("GET", location)).json() == answer.json()
    assert (await client.request("GET", f"{location}/content")).content == CONTENT


async def test_a_file_expires_when_its_upload_says(client: Client) -> None:
    named = datetime(2090, 1, 2, 3, 4, 5, tzinfo=UTC)

    minute = await client.upload(ttl_seconds=60)
    dated = await client.upload(expires_at="2090-01-02T04:04:05+01:00")
    never = await client.upload(expires_at="never")
    kept_by_category = await client.upload(category="outputs")

    assert instant(minute["expires_at"]) - instant(minute["created_at"]) < timedelta(seconds=70)
    assert instant(dated["expires_at"]) == named
    assert never["expires_at"] is None
    assert kept_by_category["expires_at"] is None


WRONG_QUERIES = {
    "both expiries": {"ttl_seconds": "5", "expires_at": "never"},
    "no lifetime": {"ttl_seconds": "0"},
    "negative": {"ttl_seconds": "-1"},
    "absurd": {"ttl_seconds": "9" * 30},
    "more digits than python reads": {"ttl_seconds": "9" * 5000},
    "fraction": {"ttl_seconds": "1.5"},
    "not a number": {"ttl_seconds": "NaN"},
    "infinite": {"ttl_seconds": "Infinity"},
    "no offset": {"expires_at": "2030-01-01T00:00:00"},
    "no instant": {"expires_at": "tomorrow"},
    "too far": {"expires_at": "9999-12-31T23:59:59Z"},
    "too early": {"expires_at": "0001-01-01T00:00:00+23:59"},
    "no category": {"category": ""},
    "other category": {"category": "../uploads"},
    "no name": {"filename": ""},
    "unknown parameter": {"colour": "red"},
    "job": {"job_id": "7"},
    "parent": {"parent_id": "\x00"},
    "not of this caller": {"owner": "bob"},
}


async def test_a_query_that_says_nonsense_is_refused_and_nothing_is_kept(client: Client, remains: Remains) -> None:
    answers = {
        name: await client.request(
            "POST", "/api/v1/files", params={"category": "temp", "filename": "a"} | query, content=CONTENT
        )
        for name, query in WRONG_QUERIES.items()
    }

    assert {name: refusal(answer) for name, answer in answers.items()} == dict.fromkeys(
        WRONG_QUERIES, (422, "invalid_request")
    )
    assert await remains() == []


async def test_an_upload_names_a_job_and_a_parent_of_its_owner(client: Client, database: str) -> None:
    job_id = await add_job(database, owner="alice")
    parent = await client.upload()

    child = await client.upload(category="frames", job_id=job_id, parent_id=parent["id"])

    assert (child["job_id"], child["parent_id"]) == (job_id, parent["id"])


@pytest.mark.parametrize("link", ["job_id", "parent_id"])
async def test_a_foreign_link_is_refused_like_an_unknown_one(
    client: Client, database: str, remains: Remains, link: str
) -> None:
    foreign = await add_job(database, owner="bob") if link == "job_id" else (await client.upload(by="bob"))["id"]
    kept_before = await remains()
    params = {"category": "temp", "filename": "a"}

    answers = [
        await client.request("POST", "/api/v1/files", params=params | {link: target}, content=CONTENT)
        for target in (foreign, str(uuid4()))
    ]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * 2
    assert answers[0].json() == answers[1].json()
    assert problem_in(answers[0])["field"] == link
    assert await remains() == kept_before


async def test_an_empty_body_is_a_file_of_no_bytes(client: Client) -> None:
    file = await client.upload(b"")

    assert file["size_bytes"] == 0
    assert file["sha256"] == hashlib.sha256(b"").hexdigest()
    assert file["media_type"] == "application/octet-stream"


async def test_a_thousand_small_pieces_make_one_file(client: Client, runtime: Runtime, database: str) -> None:
    content = bytes(range(256)) * 40
    params = {"category": "clips", "filename": "a.bin"}

    answer = await client.request("POST", "/api/v1/files", params=params, content=in_pieces(content, 10))

    rows = await fetch(database, "SELECT key, reserved_bytes FROM media_files")
    assert answer.json()["sha256"] == hashlib.sha256(content).hexdigest()
    assert (disk_of(runtime.store).root / rows[0]["key"]).read_bytes() == content
    assert rows[0]["reserved_bytes"] is None
