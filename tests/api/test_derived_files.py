"""Deleting a source over HTTP: what was derived from it goes with it, unless somebody wants to keep that."""

from typing import Any
from uuid import UUID

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.conftest import Remains
from tests.api.deletions import FILES, FRAMES, delete, finished, kinds_of_results, statuses
from tests.api.jobs import begin, create, read
from tests.conftest import Client, fetch
from tests.disks import disk_of
from tests.files.conftest import objects

HOLD = {"reason": "evidence"}


@pytest.fixture
async def family(client: Client, runtime: Runtime) -> tuple[dict[str, Any], str, list[str]]:
    """A job, the id of its source, and those of what was derived from it: frames, and a crop of the first of them."""
    job, frames = await finished(client, runtime)
    crop = await client.upload(b"crop", parent_id=frames[0], category="clips")
    return job, job["source_file_ids"][0], [*frames, crop["id"]]


def paths(ids: list[str]) -> list[str]:
    return [f"{FILES}/{file_id}" for file_id in ids]


@pytest.mark.parametrize("strategy", ["soft", "hard"])
async def test_a_source_takes_along_what_was_derived_from_it_and_says_so(
    client: Client,
    runtime: Runtime,
    remains: Remains,
    family: tuple[dict[str, Any], str, list[str]],
    strategy: str,
) -> None:
    job, source, derived = family
    kept = await remains()

    rehearsed = await delete(client, f"{FILES}/{source}", by="admin", strategy=strategy, dry_run="true")
    after = await remains()
    answer = await delete(client, f"{FILES}/{source}", by="admin", strategy=strategy)

    told = answer.json()
    assert (answer.status_code, rehearsed.status_code, after) == (200, 200, kept)
    assert told["derived"] == {"files": FRAMES + 1, "size_bytes": FRAMES + 4}
    assert told["categories"]["clips"] == {"files": 1, "size_bytes": 4}
    assert told["categories"]["frames"] == {"files": FRAMES, "size_bytes": FRAMES}
    assert (told["results"], told["obstacles"], told["category"]) == (1, [], "uploads")
    unequal = {name for name in told if told[name] != rehearsed.json()[name]}
    assert unequal == ({"dry_run", "restorable_until"} if strategy == "soft" else {"dry_run"})
    assert await statuses(client, *paths([source, *derived])) == [410] * (2 + FRAMES)
    assert await kinds_of_results(client, job) == ["summary"]  # which is about no file
    assert (await read(client, job["id"]))["status"] == "completed"
    assert len(objects(disk_of(runtime.store).root)) == (2 + FRAMES if strategy == "soft" else 0)


async def test_a_source_goes_alone_if_the_rest_is_to_be_kept(
    client: Client, family: tuple[dict[str, Any], str, list[str]]
) -> None:
    job, source, derived = family

    rehearsed = await delete(client, f"{FILES}/{source}", derived="keep", dry_run="true")
    answer = await delete(client, f"{FILES}/{source}", derived="keep")

    assert rehearsed.json()["derived"] == {"files": 0, "size_bytes": 0}
    assert (answer.status_code, answer.content) == (204, b"")
    assert await statuses(client, *paths([source, *derived])) == [410, *[200] * (1 + FRAMES)]
    assert await kinds_of_results(client, job) == ["probe", "summary"]


async def test_a_file_nothing_was_derived_from_goes_without_a_word(client: Client) -> None:
    file = await client.upload()

    answer = await delete(client, f"{FILES}/{file['id']}")

    assert (answer.status_code, answer.content) == (204, b"")


async def test_a_held_derivative_keeps_its_source_unless_it_may_stay(
    client: Client, family: tuple[dict[str, Any], str, list[str]]
) -> None:
    _, source, derived = family
    await client.request("PUT", f"{FILES}/{derived[-1]}/hold", json=HOLD)

    rehearsed = await delete(client, f"{FILES}/{source}", dry_run="true")
    refused = problem_in(await delete(client, f"{FILES}/{source}"))
    standing = await statuses(client, *paths([source, *derived]))
    alone = await delete(client, f"{FILES}/{source}", derived="keep")

    assert rehearsed.json()["obstacles"] == [{"rule": "hold", "files": 1, "until": None}]
    assert (refused["status"], refused["code"], refused["rule"], refused["derived_files"]) == (
        409,
        "file_held",
        "hold",
        1,
    )
    assert standing == [200] * (2 + FRAMES)
    assert alone.status_code == 204


async def test_a_source_in_use_stays_and_names_the_job(client: Client, runtime: Runtime) -> None:
    job = await create(client)
    await begin(runtime, job)

    for asked in ({}, {"dry_run": "true"}, {"derived": "keep"}):
        refused = problem_in(await delete(client, f"{FILES}/{job['source_file_ids'][0]}", **asked))
        assert (refused["code"], refused["rule"], refused["job_ids"]) == ("file_held", "job_lease", [job["id"]])


async def test_what_somebody_else_derived_from_it_is_theirs_and_stays(client: Client, database: str) -> None:
    source, theirs = await client.upload(), await client.upload(by="bob")
    await fetch(database, "UPDATE media_files SET parent_id = $1 WHERE id = $2", UUID(source["id"]), UUID(theirs["id"]))

    answer = await delete(client, f"{FILES}/{source['id']}", by="admin")

    assert answer.status_code == 204
    assert await statuses(client, f"{FILES}/{theirs['id']}") == [200]


async def test_a_restored_source_shows_the_results_about_it_again(
    client: Client, family: tuple[dict[str, Any], str, list[str]]
) -> None:
    job, source, derived = family
    await delete(client, f"{FILES}/{source}", strategy="soft")

    restored = await client.request("POST", f"{FILES}/{source}/restore")
    rest = await client.request("POST", f"/api/v1/jobs/{job['id']}/restore")

    assert restored.status_code == 200
    assert rest.json() == {"restored": FRAMES, "skipped": 0}
    assert await statuses(client, *paths([source, *derived])) == [*[200] * (1 + FRAMES), 410]
    assert await kinds_of_results(client, job) == ["probe", "summary"]


async def test_the_trail_tells_how_much_went_with_a_file(
    client: Client, family: tuple[dict[str, Any], str, list[str]], database: str
) -> None:
    _, source, derived = family

    await delete(client, f"{FILES}/{source}", by="admin", strategy="hard", reason="a mistake")

    (event,) = await fetch(
        database,
        "SELECT reason, details->>'derived_files' AS files, details->>'results' AS results "
        "FROM audit_events WHERE file_id = $1 AND action = 'deleted'",
        UUID(source),
    )
    stones = await fetch(database, "SELECT id::text, reason FROM tombstones")
    assert tuple(event) == ("a mistake", str(FRAMES + 1), "1")
    assert {tuple(row) for row in stones} == {(file_id, "a mistake") for file_id in [source, *derived]}


async def test_a_mistyped_wish_deletes_nothing(client: Client) -> None:
    file = await client.upload()

    for asked in ({"derived": "some"}, {"dryrun": "true"}):
        assert refusal(await delete(client, f"{FILES}/{file['id']}", **asked)) == (422, "invalid_request")
    assert await statuses(client, f"{FILES}/{file['id']}") == [200]
