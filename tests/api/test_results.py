"""Results over HTTP: searched, read, extended, and described by published schemas."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from jsonschema_rs import Draft202012Validator

from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal, without_ids
from tests.api.jobs import URL as JOBS
from tests.api.jobs import begin, create, finish
from tests.conftest import Client, RunJob, execute, fetch
from tests.media import clips

URL = "/api/v1/results"
VIDEO = {"video_codec": "h264", "width": 1920, "streams": [{"kind": "video"}, {"kind": "audio", "language": "eng"}]}
SOUND = {"audio_codec": "aac", "width": None, "streams": [{"kind": "audio", "language": "deu"}]}


async def analysed(client: Client, runtime: Runtime, *results: dict[str, Any], by: str = "alice") -> dict[str, Any]:
    """Return a completed job with a probe of each document, about its source, and a summary about nothing."""
    job = await create(client, by=by)
    about = UUID(job["source_file_ids"][0])
    found = [NewResult(kind="probe", data=data, file_id=about) for data in results[:1]]
    found += [NewResult(kind=f"probe_{number}", data=data) for number, data in enumerate(results[1:])]
    await finish(runtime, job, *found, NewResult(kind="summary", data={"files": len(results)}))
    return job


async def search(client: Client, *, by: str = "alice", **query: Any) -> list[dict[str, Any]]:
    asked = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in query.items()}
    answer = await client.request("GET", URL, by=by, params=asked)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def kinds(client: Client, *, by: str = "alice", **query: Any) -> list[str]:
    return [result["kind"] for result in await search(client, by=by, **query)]


async def test_the_results_of_a_job_are_listed_and_read(client: Client, runtime: Runtime) -> None:
    job = await analysed(client, runtime, VIDEO)
    await analysed(client, runtime, SOUND)

    listed = (await client.request("GET", f"{JOBS}/{job['id']}/results", params={"kind": "probe"})).json()

    (probe,) = listed["items"]
    read = await client.request("GET", f"{URL}/{probe['id']}")
    assert probe["data"] == VIDEO
    assert (probe["job_id"], probe["media_file_id"]) == (job["id"], job["source_file_ids"][0])
    assert (probe["owner"], probe["category"]) == ("alice", "outputs")
    assert listed["next_cursor"] is None
    assert read.json() == probe


async def test_a_search_narrows_by_job_kind_file_and_content(client: Client, runtime: Runtime) -> None:
    video = await analysed(client, runtime, VIDEO)
    sound = await analysed(client, runtime, SOUND)

    assert await kinds(client) == ["summary", "probe"] * 2
    assert {result["job_id"] for result in await search(client, job_id=sound["id"])} == {sound["id"]}
    assert await kinds(client, kind="summary") == ["summary"] * 2
    assert [one["data"] for one in await search(client, file_id=video["source_file_ids"][0])] == [VIDEO]
    assert [one["data"] for one in await search(client, contains={"video_codec": "h264"})] == [VIDEO]
    assert [one["data"] for one in await search(client, contains={"streams": [{"language": "deu"}]})] == [SOUND]
    assert len(await search(client, contains={"streams": [{"kind": "audio"}]})) == 2
    assert [one["data"] for one in await search(client, contains={"width": None})] == [SOUND]
    assert await search(client, contains={"width": "1920"}) == []
    assert await search(client, contains={"width": 1920}, job_id=sound["id"]) == []
    assert len(await search(client, contains={})) == 4


async def test_a_created_range_is_half_open(client: Client, runtime: Runtime) -> None:
    await analysed(client, runtime)
    (one,) = await search(client)
    after = (datetime.fromisoformat(one["created_at"]) + timedelta(microseconds=1)).isoformat()

    assert await search(client, created_after=one["created_at"], created_before=after) == [one]
    assert await search(client, created_after=after) == []
    assert await search(client, created_before=one["created_at"]) == []


async def test_nobody_sees_the_results_of_others(client: Client, runtime: Runtime) -> None:
    """A foreign result looks like one that never was (promise 22)."""
    job = await analysed(client, runtime, VIDEO, by="bob")
    theirs = (await search(client, by="bob"))[0]
    unknown = str(uuid4())
    routes: list[tuple[str, dict[str, Any]]] = [("GET", {}), ("PATCH", {"json": {"expires_at": None}})]

    pairs = [
        (
            await client.request(method, f"{URL}/{theirs['id']}", **about),
            await client.request(method, f"{URL}/{unknown}", **about),
        )
        for method, about in routes
    ]

    assert await search(client) == []
    assert await search(client, job_id=job["id"], contains={"video_codec": "h264"}) == []
    assert await search(client, owner="bob") == []
    assert len(await search(client, by="admin", owner="bob")) == 2
    for foreign, nobodys in pairs:
        assert refusal(foreign) == refusal(nobodys) == (404, "result_not_found")
        assert without_ids(foreign, theirs["id"]) == without_ids(nobodys, unknown)


async def test_a_result_shows_once_its_job_has_completed(client: Client, runtime: Runtime, database: str) -> None:
    job = await create(client)
    await begin(runtime, job)
    result_id = uuid4()
    await execute(
        database,
        "INSERT INTO analysis_results (id, owner, job_id, job_fence, published, kind, data, category)"
        f" VALUES ('{result_id}', 'alice', '{job['id']}', 1, false, 'probe', '{{}}', 'outputs')",
    )

    before = await search(client), refusal(await client.request("GET", f"{URL}/{result_id}"))
    await runtime.jobs.attempts.complete(UUID(job["id"]), fence=1)

    assert before == ([], (404, "result_not_found"))
    assert [one["id"] for one in await search(client)] == [str(result_id)]


async def test_an_expired_result_is_unknown(client: Client, runtime: Runtime) -> None:
    job = await analysed(client, runtime, VIDEO)
    (result,) = await search(client, kind="probe")
    url = f"{URL}/{result['id']}"
    past = (datetime.now(UTC) - timedelta(seconds=1)).isoformat()

    answer = await client.request("PATCH", url, json={"expires_at": past})

    assert answer.status_code == 200
    assert refusal(await client.request("GET", url)) == (404, "result_not_found")
    assert refusal(await client.request("PATCH", url, json={"expires_at": None})) == (404, "result_not_found")
    assert await kinds(client) == ["summary"]
    assert len((await client.request("GET", f"{JOBS}/{job['id']}/results")).json()["items"]) == 1


async def test_a_result_is_kept_for_longer_and_the_trail_tells(client: Client, runtime: Runtime, database: str) -> None:
    await analysed(client, runtime, VIDEO)
    (result,) = await search(client, kind="probe")

    later = await client.request("PATCH", f"{URL}/{result['id']}", json={"expires_at": "2090-01-31T12:00:00Z"})
    forever = await client.request("PATCH", f"{URL}/{result['id']}", by="admin", json={"expires_at": None})

    events = await fetch(
        database, "SELECT actor, details->>'expires_at' AS ends_at FROM audit_events WHERE action = 'extended'"
    )
    assert later.json() == {**result, "expires_at": "2090-01-31T12:00:00Z"}
    assert forever.json() == {**result, "expires_at": None}
    assert {tuple(event) for event in events} == {("alice", "2090-01-31T12:00:00+00:00"), ("admin", None)}


@pytest.mark.parametrize("change", [{}, {"expires_at": "soon"}, {"ttl_seconds": 5}, {"expires_at": None, "data": {}}])
async def test_a_result_changed_wrongly_is_refused(client: Client, change: dict[str, Any]) -> None:
    answer = await client.request("PATCH", f"{URL}/{uuid4()}", json=change)

    assert refusal(answer) == (422, "invalid_request")


async def test_pages_walk_every_result_exactly_once(client: Client, runtime: Runtime) -> None:
    job = await analysed(client, runtime, VIDEO, *[{"number": number} for number in range(6)])
    whole = await search(client)

    for url in (URL, f"{JOBS}/{job['id']}/results"):
        walked: list[Any] = []
        cursor: dict[str, Any] = {}
        while True:
            page = (await client.request("GET", url, params={"limit": 3} | cursor)).json()
            walked += page["items"]
            if page["next_cursor"] is None:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert walked == whole
    assert len(whole) == 8


WRONG = [
    "",
    "x",
    "[]",
    "1",
    "null",
    '"text"',
    "{",
    '{"a": NaN}',
    '{"a": 1e999}',
    '{"a": "\\u0000"}',
    '{"a\\u0000": 1}',
    '{"a": "\\ud800"}',
    '{"a":' * 65 + "1" + "}" * 65,
    "[" * 16_000,
    json.dumps({"a": "x" * 16_384}),
    json.dumps({"a": "\N{SNOWMAN}" * 6_000}, ensure_ascii=False),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
async def test_what_is_to_be_contained_is_a_bounded_json_object(client: Client, number: int) -> None:
    answer = await client.request("GET", URL, params={"contains": WRONG[number]})

    assert refusal(answer) == (422, "invalid_request")
    assert "contains" in answer.text
    assert len(answer.content) < 1_000


async def test_the_largest_and_deepest_object_can_be_looked_for(client: Client, runtime: Runtime) -> None:
    await analysed(client, runtime, VIDEO)
    overhead = len('{"a":""}')

    assert await search(client, contains='{"a":"' + "x" * (16_384 - overhead) + '"}') == []
    assert await search(client, contains='{"a":' * 63 + "1" + "}" * 63) == []


WRONG_QUERIES = [
    {"limit": "0"},
    {"cursor": "x"},
    {"job_id": "1"},
    {"file_id": "1"},
    {"kind": ""},
    {"kind": "a\x00"},
    {"created_after": "2030-01-01"},
    {"owner": "a b"},
    {"contians": "{}"},
]


async def test_a_search_asked_for_wrongly_is_refused(client: Client) -> None:
    answers = [await client.request("GET", URL, params=query) for query in WRONG_QUERIES]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(WRONG_QUERIES)


async def test_results_of_built_in_kinds_are_as_their_schemas_say(client: Client, run_job: RunJob) -> None:
    video = await client.upload(clips.with_sound().read_bytes(), filename="clip.mp4")
    job = await create(client, kind="analyze", source_file_ids=[video["id"]])
    await run_job(job["id"])

    results = await search(client, job_id=job["id"])

    assert {result["kind"] for result in results} == {"probe", "frames", "contact_sheet"}
    for result in results:
        schema = (await client.request("GET", f"{URL}/schemas/{result['kind']}")).json()
        assert schema["$schema"].endswith("2020-12/schema")
        assert schema["description"]
        Draft202012Validator(schema).validate(result["data"])
        assert not Draft202012Validator(schema).is_valid({})


async def test_an_unknown_kind_has_no_schema(client: Client) -> None:
    answer = await client.request("GET", f"{URL}/schemas/nonsense")

    assert refusal(answer) == (404, "schema_not_found")
    assert problem_in(answer)["known"] == ["contact_sheet", "frames", "preview", "probe"]
