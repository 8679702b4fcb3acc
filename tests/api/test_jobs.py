"""Jobs over HTTP: asked for, read, stopped, tried again."""

from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest

from media_analysis.runtime import Runtime
from tests.api.answers import problem_in, refusal
from tests.api.jobs import URL, ask, create, read
from tests.conftest import Client, RunJob, fetch
from tests.media import clips

KINDS = ["analyze", "contact_sheet", "external", "frames", "preview", "probe"]


OK = str(uuid4())


WRONG: list[Any] = [
    [],
    "probe",
    {},
    {"name": "n", "source_file_ids": [OK]},
    {"name": "n", "kind": None, "source_file_ids": [OK]},
    {"name": "n", "kind": ["probe"] * 5_000, "source_file_ids": [OK]},
    {"kind": "probe", "source_file_ids": [OK]},
    {"name": "", "kind": "probe", "source_file_ids": [OK]},
    {"name": "a\0b", "kind": "probe", "source_file_ids": [OK]},
    {"name": "n", "kind": "probe"},
    {"name": "n", "kind": "probe", "source_file_ids": []},
    {"name": "n", "kind": "probe", "source_file_ids": ["1"]},
    {"name": "n", "kind": "probe", "source_file_ids": [OK, OK]},
    {"name": "n", "kind": "probe", "source_file_ids": [str(uuid4()) for _ in range(101)]},
    {"name": "n", "kind": "probe", "source_file_ids": [OK], "nonsense": 1},
    {"name": "n", "kind": "probe", "source_file_ids": [OK], "priority": 101},
    {"name": "n", "kind": "probe", "source_file_ids": [OK], "ttl_seconds": 0},
    {"name": "n", "kind": "probe", "source_file_ids": [OK], "parameters": {"every_seconds": 1}},
    {"name": "n", "kind": "probe", "source_file_ids": [OK], "parameters": None},
    {"name": "n", "kind": "frames", "source_file_ids": [OK], "parameters": {"every_seconds": 0}},
    {"name": "n", "kind": "frames", "source_file_ids": [OK], "parameters": {"every_seconds": 1, "count": 2}},
    {"name": "n", "kind": "frames", "source_file_ids": [OK], "parameters": {"max_frames": 10**9}},
    {"name": "n", "kind": "contact_sheet", "source_file_ids": [OK], "parameters": {"columns": 1000}},
    {"name": "n", "kind": "external", "source_file_ids": [OK]},
    {"name": "n", "kind": "external", "parameters": {"analyser": "Not This"}},
    {"name": "n", "kind": "external", "parameters": {"analyser": "x", "options": []}},
    {"name": "n", "kind": "external", "parameters": {"analyser": "x", "options": {"a": "\0"}}},
    {"name": "n", "kind": "external", "parameters": {"analyser": "x", "options": {"a\0": 1}}},
    {"name": "n", "kind": "external", "parameters": {"analyser": "x", "options": {"a": "\ud800"}}},
]


@pytest.mark.parametrize(("by", "priority", "lifted"), [("alice", 100, False), ("admin", 1, True), ("admin", 0, False)])
async def test_only_an_administrators_positive_priority_counts_across_owners(
    client: Client, database: str, by: str, priority: int, *, lifted: bool
) -> None:
    source = await client.upload(by=by)
    asked = {"name": "n", "kind": "probe", "source_file_ids": [source["id"]], "priority": priority}

    job = (await client.request("POST", URL, by=by, json=asked)).json()

    (row,) = await fetch(database, "SELECT owner, lifted FROM analysis_jobs")
    assert (job["priority"], job["lifted"]) == (priority, lifted)
    assert tuple(row) == (job["owner"], lifted)


async def test_a_job_is_accepted_and_found_where_the_answer_says(client: Client) -> None:
    source = await client.upload()
    asked = {
        "name": "Bikes",
        "kind": "analyze",
        "source_file_ids": [source["id"]],
        "parameters": {"every_seconds": 1.0, "columns": 4},
        "priority": 7,
        "ttl_seconds": 3600,
    }

    answer = await client.request("POST", URL, json=asked)

    job = answer.json()
    created = datetime.fromisoformat(job["created_at"])
    assert answer.status_code == 202
    assert answer.headers["location"] == f"{URL}/{job['id']}"
    assert {name: job[name] for name in asked if name != "ttl_seconds"} == {
        name: value for name, value in asked.items() if name != "ttl_seconds"
    }
    assert job["folder_name"] == f"{created:%Y%m%d_%H%M%S}_{job['id']}"
    assert (job["owner"], job["status"], job["progress"], job["attempts"]) == ("alice", "pending", 0, 0)
    assert (job["error"], job["warnings"], job["worker"], job["held"]) == (None, [], None, False)
    assert datetime.fromisoformat(job["pinned_until"]) > created
    assert await read(client, job["id"]) == job


async def test_an_analysis_brings_facts_frames_and_a_sheet(client: Client, run_job: RunJob) -> None:
    """The contract, with a real video and a real worker process."""
    video = await client.upload(clips.h264().read_bytes(), filename="clip.mp4")
    job = await create(
        client, kind="analyze", source_file_ids=[video["id"]], parameters={"every_seconds": 0.5, "columns": 2}
    )

    await run_job(job["id"])

    done = await read(client, job["id"])
    frames = (await client.request("GET", f"{URL}/{job['id']}/files", params={"category": "frames"})).json()["items"]
    sheets = (await client.request("GET", f"{URL}/{job['id']}/files", params={"role": "contact_sheet"})).json()["items"]
    results = (await client.request("GET", f"{URL}/{job['id']}/results")).json()["items"]
    (probe,) = [result["data"] for result in results if result["kind"] == "probe"]
    assert (done["status"], done["progress"], done["error"], done["worker"]) == ("completed", 1.0, None, "test")
    assert [frame["ordinal"] for frame in frames] == [0, 1, 2, 3]
    assert [frame["instant_seconds"] for frame in frames] == pytest.approx([0, 0.5, 1.0, 1.5], abs=0.04)
    assert {frame["parent_id"] for frame in frames} == {video["id"]}
    assert [sheet["category"] for sheet in sheets] == ["contact_sheets"]
    assert probe["duration_seconds"] == pytest.approx(2, abs=0.1)
    assert (probe["width"], probe["height"]) == clips.UPRIGHT
    assert probe["video_codec"] == "h264"
    assert probe["frame_rate"] == pytest.approx(25)


async def test_a_video_that_cannot_be_decoded_fails_the_job_with_a_reason(client: Client, run_job: RunJob) -> None:
    video = await client.upload(clips.index_missing().read_bytes(), filename="clip.mp4")
    job = await create(client, kind="frames", source_file_ids=[video["id"]])

    await run_job(job["id"])

    done = await read(client, job["id"])
    assert done["status"] == "failed"
    assert done["error"]["code"] in {"corrupt_media", "unsupported_media"}
    assert done["error"]["detail"]
    assert (await client.request("GET", f"{URL}/{job['id']}/files")).json()["items"] == []


async def test_each_kind_knows_its_own_parameters(client: Client) -> None:
    source = (await client.upload())["id"]
    asked: list[dict[str, Any]] = [
        {"kind": "probe", "parameters": {}},
        {"kind": "frames", "parameters": {"instants": [0.0, 1.5], "format": "webp", "max_width": 640}},
        {"kind": "contact_sheet", "parameters": {"columns": 5, "rows": 3, "header": False}},
        {"kind": "analyze"},
        {"kind": "external", "parameters": {"analyser": "my-detector", "options": {"classes": ["car", "bus"]}}},
    ]

    jobs = [await create(client, source_file_ids=[source], **about) for about in asked]

    assert [job["parameters"] for job in jobs] == [about.get("parameters", {}) for about in asked]
    assert [job["kind"] for job in jobs] == [about["kind"] for about in asked]


async def test_an_external_job_needs_no_source_and_waits_for_no_worker_of_ours(
    client: Client, runtime: Runtime
) -> None:
    job = await create(client, kind="external", source_file_ids=[], parameters={"analyser": "x"})

    assert job["source_file_ids"] == []
    claim = await runtime.jobs.claims.claim(list(runtime.jobs.kinds), worker="w")
    assert (claim.attempts, claim.due_in) == ([], None)


async def test_sources_keep_their_order(client: Client) -> None:
    sources = [(await client.upload())["id"] for _ in range(4)]
    asked = [sources[2], sources[0], sources[3], sources[1]]

    job = await create(client, source_file_ids=asked)

    assert job["source_file_ids"] == asked
    assert (await read(client, job["id"]))["source_file_ids"] == asked


async def test_sources_are_pinned_unless_the_client_declines(client: Client, database: str) -> None:
    pinned, loose = [await client.upload(ttl_seconds=60) for _ in range(2)]

    await create(client, source_file_ids=[pinned["id"]])
    declined = await create(client, source_file_ids=[loose["id"]], pin_sources=False)

    leased = await fetch(database, "SELECT id FROM media_files WHERE leased_until > expires_at")
    assert [str(row["id"]) for row in leased] == [pinned["id"]]
    assert declined["pinned_until"] is None


async def test_an_unknown_kind_is_refused_with_the_known_ones(client: Client) -> None:
    source = (await client.upload())["id"]
    wrong: list[Any] = ["transcode", "", "\ud800\u2603", "x" * 60_000]

    answers = [await ask(client, {"name": "n", "kind": kind, "source_file_ids": [source]}) for kind in wrong]

    for answer in answers:
        assert refusal(answer) == (422, "unknown_kind")
        assert problem_in(answer)["known"] == KINDS
        assert len(answer.content) < 1_000


@pytest.mark.parametrize("number", range(len(WRONG)))
async def test_a_job_asked_for_wrongly_is_refused(client: Client, database: str, number: int) -> None:
    answer = await ask(client, WRONG[number])

    assert refusal(answer) == (422, "invalid_request")
    assert len(answer.content) < 10_000
    assert await fetch(database, "SELECT FROM analysis_jobs") == []


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
async def test_options_hold_only_numbers_that_can_be_kept(client: Client, number: str) -> None:
    asked = {"name": "n", "kind": "external", "parameters": {"analyser": "x", "options": {"a": float(number)}}}

    answer = await ask(client, asked)

    assert refusal(answer) == (422, "invalid_request")
