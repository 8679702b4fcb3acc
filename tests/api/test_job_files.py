"""What belongs to a job: its files by category, in time order."""

from itertools import pairwise
from typing import Any
from uuid import UUID, uuid4

import pytest

from media_analysis.api.schemas.products import decode_position, encode_position
from media_analysis.files.products import ProductPosition
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.api.answers import refusal
from tests.api.conftest import Expire
from tests.api.jobs import URL, begin, create, stage
from tests.conftest import Client


async def pages(client: Client, job: dict[str, Any], *, by: str = "alice", **query: Any) -> list[list[dict[str, Any]]]:
    """Return all pages of a job's files, following their cursors."""
    found: list[list[dict[str, Any]]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = await client.request("GET", f"{URL}/{job['id']}/files", by=by, params=query | cursor)
        assert answer.status_code == 200, answer.text
        found.append(answer.json()["items"])
        if answer.json()["next_cursor"] is None:
            return found
        cursor = {"cursor": answer.json()["next_cursor"]}


async def listed(client: Client, job: dict[str, Any], **query: Any) -> list[str]:
    return [file["filename"] for page in await pages(client, job, **query) for file in page]


@pytest.fixture
async def job(client: Client, runtime: Runtime) -> dict[str, Any]:
    """A completed job with five frames, brought out of order, a sheet, two outputs and two files of its owner."""
    made = await create(client, kind="frames")
    fence = await begin(runtime, made)
    await stage(runtime, made, fence, [3, 0, 4, 1, 2])
    await stage(runtime, made, fence, [0], category=Category.CONTACT_SHEETS, role="contact_sheet")
    await stage(runtime, made, fence, [1, 0], category=Category.OUTPUTS, role="report")
    for name in ("note-1", "note-2"):
        await client.upload(category="frames", filename=name, job_id=made["id"])
    await runtime.jobs.attempts.complete(UUID(made["id"]), fence=fence)
    return made


FRAMES = [f"frame-{number}" for number in range(5)]
NOTES = ["note-1", "note-2"]
REST = ["contact_sheet-0", "report-0", "report-1"]


async def test_files_come_by_category_then_in_time_order(client: Client, job: dict[str, Any]) -> None:
    (page,) = await pages(client, job, category="frames")

    frames = page[:5]
    assert [file["filename"] for file in frames] == FRAMES
    assert [(file["role"], file["ordinal"], file["instant_seconds"]) for file in frames] == [
        ("frame", number, number / 2) for number in range(5)
    ]
    assert {file["parent_id"] for file in frames} == set(job["source_file_ids"])
    assert {file["job_id"] for file in page} == {job["id"]}
    assert [(file["filename"], file["role"], file["ordinal"]) for file in page[5:]] == [
        ("note-1", None, None),
        ("note-2", None, None),
    ]
    assert await listed(client, job) == FRAMES + NOTES + REST


async def test_a_file_tells_its_place_wherever_it_is_read(client: Client, job: dict[str, Any]) -> None:
    (page,) = await pages(client, job, role="frame")

    read = await client.request("GET", f"/api/v1/files/{page[3]['id']}")

    assert read.json() == page[3]
    assert (read.json()["ordinal"], read.json()["instant_seconds"]) == (3, 1.5)


@pytest.mark.parametrize("limit", range(1, 12))
async def test_pages_walk_every_file_exactly_once(client: Client, job: dict[str, Any], limit: int) -> None:
    found = await pages(client, job, limit=limit)

    assert [file["filename"] for page in found for file in page] == FRAMES + NOTES + REST
    assert all(len(page) == limit for page in found[:-1])


async def test_filters_narrow_the_list_on_every_page(client: Client, job: dict[str, Any]) -> None:
    assert await listed(client, job, role="frame", limit=2) == FRAMES
    assert await listed(client, job, category="frames", limit=2) == FRAMES + NOTES
    assert await listed(client, job, category="outputs", role="frame") == []
    assert await listed(client, job, category="temp") == []
    assert await listed(client, job, role="contact_sheet") == ["contact_sheet-0"]


async def test_what_is_staged_shows_when_the_run_completes(client: Client, runtime: Runtime) -> None:
    job = await create(client, kind="frames")
    fence = await begin(runtime, job)
    await stage(runtime, job, fence, [0, 1])

    before = await listed(client, job)
    await runtime.jobs.attempts.complete(UUID(job["id"]), fence=fence)

    assert before == []
    assert await listed(client, job) == ["frame-0", "frame-1"]


async def test_what_expired_or_was_deleted_is_not_listed(client: Client, job: dict[str, Any], expire: Expire) -> None:
    ((first, second, *_),) = await pages(client, job, role="frame")
    await expire(first)
    await client.request("DELETE", f"/api/v1/files/{second['id']}")

    assert await listed(client, job, role="frame", limit=1) == FRAMES[2:]


async def test_a_cursor_of_another_job_leads_through_ones_own_only(client: Client, job: dict[str, Any]) -> None:
    theirs = await create(client, by="bob")
    await client.upload(by="bob", filename="theirs", job_id=theirs["id"])
    cursor = encode_position(ProductPosition(Category.UPLOADS, None, UUID(int=0)))

    answer = await client.request("GET", f"{URL}/{job['id']}/files", params={"cursor": cursor})
    foreign = await client.request("GET", f"{URL}/{theirs['id']}/files", params={"cursor": cursor})

    assert [file["filename"] for file in answer.json()["items"]] == FRAMES + NOTES + REST
    assert refusal(foreign) == (404, "job_not_found")
    assert await listed(client, theirs, by="admin") == ["theirs"]


def test_a_cursor_is_the_position_it_was_made_of() -> None:
    positions = [
        ProductPosition(category, ordinal, uuid4()) for category in Category for ordinal in (None, 0, 1, 2**40)
    ]

    assert [decode_position(encode_position(position)) for position in positions] == positions
    assert all(one != other for one, other in pairwise(map(encode_position, positions)))


WRONG = [
    {"limit": "0"},
    {"limit": "1001"},
    {"cursor": ""},
    {"cursor": "x"},
    {"cursor": "AAAA"},
    {"cursor": "_" * 34},
    {"cursor": "\N{SNOWMAN}"},
    {"cursor": "x" * 65},
    {"category": "everything"},
    {"role": "No Role"},
    {"categroy": "frames"},
]


async def test_a_list_asked_for_wrongly_is_refused(client: Client, job: dict[str, Any]) -> None:
    answers = [await client.request("GET", f"{URL}/{job['id']}/files", params=query) for query in WRONG]

    assert [refusal(answer) for answer in answers] == [(422, "invalid_request")] * len(WRONG)
