"""Jobs as clients ask for them, and runs without any decoding."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import httpx

from media_analysis.files.models import MediaFile
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import Failure, NewResult
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.claims import claim_job
from tests.conftest import Client, chunks

URL = "/api/v1/jobs"


async def ask(client: Client, document: object) -> httpx.Response:
    """Ask for a job with any JSON, also such as UTF-8 cannot carry unescaped."""
    return await client.request("POST", URL, content=json.dumps(document), headers={"Content-Type": "application/json"})


async def create(client: Client, *, by: str = "alice", **about: Any) -> dict[str, Any]:
    """Create a probe, unless `about` says otherwise, of a file uploaded for it; return the JobRead."""
    if "source_file_ids" not in about:
        about["source_file_ids"] = [(await client.upload(by=by))["id"]]
    answer = await client.request("POST", URL, by=by, json={"name": "n", "kind": "probe"} | about)
    assert answer.status_code == 202, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def read(client: Client, job_id: str, *, by: str = "alice") -> dict[str, Any]:
    answer = await client.request("GET", f"{URL}/{job_id}", by=by)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def begin(runtime: Runtime, job: dict[str, Any]) -> int:
    """Claim a job; return the fence."""
    run = await claim_job(runtime, UUID(job["id"]), worker="test")
    assert run is not None
    return run.fence


async def finish(runtime: Runtime, job: dict[str, Any], *results: NewResult) -> None:
    """Claim a job and complete it with results."""
    await runtime.jobs.attempts.complete(UUID(job["id"]), fence=await begin(runtime, job), results=results)


async def fail(runtime: Runtime, job: dict[str, Any]) -> None:
    """Claim a job and let it fail."""
    failure = Failure(code="corrupt_media", detail="nothing of it can be decoded")
    await runtime.jobs.attempts.fail(UUID(job["id"]), fence=await begin(runtime, job), failure=failure)


async def stage(
    runtime: Runtime,
    job: dict[str, Any],
    fence: int,
    ordinals: Sequence[int],
    *,
    category: Category = Category.FRAMES,
    role: str = "frame",
) -> list[MediaFile]:
    """Bring products of a run, which show when it completes."""
    return [
        await runtime.files.uploads.store_file(
            Upload(
                owner=job["owner"],
                category=category,
                filename=f"{role}-{ordinal}",
                declared_bytes=1,
                job_id=UUID(job["id"]),
                parent_id=UUID(job["source_file_ids"][0]),
                place=Place(role=role, ordinal=ordinal, fence=fence, instant_seconds=ordinal / 2),
                run=job["folder_name"],
            ),
            chunks(b"x"),
        )
        for ordinal in ordinals
    ]
