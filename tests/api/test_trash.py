"""The trash over REST: deleting into it and past it, looking at it, and taking files back."""

import hashlib
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from tests.api.answers import problem_in, refusal
from tests.api.conftest import Expire
from tests.conftest import Client, execute, fetch
from tests.retention.jobs import add_job

URL = "/api/v1/files"
SWEEPS = "/api/v1/storage/sweeps"


async def delete(client: Client, file: dict[str, Any], *, by: str = "alice", **asked: str) -> None:
    answer = await client.request("DELETE", f"{URL}/{file['id']}", by=by, params=asked)
    assert answer.status_code == 204, answer.text


async def digest_of(client: Client, file: dict[str, Any]) -> str:
    answer = await client.request("GET", f"{URL}/{file['id']}/content", by="admin")
    assert answer.status_code == 200, answer.text
    return hashlib.sha256(answer.content).hexdigest()


async def clean_up(client: Client) -> dict[str, Any]:
    answer = await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")
    report: dict[str, Any] = answer.json()
    return report


async def end_trash(database: str) -> None:
    past = "now() - interval '1 second'"
    await execute(database, f"UPDATE media_files SET trash_ends_at = {past}, due_at = {past} WHERE state = 'trashed'")


class TestSoft:
    """A service that deletes by way of the trash."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"DELETION_STRATEGY": "soft", "TRASH_RETENTION": "2h"}

    async def test_a_deleted_file_is_gone_with_the_time_it_can_be_restored(self, client: Client) -> None:
        file = await client.upload()

        await delete(client, file, reason="by mistake")

        for route in ("", "/content"):
            gone = problem_in(await client.request("GET", f"{URL}/{file['id']}{route}"))
            kept_for = datetime.fromisoformat(gone["restorable_until"]) - datetime.fromisoformat(gone["deleted_at"])
            assert (gone["status"], gone["rule"], kept_for) == (410, "requested", timedelta(hours=2))
        assert refusal(await client.request("DELETE", f"{URL}/{file['id']}")) == (410, "file_gone")

    async def test_the_trash_is_listed_for_its_owner_alone(self, client: Client) -> None:
        file, living = await client.upload(), await client.upload()
        await delete(client, file)

        listed = (await client.request("GET", URL)).json()["items"]
        trash = (await client.request("GET", URL, params={"state": "trashed"})).json()["items"]
        theirs = (await client.request("GET", URL, by="bob", params={"state": "trashed"})).json()["items"]

        gone = problem_in(await client.request("GET", f"{URL}/{file['id']}"))
        assert (listed, theirs) == ([living], [])
        assert trash == [
            file
            | {
                "state": "trashed",
                "trashed_at": gone["deleted_at"],
                "restorable_until": gone["restorable_until"],
                "rule": "requested",
            }
        ]

    async def test_a_restored_file_is_what_was_uploaded(self, client: Client) -> None:
        file = await client.upload(bytes(range(256)) * 999)
        before = await digest_of(client, file)
        await delete(client, file)

        answer = await client.request("POST", f"{URL}/{file['id']}/restore")

        assert (answer.status_code, answer.json()) == (200, file)
        assert (await client.request("GET", f"{URL}/{file['id']}")).json() == file
        assert await digest_of(client, file) == before == file["sha256"]

    async def test_what_cannot_be_restored_says_why(self, client: Client, database: str) -> None:
        stored, purged, theirs = await client.upload(), await client.upload(), await client.upload(by="bob")
        await delete(client, purged)
        await delete(client, theirs, by="bob")
        await end_trash(database)
        await clean_up(client)

        async def restore(file_id: str) -> tuple[int, str]:
            return refusal(await client.request("POST", f"{URL}/{file_id}/restore"))

        assert await restore(stored["id"]) == (409, "file_not_trashed")
        assert await restore(purged["id"]) == (410, "file_gone")
        assert await restore(theirs["id"]) == (404, "file_not_found")
        assert await restore(str(uuid4())) == (404, "file_not_found")

    async def test_a_purged_file_still_says_when_it_was_deleted(self, client: Client, database: str) -> None:
        file = await client.upload()
        await delete(client, file, reason="old")
        before = problem_in(await client.request("GET", f"{URL}/{file['id']}"))
        await end_trash(database)

        report = await clean_up(client)
        after = problem_in(await client.request("GET", f"{URL}/{file['id']}"))

        (stone,) = await fetch(database, "SELECT rule::text, reason, requested_by, trashed_at FROM tombstones")
        assert (report["total_files_removed"], report["total_files_trashed"]) == (1, 0)
        assert after == before | {"restorable_until": None}
        assert tuple(stone)[:3] == ("requested", "old", "alice")

    async def test_an_administrator_deletes_past_the_trash_and_out_of_it(self, client: Client, database: str) -> None:
        at_once, later = await client.upload(), await client.upload()
        await delete(client, later)

        await delete(client, at_once, by="admin", strategy="hard")
        await delete(client, later, by="admin", strategy="hard", reason="must not come back")

        rows = await fetch(database, "SELECT requested_by, reason FROM tombstones ORDER BY reason NULLS FIRST")
        assert [tuple(row) for row in rows] == [("admin", None), ("admin", "must not come back")]
        assert refusal(await client.request("POST", f"{URL}/{later['id']}/restore")) == (410, "file_gone")

    async def test_what_a_sweep_took_comes_back_byte_for_byte(self, client: Client, expire: Expire) -> None:
        files = [await client.upload(str(number).encode() * 1_000, category="frames") for number in range(6)]
        digests = {file["id"]: await digest_of(client, file) for file in files}
        for file in files:
            await expire(file)

        report = await clean_up(client)
        gone = [(await client.request("GET", f"{URL}/{file['id']}/content")).status_code for file in files]
        undone = await client.request("POST", f"{SWEEPS}/{report['id']}/undo", by="admin")
        again = await client.request("POST", f"{SWEEPS}/{report['id']}/undo", by="admin")

        assert report["categories"]["frames"] == {
            "files_removed": 0,
            "bytes_freed": 0,
            "files_trashed": 6,
            "bytes_trashed": 6_000,
            "errors": 0,
        }
        assert (report["total_files_trashed"], report["total_bytes_trashed"]) == (6, 6_000)
        assert gone == [410] * 6
        assert undone.json() == {"restored": 6, "skipped": 0}
        assert again.json() == {"restored": 0, "skipped": 6}
        assert {file["id"]: await digest_of(client, file) for file in files} == digests

    async def test_a_job_gets_its_files_back(self, client: Client, database: str) -> None:
        job_id = str(await add_job(database))
        files = [await client.upload(job_id=job_id) for _ in range(3)]
        for file in files[:2]:
            await delete(client, file)
        url = f"/api/v1/jobs/{job_id}/restore"

        foreign = await client.request("POST", url, by="bob")
        restored = await client.request("POST", url)

        assert refusal(foreign) == (404, "job_not_found")
        assert restored.json() == {"restored": 2, "skipped": 0}

    async def test_trash_counts_until_it_is_purged(self, client: Client, database: str) -> None:
        file = await client.upload(b"12345")
        await delete(client, file)

        async def used() -> int:
            return int((await client.request("GET", "/api/v1/storage/stats")).json()["used_bytes"])

        before = await used()
        await end_trash(database)
        await clean_up(client)

        assert (before, await used()) == (5, 0)


@pytest.mark.parametrize("asked", [{"strategy": "hard"}, {"secure": "true"}, {"strategy": "hard", "secure": "true"}])
async def test_only_administrators_delete_past_what_is_configured(client: Client, asked: dict[str, str]) -> None:
    file = await client.upload()

    answers = [
        await client.request("DELETE", f"{URL}/{file_id}", params=asked) for file_id in (file["id"], str(uuid4()))
    ]

    assert [refusal(answer) for answer in answers] == [(403, "admin_required")] * 2
    assert (await client.request("GET", f"{URL}/{file['id']}")).status_code == 200


@pytest.mark.parametrize(
    "asked",
    [
        {"strategy": "gone"},
        {"strategy": "soft", "secure": "true"},
        {"reason": ""},
        {"reason": "x" * 501},
        {"reason": "a\x00b"},
        {"secured": "true"},
    ],
)
async def test_a_deletion_that_contradicts_itself_is_refused(client: Client, asked: dict[str, str]) -> None:
    file = await client.upload()

    answer = await client.request("DELETE", f"{URL}/{file['id']}", by="admin", params=asked)

    assert refusal(answer) == (422, "invalid_request")


async def test_a_user_may_ask_for_the_trash_where_deletion_is_for_good(client: Client) -> None:
    file, other = await client.upload(), await client.upload()

    await delete(client, file, strategy="soft", reason="perhaps")
    await delete(client, other)

    answers = [await client.request("POST", f"{URL}/{each['id']}/restore") for each in (file, other)]
    assert answers[0].json() == file
    assert refusal(answers[1]) == (410, "file_gone")


@pytest.mark.parametrize(
    ("held_until", "said"), [("infinity", None), ("2100-01-01T00:00:00Z", "2100-01-01T00:00:00Z")], ids=["ever", "end"]
)
async def test_a_file_says_that_it_is_held(client: Client, database: str, held_until: str, said: str | None) -> None:
    own, of_its_job, lapsed = [await client.upload() for _ in range(3)]
    hold = "hold_reason = 'evidence', held_by = 'admin', due_at = NULL"
    await execute(
        database,
        f"UPDATE media_files SET held_until = '{held_until}', {hold} WHERE id = '{own['id']}'",
        f"UPDATE media_files SET job_held_until = '{held_until}', due_at = NULL WHERE id = '{of_its_job['id']}'",
        f"UPDATE media_files SET held_until = '2020-01-01T00:00:00Z', {hold} WHERE id = '{lapsed['id']}'",
    )

    held, with_job, free = [
        (await client.request("GET", f"{URL}/{file['id']}")).json() for file in (own, of_its_job, lapsed)
    ]

    facts = ("held", "held_until", "hold_reason", "held_by")
    assert [held[name] for name in facts] == [True, said, "evidence", "admin"]
    assert [with_job[name] for name in facts] == [True, said, None, None]
    assert [free[name] for name in facts] == [own[name] for name in facts] == [False, None, None, None]


async def test_an_unknown_sweep_has_nothing_to_undo_and_users_may_not_ask(client: Client) -> None:
    url = f"{SWEEPS}/{uuid4()}/undo"

    assert refusal(await client.request("POST", url, by="admin")) == (404, "sweep_not_found")
    assert refusal(await client.request("POST", url)) == (403, "admin_required")
