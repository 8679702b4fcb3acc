"""Storage over REST: cleanups and their rehearsals, sweeps, stats, validation."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.api.answers import refusal
from tests.api.conftest import Expire, Remains
from tests.conftest import Client, execute, fetch
from tests.disks import disk_of

URL = "/api/v1/storage"
CATEGORIES = {category.value for category in Category}


async def cleanup(client: Client, **query: Any) -> dict[str, Any]:
    answer = await client.request("POST", f"{URL}/cleanup", by="admin", params=query)
    assert answer.status_code == 200, answer.text
    report: dict[str, Any] = answer.json()
    return report


def outcome(files: int = 0, size_bytes: int = 0) -> dict[str, int]:
    trash = {"files_trashed": 0, "bytes_trashed": 0}
    return {"files_removed": files, "bytes_freed": size_bytes, **trash, "errors": 0}


@pytest.fixture
async def due(client: Client, expire: Expire) -> list[dict[str, Any]]:
    """Two expired temp files of 5 bytes and an expired clip of 7, beside a living file."""
    files = [await client.upload(b"12345", category="temp", by=by) for by in ("alice", "bob")]
    files.append(await client.upload(b"1234567", category="clips"))
    await client.upload(b"123", category="temp")
    for file in files:
        await expire(file)
    return files


@pytest.mark.usefixtures("due")
async def test_a_cleanup_only_rehearses_unless_told_otherwise(client: Client, database: str, remains: Remains) -> None:
    kept = await remains()

    by_default, on_request = await cleanup(client), await cleanup(client, dry_run="true")

    assert by_default["dry_run"] is True
    assert (by_default["total_files_removed"], by_default["total_bytes_freed"]) == (3, 17)
    assert by_default["categories"] == on_request["categories"]
    assert sorted(await remains()) == sorted(kept)
    assert await fetch(database, "SELECT FROM tombstones") == []


@pytest.mark.usefixtures("due")
async def test_a_real_cleanup_takes_what_its_rehearsal_named(client: Client, remains: Remains) -> None:
    rehearsal = await cleanup(client)

    real = await cleanup(client, dry_run="false")
    after = await cleanup(client, dry_run="false")

    begun, ended = (datetime.fromisoformat(real[name]) for name in ("start_time", "end_time"))
    assert real == {
        "id": real["id"],
        "status": "completed",
        "dry_run": False,
        "trigger": "api",
        "requested_by": "admin",
        "start_time": real["start_time"],
        "end_time": real["end_time"],
        "policy_version": rehearsal["policy_version"],
        "plan_id": None,
        "categories": dict.fromkeys(CATEGORIES, outcome()) | {"temp": outcome(2, 10), "clips": outcome(1, 7)},
        "total_files_removed": 3,
        "total_bytes_freed": 17,
        "total_files_trashed": 0,
        "total_bytes_trashed": 0,
        "total_results_removed": 0,
        "total_jobs_removed": 0,
        "paused": {},
        "details": {},
        "error": None,
    }
    assert begun <= ended
    assert rehearsal["categories"] == real["categories"]
    assert after["total_files_removed"] == 0
    assert len(await remains()) == 2


@pytest.mark.usefixtures("due")
async def test_a_cleanup_of_one_category_leaves_the_others(client: Client, remains: Remains) -> None:
    rehearsal = await cleanup(client, category="clips")
    real = await cleanup(client, category="clips", dry_run="false")

    assert rehearsal["categories"] == real["categories"] == {"clips": outcome(1, 7)}
    assert len(await remains()) == 6


async def test_a_held_file_is_neither_named_nor_taken(
    client: Client, database: str, due: list[dict[str, Any]], remains: Remains
) -> None:
    held = "held_until = now() + interval '1 hour'"
    await execute(database, f"UPDATE media_files SET {held} WHERE id = '{due[0]['id']}'")

    rehearsal, real = await cleanup(client), await cleanup(client, dry_run="false")

    assert rehearsal["categories"]["temp"] == real["categories"]["temp"] == outcome(1, 5)
    assert len(await remains()) == 4


@pytest.mark.usefixtures("due")
async def test_every_cleanup_is_remembered_as_a_sweep(client: Client) -> None:
    reports = [await cleanup(client), await cleanup(client, category="temp", dry_run="false")]

    listed = (await client.request("GET", f"{URL}/sweeps", by="admin")).json()
    newest = (await client.request("GET", f"{URL}/sweeps", by="admin", params={"limit": 1})).json()
    one = await client.request("GET", f"{URL}/sweeps/{reports[0]['id']}", by="admin")

    assert listed == {"items": reports[::-1]}
    assert newest == {"items": reports[1:]}
    assert one.json() == reports[0]
    assert refusal(await client.request("GET", f"{URL}/sweeps/{uuid4()}", by="admin")) == (404, "sweep_not_found")


async def test_stats_say_what_the_ledger_and_the_disk_say(client: Client) -> None:
    await client.upload(b"12345", category="temp")
    await client.upload(b"1234567", category="uploads", by="bob")
    await client.upload(b"", category="archives")

    everything = (await client.request("GET", f"{URL}/stats", by="admin")).json()

    assert everything.keys() == {
        "total_bytes",
        "used_bytes",
        "free_bytes",
        "file_counts",
        "quota_status",
        "active",
        "archived",
        "trashed",
        "arriving",
        "labelled",
    }
    assert everything["used_bytes"] == 12
    assert 0 < everything["free_bytes"] < everything["total_bytes"]
    assert everything["file_counts"] == dict.fromkeys(CATEGORIES, 0) | {"temp": 1, "uploads": 1, "archives": 1}
    assert everything["quota_status"].keys() == CATEGORIES
    assert everything["quota_status"]["temp"] == {"used_bytes": 5, "quota_bytes": 5 * 2**30, "percent_used": 0.0}
    assert everything["quota_status"]["archives"] == {"used_bytes": 0, "quota_bytes": None, "percent_used": None}


class TestTrash:
    """A service whose sweeps fill the trash, although requests delete for good."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_CLEANUP_USE_TRASH": "true"}

    @pytest.mark.usefixtures("due")
    async def test_a_cleanup_tells_what_it_sent_to_the_trash_as_its_rehearsal_did(
        self, client: Client, expire: Expire
    ) -> None:
        for content in (b"12345", b"54321"):
            await expire(await client.upload(content))

        rehearsal, real = await cleanup(client), await cleanup(client, dry_run="false")

        trashed = outcome() | {"files_trashed": 2, "bytes_trashed": 10}
        assert rehearsal["categories"] == real["categories"]
        assert real["categories"]["uploads"] == trashed
        assert (real["categories"]["temp"], real["categories"]["clips"]) == (outcome(2, 10), outcome(1, 7))
        assert (real["total_files_removed"], real["total_files_trashed"], real["total_bytes_trashed"]) == (3, 2, 10)


async def test_a_paused_category_says_why(client: Client, database: str) -> None:
    columns = "id, category, cause, reason, files, size_bytes, paused_at, paused_by"
    facts = f"'{uuid4()}', 'clips', 'operator', 'wait', 0, 0, now(), 'admin'"
    await execute(database, f"INSERT INTO pauses ({columns}) VALUES ({facts})")

    real = await cleanup(client, dry_run="false")
    remembered = (await client.request("GET", f"{URL}/sweeps/{real['id']}", by="admin")).json()

    assert (real["status"], real["paused"]) == ("paused", {"clips": "wait"})
    assert real["details"] == {"paused": {"clips": "wait"}}
    assert remembered == real


async def test_sweeps_of_earlier_versions_can_still_be_read(client: Client, database: str) -> None:
    await execute(
        database,
        "INSERT INTO sweeps (id, kind, trigger, requested_by, dry_run, status, started_at, files, size_bytes, errors,"
        f" categories) VALUES ('{uuid4()}', 'cleanup:temp', 'cli', 'admin', false, 'completed', now(), 2, 9, 0,"
        """ '{"temp": {"files_removed": 2, "bytes_freed": 9, "errors": 0}}')""",
    )

    (known,) = (await client.request("GET", f"{URL}/sweeps", by="admin")).json()["items"]

    assert known["categories"] == {"temp": outcome(2, 9)}
    assert (known["total_files_removed"], known["total_files_trashed"], known["policy_version"]) == (2, 0, None)


class TestQuota:
    """A service whose temp files may take 200 bytes."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_QUOTA_TEMP": "200"}

    async def test_a_user_sees_the_share_of_their_own_files(self, client: Client) -> None:
        await client.upload(bytes(50), category="temp")
        await client.upload(bytes(30), category="temp", by="bob")

        own = (await client.request("GET", f"{URL}/stats")).json()
        all_together = (await client.request("GET", f"{URL}/stats", by="admin")).json()

        assert own["used_bytes"] == 50
        assert own["file_counts"]["temp"] == 1
        assert own["quota_status"]["temp"] == {"used_bytes": 50, "quota_bytes": 200, "percent_used": 25.0}
        assert all_together["quota_status"]["temp"]["percent_used"] == 40.0
        assert (own["total_bytes"], own["free_bytes"]) == (None, None)


class TestOwnerQuota:
    """A service whose owners may have 100 bytes of temp files each."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"STORAGE_QUOTA_TEMP": "200", "STORAGE_OWNER_QUOTA_TEMP": "100"}

    async def test_a_user_sees_their_part_and_an_administrator_the_whole(self, client: Client) -> None:
        await client.upload(bytes(50), category="temp")

        answers = [(await client.request("GET", f"{URL}/stats", by=by)).json() for by in ("alice", "admin")]

        assert [answer["quota_status"]["temp"]["quota_bytes"] for answer in answers] == [100, 200]
        assert answers[0]["quota_status"]["temp"]["percent_used"] == 50.0


async def test_deleting_gives_the_bytes_back_to_the_stats(client: Client) -> None:
    file = await client.upload(b"12345", category="temp")
    await client.request("DELETE", f"/api/v1/files/{file['id']}")

    stats = (await client.request("GET", f"{URL}/stats")).json()

    assert (stats["used_bytes"], stats["file_counts"]["temp"]) == (0, 0)


async def test_validation_finds_nothing_wrong_or_says_what_is(client: Client, runtime: Runtime) -> None:
    well = (await client.request("GET", f"{URL}/validate", by="admin")).json()
    marker = disk_of(runtime.store).root / ".media-analysis"
    marker.rename(marker.with_suffix(".away"))
    ill = await client.request("GET", f"{URL}/validate", by="admin")
    marker.with_suffix(".away").rename(marker)

    assert well == {"valid": True, "messages": []}
    assert ill.status_code == 200
    assert ill.json().keys() == {"valid", "messages"}
    assert ill.json()["valid"] is False
    assert "marker" in ill.json()["messages"][0]
