"""Real PostgreSQL, real disk: one server per worker, one database and one store per test."""

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import hypothesis
import pytest
from fastapi import FastAPI
from sqlalchemy import insert, make_url
from uuid_utils.compat import uuid7

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.db.migrations import migrate
from media_analysis.files.expiry import Expiry
from media_analysis.files.models import MediaFile
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime, open_services
from media_analysis.sessions.models import Role, UserSession
from media_analysis.sessions.service import hash_token, new_token
from media_analysis.settings import Settings, load_settings
from media_analysis.settings.postgres import database_options
from media_analysis.storage.category import Category
from tests import claims
from tests.browser import browser  # noqa: F401 - a fixture of several packages
from tests.client.server import shared_server  # noqa: F401 - a fixture of two packages
from tests.collecting import pytest_collection, pytest_configure, shared_out  # noqa: F401 - two are hooks
from tests.emptying import emptied
from tests.lock_order import SAYING, Recorder
from tests.loop import run_on_uvloop
from tests.oracle import inspect_everything
from tests.reused import APPLICATIONS, CONNECTIONS, Pool, end_old_zygotes, remember_what_is_installed
from tests.s3 import leave_out_s3
from tests.servers import UUIDV7, running_server, short_directory

# How long an example takes, or is looked for, says how busy the machine is.
hypothesis.settings.register_profile("ours", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("ours")

TEMPLATE = "media_analysis_template"
LONG = frozenset({"test_bootstrap", "test_conformance", "test_demo", "test_machine", "test_two_owners"})
"""Modules with tests that take as long as those that kill the service."""
ROLES = {"alice": Role.USER, "bob": Role.USER, "admin": Role.ADMIN}
"""Who calls the application in tests."""
LOCKS = Recorder().start()
remember_what_is_installed()
run_on_uvloop()


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what takes minutes, or one worker is at it still when the others are done."""
    leave_out_s3(config, items)
    parts: dict[bool, list[pytest.Item]] = {True: [], False: []}
    for item in items:
        parts[item.get_closest_marker("crash") is not None or item.path.stem in LONG].append(item)
    items[:] = shared_out(parts[True], parts[False], getattr(config, "workerinput", {}).get("workercount", 1))


@pytest.fixture(autouse=True)
def one_lock_order() -> Iterator[None]:
    """Whatever a test does, its transactions lock tables in one order (promise 32)."""
    yield
    assert LOCKS.take_violations() == []


@pytest.fixture(scope="session")
def open_directory() -> Iterator[Path]:
    """A short directory that PostgreSQL's unprivileged account can enter, unlike pytest's own."""
    directory = short_directory()
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


@pytest.fixture(scope="session")
async def server_url(open_directory: Path) -> AsyncIterator[str]:
    """A PostgreSQL for this worker."""
    async with running_server(open_directory) as url:
        yield url


def with_database(url: str, name: str) -> str:
    return make_url(url).set(database=name).render_as_string(hide_password=False)


async def execute(url: str, *statements: str) -> None:
    """Run statements outside any transaction."""
    async with CONNECTIONS.lend(url) as connection:
        for statement in statements:
            await connection.execute(statement)


async def fetch(url: str, query: str, *values: object) -> list[asyncpg.Record]:
    async with CONNECTIONS.lend(url) as connection:
        rows: list[asyncpg.Record] = await connection.fetch(query, *values)
        return rows


@pytest.fixture(scope="session")
async def template(server_url: str) -> str:
    """The name of a migrated database that tests copy."""
    name = f"{TEMPLATE}_{os.getpid()}"
    await execute(server_url, f'CREATE DATABASE "{name}"')
    await migrate(with_database(server_url, name))
    await execute(with_database(server_url, name), SAYING, UUIDV7)
    return name


@pytest.fixture(scope="session")
async def reused_database(server_url: str, template: str) -> AsyncIterator[str]:
    """The URL of the database that this worker's tests use one after another."""
    name = f"test_{os.getpid()}"
    await execute(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    url = with_database(server_url, name)
    await CONNECTIONS.keep(url)
    yield url
    await CONNECTIONS.close()


@pytest.fixture
async def database(reused_database: str, server_url: str, template: str) -> str:
    """The URL of a migrated database without any row; one that a test left without its tables is made again."""
    if not await emptied(reused_database):
        name = make_url(reused_database).database
        await execute(
            server_url,
            f'DROP DATABASE "{name}" WITH (FORCE)',
            f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY',
        )
    return reused_database


@pytest.fixture
def environment(database: str, tmp_path: Path) -> dict[str, str]:
    """The variables a service on this test's database and store would be started with; tests may add to it."""
    return {
        "DATABASE_URL": database,
        "MEDIA_ANALYSIS_DATA_DIR": str(tmp_path / "var"),
        "STORAGE_MONITORING_RESERVE_BYTES": "1MiB",
        # Most tests look for what is gone; those about the trash ask for it.
        "DELETION_STRATEGY": "hard",
        # A machine that stands still for some seconds is no failure of what is tested here.
        "DATABASE_CONNECT_TIMEOUT_SECONDS": "20",
        "DATABASE_DEADLINE_SECONDS": "30",
        # Each connection costs as much as a small test.
        "DATABASE_POOL_MIN": "1",
        # Nor does a test wait for what is to pass by itself.
        "ARCHIVE_RETRY_SECONDS": "0.01",
    }


StartOver = Callable[[], Awaitable[None]]
OpenRuntime = Callable[[], AbstractAsyncContextManager[Runtime]]


@pytest.fixture
def start_over(database: str, tmp_path: Path) -> StartOver:
    """Leaves neither row nor object: for a test that does the same again and again, each time from nothing."""

    async def empty() -> None:
        assert await emptied(database)
        shutil.rmtree(tmp_path / "var", ignore_errors=True)

    return empty


@pytest.fixture
def settings(environment: dict[str, str]) -> Settings:
    return load_settings(environ=environment).settings


@pytest.fixture(scope="session")
async def pool(reused_database: str) -> AsyncIterator[Pool]:
    """The connections that the services of this worker's tests use one after another."""
    async with aclosing(Pool(reused_database)) as opened:
        yield opened


@pytest.fixture(scope="session")
async def shared_fork_server() -> AsyncIterator[ForkServer]:
    """Where the children of this worker's services come from: a fork server takes most of a second to start."""
    async with aclosing(ForkServer()) as opened:
        yield opened


@pytest.fixture
def open_here(settings: Settings, database: str, pool: Pool, shared_fork_server: ForkServer) -> OpenRuntime:
    """Opens the services; when they are closed, the oracle inspects every row and object that is left."""

    @asynccontextmanager
    async def opening() -> AsyncIterator[Runtime]:
        async with (
            pool.lend(database, database_options(settings)) as db,
            open_services(settings, db, shared_fork_server) as opened,
        ):
            yield opened
        await end_old_zygotes(shared_fork_server)
        violations = await inspect_everything(database, settings.store_path, archives=settings.archive.base_path)
        assert not violations, "\n".join(violations)

    return opening


@pytest.fixture
async def runtime(open_here: OpenRuntime) -> AsyncIterator[Runtime]:
    """The services of this test, inspected at its end."""
    async with open_here() as opened:
        yield opened


async def chunks(content: bytes, size: int = 65_536) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


StoreFile = Callable[..., Awaitable[MediaFile]]


def storing(runtime: Runtime) -> StoreFile:
    """Return what uploads through the service; every part of the upload can be given."""

    async def store(content: bytes = b"some bytes", *, ttl: float | None = None, **about: Any) -> MediaFile:
        expiry = None if ttl is None else Expiry(lifetime=timedelta(seconds=ttl))
        facts = {"owner": "alice", "category": Category.UPLOADS, "filename": "file.bin", "expiry": expiry} | about
        return await runtime.files.uploads.store_file(Upload(**facts), chunks(content))

    return store


@pytest.fixture
def store_file(runtime: Runtime) -> StoreFile:
    """Uploads through the service of this test."""
    return storing(runtime)


RunJob = Callable[[str | UUID], Awaitable[object]]


@pytest.fixture
def run_job(runtime: Runtime) -> RunJob:
    """Runs a queued job to its end, as a worker would, decoding in a process of its own."""
    return lambda job_id: claims.run_job(runtime, UUID(str(job_id)))


@dataclass
class Client:
    """An HTTP client of the application, with a token per owner."""

    http: httpx.AsyncClient
    tokens: dict[str, str] = field(default_factory=dict)

    async def request(self, method: str, path: str, *, by: str | None = "alice", **about: Any) -> httpx.Response:
        headers = dict(about.pop("headers", None) or {})
        if by is not None:
            headers.setdefault("Authorization", f"Bearer {self.tokens[by]}")
        return await self.http.request(method, path, headers=headers, **about)

    async def upload(self, content: bytes = b"some bytes", *, by: str = "alice", **query: Any) -> dict[str, Any]:
        """Upload a raw body and return the FileRead; fails unless the answer is 201."""
        params = {"category": "uploads", "filename": "file.bin"} | query
        answer = await self.request("POST", "/api/v1/files", by=by, params=params, content=content)
        assert answer.status_code == 201, answer.text
        body: dict[str, Any] = answer.json()
        return body


@pytest.fixture
def app(runtime: Runtime) -> FastAPI:
    """The application over the services of this test."""
    return APPLICATIONS.over(runtime)


async def add_tokens(runtime: Runtime) -> dict[str, str]:
    """Return a token of each owner, all made at once: as many requests would take longer than most tests."""
    tokens = {owner: new_token() for owner in ROLES}
    ends = datetime.now(UTC) + timedelta(hours=1)
    rows = [
        {"id": uuid7(), "owner": owner, "role": role, "token_hash": hash_token(tokens[owner]), "expires_at": ends}
        for owner, role in ROLES.items()
    ]
    async with runtime.db.transaction() as session:
        await session.execute(insert(UserSession), rows)
    return tokens


@pytest.fixture
async def client(app: FastAPI, runtime: Runtime) -> AsyncIterator[Client]:
    """The application called in process, by `alice` and `bob` (users) and `admin`."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        yield Client(http, await add_tokens(runtime))
