"""Jobs that ended, with products and results, for tests of what goes with whom."""

from typing import Any
from uuid import UUID

import httpx

from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.runtime import Runtime
from tests.api.jobs import URL, begin, create, stage
from tests.conftest import Client

FILES = "/api/v1/files"
FRAMES = 3


async def finished(client: Client, runtime: Runtime, **about: Any) -> tuple[dict[str, Any], list[str]]:
    """Run a job that makes frames and a result about its source; return it and the ids of the frames."""
    job = await create(client, **about)
    fence = await begin(runtime, job)
    frames = await stage(runtime, job, fence, range(FRAMES))
    seen = NewResult(kind="probe", data={"width": 64}, file_id=UUID(job["source_file_ids"][0]))
    await runtime.jobs.attempts.complete(
        UUID(job["id"]), fence=fence, results=[seen, NewResult(kind="summary", data={})]
    )
    return job, [str(frame.id) for frame in frames]


async def delete(client: Client, path: str, *, by: str = "alice", **asked: str) -> httpx.Response:
    return await client.request("DELETE", path, by=by, params=asked)


async def remove_job(client: Client, job: dict[str, Any], *, by: str = "alice", **asked: str) -> dict[str, Any]:
    """Delete a job, or rehearse that, and return what is said of it."""
    answer = await delete(client, f"{URL}/{job['id']}", by=by, **asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def statuses(client: Client, *paths: str) -> list[int]:
    """Return how an administrator is answered who reads them."""
    return [(await client.request("GET", path, by="admin")).status_code for path in paths]


async def kinds_of_results(client: Client, job: dict[str, Any]) -> list[str]:
    """Return the kinds of all results of a job that a search finds."""
    answer = await client.request("GET", "/api/v1/results", params={"job_id": job["id"]})
    assert answer.status_code == 200, answer.text
    return sorted(item["kind"] for item in answer.json()["items"])
