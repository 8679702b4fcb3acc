"""Archived runs as clients see them: asked for over HTTP, worked through as a worker would, read over HTTP."""

from typing import Any

import httpx

from media_analysis.runtime import Runtime
from tests.api.jobs import URL
from tests.archive.archived import Run, make_run
from tests.conftest import Client

ARCHIVED = f"{URL}/archived"


def archive_url(run: Run, part: str = "") -> str:
    return f"{URL}/{run.id}/archive{part}"


def content_url(run: Run, name: str) -> str:
    """Return where one file of a run is served from inside its archive."""
    return archive_url(run, f"/files/{run.files[name].id}/content")


async def work(runtime: Runtime) -> None:
    """Do what was asked for."""
    assert await runtime.archives.execution.run_waiting() > 0


async def archive(client: Client, runtime: Runtime, run: Run) -> None:
    """Ask for a run to be archived, and let that happen."""
    answer = await client.request("POST", archive_url(run), by="admin")
    assert answer.status_code == 202, answer.text
    await work(runtime)
    assert (await read_archive(client, run, by="admin"))["task"]["error"] is None


async def archived_run(client: Client, runtime: Runtime, **about: Any) -> Run:
    """Return a run that has been archived."""
    run = await make_run(runtime, **about)
    await archive(client, runtime, run)
    return run


async def read_archive(client: Client, run: Run, *, by: str = "alice", **query: Any) -> dict[str, Any]:
    answer = await client.request("GET", archive_url(run), by=by, params=query)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


async def ask_restore(client: Client, run: Run, *, by: str = "alice", **query: Any) -> httpx.Response:
    return await client.request("POST", f"{URL}/{run.id}/restore", by=by, params=query)


async def contents(client: Client, run: Run) -> dict[str, bytes | int]:
    """Return what the files of a run answer at their own addresses: bytes, or the status of a refusal."""
    answers = {
        name: await client.request("GET", f"/api/v1/files/{file.id}/content", by="admin")
        for name, file in run.files.items()
    }
    return {name: one.content if one.status_code == 200 else one.status_code for name, one in answers.items()}
