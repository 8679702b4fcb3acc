"""Deleting all files that a filter names: what goes with them, and which they are."""

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.conftest import Remains
from tests.api.deletions import FILES, FRAMES, finished, kinds_of_results, statuses
from tests.api.matches import HOLD, NOTHING, addresses, delete, go, told
from tests.conftest import Client, execute
from tests.disks import disk_of
from tests.files.conftest import objects


@pytest.fixture
async def clips(client: Client) -> list[str]:
    """Three clips of alice's beside one of bob's and an upload."""
    ids = [(await client.upload(b"clip", category="clips"))["id"] for _ in range(3)]
    await client.upload(b"another", by="bob", category="clips")
    await client.upload(b"upload")
    return ids


async def test_what_goes_is_counted_before_anything_does(client: Client, remains: Remains, clips: list[str]) -> None:
    before = await remains()

    counted = await told(client, category="clips")
    after = await remains()
    gone = await go(client, category="clips")

    three = {"files": 3, "size_bytes": 12}
    assert after == before
    assert counted == {
        "dry_run": True,
        "matched": three,
        "derived": NOTHING,
        "categories": {"clips": {"matched": three, **three, "derived": NOTHING}},
        "results": 0,
        "kept": [],
        "needs": None,
        "left": 0,
        "restorable_until": None,
        "pending": False,
        "remaining": NOTHING,
        **three,
    }
    assert gone == counted | {"dry_run": False}
    assert await statuses(client, *addresses(*clips)) == [410] * 3
    assert len(await remains()) == len(before) - 6
    assert (await told(client, category="clips"))["matched"] == NOTHING


async def test_each_goes_with_what_was_derived_from_it_or_stays_with_it(
    client: Client, runtime: Runtime, remains: Remains
) -> None:
    job, frames = await finished(client, runtime)
    kept, held = await client.upload(), await client.upload()
    crop = await client.upload(b"crop", parent_id=kept["id"], category="clips")
    for file in (crop, held):
        await client.request("PUT", f"{FILES}/{file['id']}/hold", json=HOLD)
    before = await remains()

    counted = await told(client, category="uploads")
    after = await remains()
    gone = await go(client, category="uploads")

    assert after == before
    assert counted["matched"]["files"] == 3
    assert (counted["files"], counted["results"]) == (1 + FRAMES, 1)
    assert counted["derived"] == {"files": FRAMES, "size_bytes": FRAMES}
    assert counted["kept"] == [{"rule": "hold", "files": 2, "until": None}]
    assert counted["categories"].keys() == {"uploads", "frames"}
    assert gone == counted | {"dry_run": False}
    assert await statuses(client, *addresses(job["source_file_ids"][0], *frames)) == [410] * (1 + FRAMES)
    assert await statuses(client, *addresses(kept["id"], crop["id"], held["id"])) == [200] * 3
    assert await kinds_of_results(client, job) == ["summary"]


async def test_results_that_went_with_their_job_go_no_second_time(client: Client, runtime: Runtime) -> None:
    job, _ = await finished(client, runtime)
    await client.request("DELETE", f"/api/v1/jobs/{job['id']}", params={"strategy": "soft"})

    alone = await client.request(
        "DELETE", f"{FILES}/{job['source_file_ids'][0]}", params={"strategy": "soft", "dry_run": "true"}
    )
    counted, gone = [await ask(client, category="uploads", strategy="soft") for ask in (told, go)]
    for_good = await go(client, by="admin", state="trashed", category="uploads", strategy="hard")

    assert alone.json()["results"] == 0
    assert (counted["results"], gone["results"], for_good["results"]) == (0, 0, 1)


async def test_what_was_derived_may_be_kept(client: Client, runtime: Runtime) -> None:
    job, frames = await finished(client, runtime)
    await client.request("PUT", f"{FILES}/{frames[0]}/hold", json=HOLD)

    counted = await told(client, category="uploads", derived="keep")
    gone = await go(client, category="uploads", derived="keep")

    assert (gone["files"], gone["derived"], gone["results"], gone["kept"]) == (1, NOTHING, 0, [])
    assert gone == counted | {"dry_run": False}
    assert await statuses(client, *addresses(*frames)) == [200] * FRAMES
    assert await kinds_of_results(client, job) == ["probe", "summary"]


async def test_what_matches_and_was_derived_from_what_matches_counts_once(client: Client) -> None:
    first = await client.upload()
    second = await client.upload(parent_id=first["id"])
    third = await client.upload(parent_id=second["id"], category="frames")
    fourth = await client.upload(parent_id=first["id"], category="temp")
    ids = [file["id"] for file in (first, second, third, fourth)]

    counted = await told(client, category="uploads")
    gone = await go(client, category="uploads")

    assert (counted["matched"]["files"], counted["derived"]["files"], counted["files"]) == (2, 2, 4)
    assert gone == counted | {"dry_run": False}
    assert await statuses(client, *addresses(*ids)) == [410] * 4


@pytest.mark.parametrize("state", ["stored", None])
async def test_filters_are_met_together(client: Client, runtime: Runtime, state: str | None) -> None:
    job, frames = await finished(client, runtime)
    soon = await client.upload(category="frames", ttl_seconds="60")
    other = await client.upload(category="frames", ttl_seconds="60", by="bob")
    named = {"state": state} if state else {}

    of_job = await told(client, job_id=job["id"], category="frames", **named)
    ending = await told(client, expires_before="2020-01-01T00:00:00Z", **named)
    of_bob = await told(client, by="admin", owner="bob", category="frames", **named)
    gone = await go(client, by="admin", owner="alice", expires_before="2090-01-01T00:00:00Z", category="frames")

    assert (of_job["matched"]["files"], ending["matched"], of_bob["matched"]["files"]) == (FRAMES, NOTHING, 1)
    assert gone["matched"]["files"] == 1 + FRAMES
    assert await statuses(client, *addresses(soon["id"], *frames, other["id"])) == [410] * (1 + FRAMES) + [200]


async def test_an_owner_deletes_no_others_files(client: Client, database: str) -> None:
    theirs = await client.upload(by="bob")
    mine = await client.upload()
    await execute(database, f"UPDATE media_files SET parent_id = '{mine['id']}' WHERE id = '{theirs['id']}'")

    refused = problem_in(await delete(client, owner="bob", dry_run="false"))
    gone = await go(client, owner="alice")

    assert (refused["status"], refused["code"]) == (403, "admin_required")
    assert gone["files"] == 1
    assert await statuses(client, *addresses(theirs["id"])) == [200]


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"dry_run": "false"},
        {"strategy": "soft", "derived": "keep"},
        {"category": "clips", "dryrun": "false"},
        {"category": "videos"},
        {"category": "clips", "confirm": "-1"},
        {"category": "clips", "state": "pending"},
        {"category": "clips", "state": "trashed"},
        {"category": "clips", "secure": "true", "strategy": "soft"},
    ],
)
async def test_a_wish_that_names_nothing_or_is_mistyped_deletes_nothing(client: Client, asked: dict[str, str]) -> None:
    file = await client.upload(category="clips")

    assert refusal(await delete(client, **{"dry_run": "false"} | asked)) == (422, "invalid_request")
    assert refusal(await delete(client, **asked)) == (422, "invalid_request")
    assert await statuses(client, *addresses(file["id"])) == [200]


@pytest.mark.parametrize("asked", [{"strategy": "hard"}, {"secure": "true"}, {"strategy": "hard", "state": "trashed"}])
async def test_only_an_administrator_deletes_for_good(client: Client, asked: dict[str, str]) -> None:
    await client.upload()

    for dry_run in ("true", "false"):
        refused = await delete(client, category="uploads", dry_run=dry_run, **asked)
        assert refusal(refused) == (403, "admin_required")
    assert (await go(client, by="admin", category="uploads", secure="true"))["files"] == 1


async def test_the_trash_takes_what_is_no_scratch_and_is_emptied_the_same_way(client: Client, runtime: Runtime) -> None:
    clip = await client.upload(category="clips")
    upload = await client.upload()
    cut = await client.upload(category="clips", parent_id=upload["id"])
    ids = [file["id"] for file in (clip, upload, cut)]

    soft = await go(client, by="admin", owner="alice", strategy="soft")
    restored = await client.request("POST", f"{FILES}/{upload['id']}/restore")
    await go(client, category="uploads", strategy="soft")
    trash = await told(client, by="admin", state="trashed", strategy="hard")
    emptied = await go(client, by="admin", state="trashed", strategy="hard")

    assert soft["restorable_until"] is not None
    assert (soft["files"], restored.status_code) == (3, 200)
    assert emptied == trash | {"dry_run": False}
    assert (emptied["files"], emptied["restorable_until"]) == (3, None)
    assert await statuses(client, *addresses(*ids)) == [410] * 3
    assert objects(disk_of(runtime.store).root) == []


@pytest.fixture
def deleting_into_trash(environment: dict[str, str]) -> None:
    environment["DELETION_STRATEGY"] = "soft"


@pytest.mark.usefixtures("deleting_into_trash")
async def test_scratch_goes_at_once_and_the_rest_can_come_back(client: Client) -> None:
    clip = await client.upload(category="clips")
    upload = await client.upload()
    cut = await client.upload(category="clips", parent_id=upload["id"])

    counted = await told(client, owner="alice")
    gone = await go(client, owner="alice")

    assert counted["restorable_until"] is not None
    unequal = {name for name in gone if gone[name] != counted[name]}
    assert unequal <= {"dry_run", "restorable_until"}
    restored = [
        (await client.request("POST", f"{FILES}/{file['id']}/restore")).status_code for file in (clip, upload, cut)
    ]
    assert restored == [410, 200, 200]
