"""Deleting all files that a filter names takes what was counted or confirmed, and nothing that is protected."""

import re
from collections.abc import Awaitable, Callable
from uuid import UUID

import pytest

from media_analysis.retention.matches import service
from media_analysis.runtime import Runtime
from tests.api.answers import problem_in
from tests.api.archives import archived_run
from tests.api.deletions import FILES, statuses
from tests.api.jobs import begin, create
from tests.api.matches import HOLD, NOTHING, addresses, delete, go, told
from tests.conftest import Client, execute, fetch
from tests.disks import disk_of
from tests.files.conftest import objects


@pytest.fixture
def narrow(environment: dict[str, str]) -> None:
    """A breaker that asks from the first file on where more than half of a category goes."""
    environment["STORAGE_BREAKER_MIN_FILES"] = "1"


@pytest.mark.usefixtures("narrow")
async def test_more_than_a_share_goes_only_by_its_number(client: Client) -> None:
    files = [(await client.upload(b"file"))["id"] for _ in range(3)]
    await client.upload(b"others" * 100, by="bob")

    counted = await told(client, category="uploads")
    asked: tuple[dict[str, str], ...] = ({}, {"confirm": "2"})
    refused = [problem_in(await delete(client, category="uploads", dry_run="false", **more)) for more in asked]
    standing = await statuses(client, *addresses(*files))
    gone = await go(client, category="uploads", confirm="3")

    assert counted["needs"] == 3
    assert {(one["status"], one["code"], one["confirm"]) for one in refused} == {(409, "confirmation_needed", "3")}
    for told_of in refused:
        assert "3 files of uploads, 12 bytes" in told_of["reason"]
        assert not {"4", "612"} & set(re.findall(r"\d+", f"{told_of}")), "what others have is not told"
    assert standing == [200] * 3
    assert (gone["files"], gone["needs"]) == (3, None)


@pytest.mark.usefixtures("narrow")
async def test_less_than_a_share_goes_unasked_but_never_more_than_was_named(client: Client) -> None:
    files = [(await client.upload(b"file"))["id"] for _ in range(2)]
    for _ in range(3):
        await client.upload(b"file", by="bob")

    counted = await told(client, category="uploads")
    refused = problem_in(await delete(client, category="uploads", dry_run="false", confirm="1"))
    gone = await go(client, category="uploads")

    assert (counted["needs"], refused["code"], refused["confirm"]) == (None, "confirmation_needed", "2")
    assert gone["files"] == 2
    assert await statuses(client, *addresses(*files)) == [410] * 2


Meanwhile = Callable[[Callable[[], Awaitable[object]]], None]


@pytest.fixture
def meanwhile(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> Meanwhile:
    """Does something once, between the count and the first batch, where the store is looked at again."""
    require_marker = runtime.store.require_marker

    def plan(act: Callable[[], Awaitable[object]]) -> None:
        looks = 0

        async def look() -> None:
            nonlocal looks
            looks += 1
            if looks == 2:
                await act()
            await require_marker()

        monkeypatch.setattr(runtime.store, "require_marker", look)

    return plan


async def test_what_comes_after_the_count_takes_no_more_than_the_count(client: Client, meanwhile: Meanwhile) -> None:
    first = await client.upload(category="frames")
    second = await client.upload(category="frames")
    meanwhile(lambda: client.upload(category="clips", parent_id=second["id"]))

    gone = await go(client, category="frames", confirm="2")
    standing = await statuses(client, *addresses(first["id"], second["id"]))
    again = await go(client, category="frames")

    assert (gone["files"], gone["derived"]["files"], gone["left"]) == (2, 1, 1)
    assert standing == [200, 410]
    assert (again["files"], again["left"]) == (1, 0)


async def test_what_is_left_counts_once(client: Client, meanwhile: Meanwhile) -> None:
    first = await client.upload()
    second = await client.upload(parent_id=first["id"])
    meanwhile(lambda: client.upload(parent_id=second["id"]))

    gone = await go(client, category="uploads")

    assert (gone["files"], gone["left"]) == (2, 1)
    assert await statuses(client, *addresses(first["id"], second["id"])) == [200, 410]


async def test_what_is_held_after_the_count_stays(client: Client, meanwhile: Meanwhile) -> None:
    file = await client.upload()
    meanwhile(lambda: client.request("PUT", f"{FILES}/{file['id']}/hold", json=HOLD))

    gone = await go(client, category="uploads")

    assert (gone["files"], gone["kept"]) == (0, [{"rule": "hold", "files": 1, "until": None}])


async def test_what_does_not_match_any_more_stays(client: Client, meanwhile: Meanwhile) -> None:
    file = await client.upload(ttl_seconds="60")
    later = {"expires_at": "2080-01-01T00:00:00Z"}
    meanwhile(lambda: client.request("PATCH", f"{FILES}/{file['id']}", json=later))

    gone = await go(client, expires_before="2050-01-01T00:00:00Z")

    assert (gone["matched"], gone["files"]) == (NOTHING, 0)
    assert await statuses(client, *addresses(file["id"])) == [200]


async def test_what_is_labelled_otherwise_meanwhile_stays(client: Client, meanwhile: Meanwhile) -> None:
    file = await client.upload(category="clips", label="event:evt42")
    await client.upload(category="clips", label="event:evt43")
    other = {"labels": {"event": "evt43"}}
    meanwhile(lambda: client.request("PATCH", f"{FILES}/{file['id']}", json=other))

    counted = await told(client, label="event:evt42")
    gone = await go(client, label=["event:evt42", "!camera"])

    assert (counted["files"], gone["files"], gone["matched"]) == (1, 0, NOTHING)
    assert (await told(client, category="clips"))["files"] == 2


async def test_protected_files_stay_and_say_why(client: Client, runtime: Runtime, database: str) -> None:
    job = await create(client)
    await begin(runtime, job)
    young = await client.upload()
    await execute(
        database, f"UPDATE media_files SET min_retain_until = now() + interval '1 h' WHERE id = '{young['id']}'"
    )

    counted = await told(client, by="admin", category="uploads", strategy="hard")
    gone = await go(client, by="admin", category="uploads", strategy="hard")

    assert [(one["rule"], one["files"]) for one in gone["kept"]] == [("job_lease", 1), ("minimum_retention", 1)]
    assert all(one["until"] for one in gone["kept"])
    assert gone == counted | {"dry_run": False}
    assert gone["files"] == 0


async def test_archives_and_sources_of_what_lies_in_them_stay(client: Client, runtime: Runtime) -> None:
    await archived_run(client, runtime)

    counted = await told(client, by="admin", owner="alice", strategy="hard")

    assert counted["files"] == 0
    assert [one["rule"] for one in counted["kept"]] == ["archived"]


async def test_a_pause_keeps_the_bytes_and_a_doubted_clock_keeps_the_files(
    client: Client, runtime: Runtime, database: str
) -> None:
    clips = [(await client.upload(b"clip", category="clips"))["id"] for _ in range(3)]
    await client.upload()
    pause = await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")
    before = objects(disk_of(runtime.store).root)

    gone = await go(client, category="clips")
    kept = objects(disk_of(runtime.store).root)
    await runtime.deletion.pauses.resume(pause.id, confirm=0, by="admin")
    await execute(database, "UPDATE instance SET clock_seen_at = now() - interval '15 days'")
    refused = problem_in(await delete(client, category="uploads", dry_run="false"))

    assert kept == before
    assert (gone["pending"], gone["remaining"]) == (True, {"files": 3, "size_bytes": 12})
    assert await statuses(client, *addresses(*clips)) == [410] * 3
    assert (refused["status"], refused["code"]) == (409, "deletion_paused")
    assert (await told(client, category="uploads"))["files"] == 1


async def test_many_go_in_transactions_of_their_own_and_the_trail_tells_of_each(
    client: Client, monkeypatch: pytest.MonkeyPatch, database: str
) -> None:
    monkeypatch.setattr(service, "MOST_FILES", 2)
    monkeypatch.setattr(service, "PAGE", 4)
    files = [(await client.upload(b"file"))["id"] for _ in range(5)]
    theirs = await client.upload(b"file", by="bob")
    await client.upload(b"frame", parent_id=files[0], category="frames")

    gone = await go(client, by="admin", category="uploads", strategy="hard", reason="a mistake")

    events = await fetch(database, "SELECT owner, actor, reason, details FROM audit_events WHERE action = 'deleted'")
    stones = await fetch(database, "SELECT id, requested_by, reason, rule::text FROM tombstones")
    assert (gone["matched"]["files"], gone["derived"]["files"], gone["left"]) == (6, 1, 0)
    assert {(row["owner"], row["actor"], row["reason"]) for row in events} == {
        ("alice", "admin", "a mistake"),
        ("bob", "admin", "a mistake"),
    }
    assert len(events) > 2
    assert {tuple(row)[1:] for row in stones} == {("admin", "a mistake", "requested")}
    assert {row["id"] for row in stones} > {UUID(file_id) for file_id in [*files, theirs["id"]]}
