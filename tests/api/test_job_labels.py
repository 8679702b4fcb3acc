"""Jobs are labelled by whoever asks for them, their products with them, and both are found by what they are called."""

from typing import Any
from uuid import UUID

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.archives import archive, ask_restore, work
from tests.api.deletions import FILES, delete
from tests.api.jobs import URL, begin, create, fail, finish, read, stage
from tests.api.matches import addresses
from tests.archive.archived import make_run
from tests.conftest import Client, execute, fetch

LABELS = {"camera": "north", "event": "evt42"}


async def labels_of(client: Client, file_id: object) -> dict[str, str]:
    answer = await client.request("GET", f"{FILES}/{file_id}")
    labels: dict[str, str] = answer.json()["labels"]
    return labels


async def found(client: Client, *label: str, by: str = "alice", **asked: Any) -> list[str]:
    """Return the names of the jobs that a list shows."""
    answer = await client.request("GET", URL, by=by, params={"label": list(label), **asked})
    assert answer.status_code == 200, answer.text
    return [item["name"] for item in answer.json()["items"]]


async def relabel(client: Client, job: dict[str, Any], labels: object, *, by: str = "alice") -> Any:
    answer = await client.request("PATCH", f"{URL}/{job['id']}", by=by, json={"labels": labels})
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_a_job_gives_its_labels_to_its_products(client: Client, runtime: Runtime, database: str) -> None:
    job = await create(client, labels=LABELS)
    plain = await create(client)
    fence = await begin(runtime, job)
    first, second = await stage(runtime, job, fence, range(2))
    await execute(database, f"""UPDATE media_files SET labels = '{{"event": "own"}}' WHERE id = '{second.id}'""")

    await runtime.jobs.attempts.complete(UUID(job["id"]), fence=fence, results=[])
    staged = await stage(runtime, plain, fence := await begin(runtime, plain), [0])
    await runtime.jobs.attempts.complete(UUID(plain["id"]), fence=fence, results=[])

    assert (job["labels"], plain["labels"]) == (LABELS, {})
    assert (await read(client, job["id"]))["labels"] == LABELS
    assert await labels_of(client, first.id) == LABELS
    assert await labels_of(client, second.id) == LABELS | {"event": "own"}
    assert await labels_of(client, staged[0].id) == {}
    assert await labels_of(client, job["source_file_ids"][0]) == {}


async def test_products_are_deleted_by_what_their_job_is_called(client: Client, runtime: Runtime) -> None:
    ids = []
    for event in ("evt42", "evt43"):
        job = await create(client, labels={"event": event})
        fence = await begin(runtime, job)
        ids += [str(file.id) for file in await stage(runtime, job, fence, [0])]
        await runtime.jobs.attempts.complete(UUID(job["id"]), fence=fence, results=[])
    asked = {"category": "frames", "label": "event:evt42"}

    counted = (await delete(client, FILES, **asked)).json()
    gone = (await delete(client, FILES, dry_run="false", **asked)).json()
    others = (await delete(client, FILES, category="frames", label="!event:evt42")).json()

    assert (counted["files"], gone["files"], others["files"]) == (1, 1, 1)
    answers = [(await client.request("GET", path)).status_code for path in addresses(*ids)]
    assert answers == [410, 200]


async def test_labels_are_changed_by_name_and_the_trail_knows(client: Client, database: str) -> None:
    job = await create(client, labels=LABELS)

    changed = await relabel(client, job, {"event": "evt43", "camera": None})
    same = await relabel(client, job, {"event": "evt43"})
    emptied = await relabel(client, job, None)
    extended = await client.request("PATCH", f"{URL}/{job['id']}", json={"ttl_seconds": 60})
    foreign = await client.request("PATCH", f"{URL}/{job['id']}", by="bob", json={"labels": LABELS})

    assert (changed["labels"], same["labels"], emptied["labels"]) == ({"event": "evt43"}, {"event": "evt43"}, {})
    assert (extended.json()["labels"], foreign.status_code) == ({}, 404)
    events = await fetch(database, "SELECT details FROM audit_events WHERE action = 'labelled' ORDER BY id")
    assert len(events) == 2


@pytest.mark.parametrize(
    "wish",
    [
        {"labels": {"Camera": "north"}},
        {"labels": {"camera": ""}},
        {"labels": {str(number): "x" for number in range(33)}},
        {"labels": LABELS, "ttl_seconds": 60},
        {"labels": ["camera:north"]},
    ],
)
async def test_labels_that_cannot_be_are_refused(client: Client, wish: dict[str, Any]) -> None:
    job = await create(client)
    changed = await client.request("PATCH", f"{URL}/{job['id']}", json=wish)
    asked = {"name": "n", "kind": "external", "parameters": {"analyser": "x"}, "labels": wish["labels"]}

    assert refusal(changed) == (422, "invalid_request")
    made = await client.request("POST", URL, json=asked)
    assert made.status_code == (202 if wish["labels"] == LABELS else 422)


async def test_jobs_are_found_by_their_labels(client: Client, runtime: Runtime) -> None:
    for name, by, labels in (
        ("a", "alice", LABELS),
        ("b", "alice", {"camera": "south", "event": "evt42"}),
        ("c", "alice", {}),
        ("d", "bob", LABELS),
    ):
        await create(client, by=by, name=name, labels=labels)

    assert await found(client, "event:evt42") == ["b", "a"]
    assert await found(client, "event:evt42", "camera:north") == ["a"]
    assert await found(client, "event", "!camera:north") == ["b"]
    assert await found(client, "!camera") == ["c"]
    assert await found(client, "camera:north", by="admin") == ["d", "a"]
    assert await found(client, "camera:north", by="admin", owner="bob", kind="probe", status="pending") == ["d"]
    assert await found(client, "camera:west") == []
    page = (await client.request("GET", URL, params={"label": "event:evt42", "limit": "1"})).json()
    assert await found(client, "event:evt42", cursor=page["next_cursor"]) == ["a"]
    refused = problem_in(await client.request("GET", URL, params={"label": ":x"}))
    assert refused["status"] == 422


async def test_a_job_keeps_its_labels_when_it_is_tried_again_thrown_away_or_archived(
    client: Client, runtime: Runtime
) -> None:
    job = await create(client, name="tried", labels=LABELS)
    await fail(runtime, job)
    again = await client.request("POST", f"{URL}/{job['id']}/retry")
    await finish(runtime, job)
    told = await client.request("GET", f"{URL}/{job['id']}/retention")

    await delete(client, f"{URL}/{job['id']}", strategy="soft")
    hidden = await found(client, "event:evt42")
    await client.request("POST", f"{URL}/{job['id']}/restore")

    assert (again.json()["labels"], told.json()["labels"]) == (LABELS, LABELS)
    assert (hidden, await found(client, "event:evt42")) == ([], ["tried"])


async def test_an_archived_job_is_no_active_one_until_it_is_restored(client: Client, runtime: Runtime) -> None:
    run = await make_run(runtime)
    await relabel(client, {"id": run.id}, LABELS)
    before = await found(client, "event:evt42")

    await archive(client, runtime, run)
    archived = await found(client, "event:evt42")
    await ask_restore(client, run)
    await work(runtime)

    assert (len(before), archived, await found(client, "event:evt42")) == (1, [], before)
