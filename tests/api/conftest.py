"""What the tests of HTTP look at beside answers: what is kept, and how time passes."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from playwright.async_api import Browser, Page

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime
from media_analysis.storage.walk import OWN_NAMES
from tests.api.analysers import CONTENT, Analyser
from tests.api.raw import Speaker, plain_app, served
from tests.browser import PATIENCE_MILLISECONDS
from tests.claims import claim_job
from tests.conftest import Client, StoreFile, execute, fetch
from tests.disks import disk_of

Remains = Callable[[], Awaitable[list[str]]]
Expire = Callable[[dict[str, Any]], Awaitable[None]]


@pytest.fixture
def remains(runtime: Runtime, database: str) -> Remains:
    """Lists the names of the living rows and of the objects there are now."""

    async def look() -> list[str]:
        rows = await fetch(database, "SELECT filename FROM media_files")
        objects = [
            path for path in disk_of(runtime.store).root.rglob("*") if path.is_file() and path.name not in OWN_NAMES
        ]
        return sorted(row["filename"] for row in rows) + sorted(path.name for path in objects)

    return look


@pytest.fixture
def expire(database: str) -> Expire:
    """Lets a file have expired a second ago."""

    async def travel(file: dict[str, Any]) -> None:
        past = "now() - interval '1 second'"
        await execute(
            database, f"UPDATE media_files SET expires_at = {past}, due_at = {past} WHERE id = '{file['id']}'"
        )

    return travel


@pytest.fixture
def analyser(client: Client) -> Analyser:
    return Analyser(client)


@pytest.fixture
async def source(client: Client) -> str:
    return str((await client.upload(CONTENT, filename="hamlet.txt"))["id"])


@pytest.fixture
async def run(runtime: Runtime, store_file: StoreFile) -> Attempt:
    """A running job of alice's with two events behind it."""
    source = await store_file()
    job = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id]))
    claimed = await claim_job(runtime, job.id, worker="w")
    assert claimed is not None
    return claimed


@pytest.fixture
async def speaker(client: Client, app: FastAPI) -> AsyncIterator[Speaker]:
    """Talks as alice, in bytes, to the whole application behind the product's own server."""
    async with served(app) as port:
        yield Speaker(port, client.tokens["alice"])
    app.state.draining = False


@pytest.fixture(scope="module")
async def patient() -> AsyncIterator[int]:
    """The port of a server with the limits of a service."""
    async with served(plain_app()) as port:
        yield port


@pytest.fixture
async def page(browser: Browser) -> AsyncIterator[Page]:
    """Shows pages in a browser with a profile of its own."""
    async with await browser.new_context() as profile:
        profile.set_default_timeout(PATIENCE_MILLISECONDS)
        yield await profile.new_page()
