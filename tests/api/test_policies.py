"""Policies over REST: what is in force, and previews of others."""

import json
from typing import Any

import pytest

from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.api.answers import problem_in, refusal
from tests.conftest import Client, execute, fetch

URL = "/api/v1/storage/policies"
CATEGORIES = {category.value for category in Category}
ZEROS: dict[str, Any] = {
    "files": 0,
    "bytes": 0,
    "owners": 0,
    "earliest_deletion": None,
    "newly_due_files": 0,
    "newly_due_bytes": 0,
    "held_files": 0,
    "evicted_files": 0,
    "evicted_bytes": 0,
    "evicted_owners": [],
    "passed_over_files": 0,
    "changes": {},
}


async def preview(client: Client, tree: Any, *, by: str = "admin") -> Any:
    return await client.request("POST", f"{URL}/preview", by=by, json=tree)


async def test_everybody_may_know_the_policy_in_force(client: Client, runtime: Runtime) -> None:
    answer = await client.request("GET", URL)
    told = answer.json()

    assert answer.status_code == 200
    assert told["policy_version"] == (await runtime.retention.policies.in_force()).policy.version
    assert told["configured"] is True
    assert set(told["categories"]) == CATEGORIES
    assert told["categories"]["frames"] == {
        "lifetime_seconds": 30 * 86_400,
        "minimum_seconds": None,
        "owner_quota_bytes": None,
        "quota_bytes": 50 * 2**30,
        "high_water_bytes": 50 * 2**30,
        "low_water_bytes": 45 * 2**30,
        "eviction_priority": 4,
        "schedule": "0 2 * * *",
    }


async def test_a_preview_tells_what_would_move(client: Client, database: str) -> None:
    small, large = (
        await client.upload(b"123", category="frames"),
        await client.upload(b"12345", category="frames", by="bob"),
    )
    await client.upload(b"dated", category="frames", ttl_seconds="60")

    answer = await preview(client, {"storage": {"retention": {"frames": "5d"}, "minimum_retention": {"temp": "1h"}}})
    told = answer.json()

    assert answer.status_code == 200, answer.text
    assert told["policy_version"] != told["in_force_version"]
    frames = told["categories"].pop("frames")
    assert frames == ZEROS | {
        "files": 2,
        "bytes": 8,
        "owners": 2,
        "earliest_deletion": frames["earliest_deletion"],
        "changes": {"lifetime_seconds": {"before": 30 * 86_400, "after": 5 * 86_400}},
    }
    assert told["categories"].pop("temp")["changes"] == {"minimum_seconds": {"before": None, "after": 3600}}
    assert all(impact == ZEROS for impact in told["categories"].values())
    assert [file["file_id"] for file in told["largest"]] == [large["id"], small["id"]]
    assert told["largest"][1]["new_expires_at"] == frames["earliest_deletion"]
    assert told["largest"][0] | {"new_expires_at": None} == {
        "file_id": large["id"],
        "owner": "bob",
        "category": "frames",
        "filename": "file.bin",
        "size_bytes": 5,
        "expires_at": large["expires_at"],
        "new_expires_at": None,
    }
    assert told["needs_confirmation"] is False
    assert await fetch(database, "SELECT FROM media_files WHERE version > 1") == []


async def test_an_empty_tree_changes_nothing(client: Client) -> None:
    told = (await preview(client, {})).json()

    assert told["policy_version"] == told["in_force_version"]
    assert told["categories"] == dict.fromkeys(CATEGORIES, ZEROS)


async def test_previews_are_for_administrators(client: Client) -> None:
    assert refusal(await preview(client, {}, by="alice")) == (403, "admin_required")
    assert refusal(await client.request("GET", URL, by=None)) == (401, "token_rejected")


async def test_all_that_is_wrong_is_told_at_once(client: Client) -> None:
    answer = await preview(
        client, {"storage": {"retention": {"frame": "5d", "temp": "soon"}, "quotas": {"clips": -5}}, "bogus": 1}
    )
    problems = problem_in(answer)["problems"]

    assert refusal(answer) == (422, "policy_refused")
    assert len(problems) == 4
    for word in ("retention.frame ", "'soon'", "quotas.clips", "bogus"):
        assert any(word in problem for problem in problems), (word, problems)


async def test_a_policy_that_fails_its_own_tests_is_refused(client: Client) -> None:
    kept = {"name": "fresh frames stay", "category": "frames", "age": "2d", "expect": "keep"}

    answer = await preview(client, {"storage": {"retention": {"frames": "1d"}, "policy_tests": [kept]}})

    assert refusal(answer) == (422, "policy_refused")
    (problem,) = problem_in(answer)["problems"]
    assert "fresh frames stay" in problem
    assert "expected keep, got delete by category_lifetime" in problem


DEEP: dict[str, Any] = {}
for _ in range(200):
    DEEP = {"storage": DEEP}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"storage"',
        b'{"storage": ',
        b'{"storage": {"retention": {"frames": NaN}}}',
        b'{"storage": {"retention": {"frames": 1e999}}}',
        b'{"storage": {"retention": {"frames": "\\ud800"}}}',
        b'{"\\ud800": 1, "nul\\u0000": 2}',
        b'{"storage": {"retention": {"frames": ' + b"9" * 20_000 + b"}}}",
        b'{"storage": {"retention": {"frames": ' + b"9" * 4_000 + b"}}}",
        b'{"storage": {"retention": {"frames": ' + b"[" * 900 + b"]" * 900 + b"}}}",
        b'{"storage": {"policy_tests": ' + b"[" * 30_000 + b"]" * 30_000 + b"}}",
        json.dumps(DEEP).encode(),
        json.dumps({f"unknown{number}": 1 for number in range(3000)}).encode(),
        json.dumps({"storage": {"policy_tests": [{"name": number} for number in range(2000)]}}).encode(),
    ],
    ids=lambda body: body[:40].decode(),
)
async def test_a_hostile_tree_is_a_small_problem(client: Client, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}

    answer = await client.request("POST", f"{URL}/preview", by="admin", content=body, headers=headers)

    assert answer.status_code in {400, 422}, answer.text
    assert problem_in(answer)
    assert len(answer.content) < 8_192


async def test_a_policy_is_applied_as_it_was_previewed_and_confirmed(
    client: Client, runtime: Runtime, database: str
) -> None:
    file = await client.upload(category="frames")
    tree = {"storage": {"retention": {"frames": "5d"}}}
    version = (await preview(client, tree)).json()["policy_version"]

    async def apply(by: str = "admin", **asked: Any) -> Any:
        return await client.request("POST", f"{URL}/apply", by=by, json={"policy": tree, **asked})

    foreign = await apply(by="alice")
    superseded = await apply(policy_version="another")
    misspelt = await client.request("POST", f"{URL}/apply", by="admin", json={"policy": {"storage": {"retentoin": {}}}})
    applied = await apply(policy_version=version)

    assert refusal(foreign) == (403, "admin_required")
    assert refusal(superseded) == (409, "policy_superseded")
    assert refusal(misspelt) == (422, "policy_refused")
    assert (applied.status_code, applied.json()["policy_version"]) == (200, version)
    assert applied.json()["files"]["frames"] == 1
    moved = (await client.request("GET", f"/api/v1/files/{file['id']}")).json()
    assert moved["expires_at"] < file["expires_at"]


@pytest.fixture
def cautious(environment: dict[str, str]) -> None:
    environment["STORAGE_BREAKER_MIN_FILES"] = "1"


@pytest.mark.usefixtures("cautious")
async def test_what_would_go_at_once_wants_its_number(client: Client, database: str) -> None:
    await client.upload(category="frames")
    await execute(database, "UPDATE media_files SET stored_at = stored_at - interval '10 days'")
    asked = {"policy": {"storage": {"retention": {"frames": "5d"}}}}

    answers = [
        await client.request("POST", f"{URL}/apply", by="admin", json={**asked, **confirmed})
        for confirmed in ({}, {"confirm": True}, {"confirm": 0}, {"confirm": 1})
    ]

    assert [answer.status_code for answer in answers] == [409, 422, 409, 200]
    assert answers[0].json()["confirm"] == "1"
