"""The first life of a service with an embedded database, and copies of what it left."""

import os
import signal
import stat
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from media_analysis.db.embedded.account import choose_account
from media_analysis.db.embedded.cluster import Cluster
from media_analysis.db.embedded.process import find_postmaster
from media_analysis.db.embedded.programs import find_binaries
from media_analysis.files.models import MediaFile
from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime, open_runtime
from media_analysis.settings import Settings
from tests.claims import claim_job
from tests.cli.commands import Serving, home_of_a_service, serving
from tests.conftest import StoreFile, execute, with_database

CONTENT = b"what the first life stored\n" * 1000


@dataclass
class FirstLife:
    """All that was seen of a service from its first start on an empty directory to ^C."""

    data_dir: Path
    output: str
    url: str
    token: str
    token_mode: int
    caller: httpx.Response
    stored: httpx.Response
    exit_code: int
    postgres_left: bool


def postgres_runs(data_dir: Path) -> bool:
    cluster = Cluster(data_dir / "postgres", find_binaries(), choose_account(None))
    return find_postmaster(cluster) is not None


def _live(service: Serving, data_dir: Path) -> FirstLife:
    url, token_file = service.url(), data_dir / "admin-token"
    token = token_file.read_text().strip()
    caller = service.request("GET", "/api/v1/sessions/me", token=token)
    upload = "/api/v1/files?category=uploads&filename=first.txt"
    stored = service.request("POST", upload, token=token, content=CONTENT)
    exit_code = service.end(signal.SIGINT)
    return FirstLife(
        data_dir=data_dir,
        output=service.output,
        url=url,
        token=token,
        token_mode=stat.S_IMODE(token_file.stat().st_mode),
        caller=caller,
        stored=stored,
        exit_code=exit_code,
        postgres_left=postgres_runs(data_dir),
    )


@pytest.fixture(scope="package")
def first_life(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FirstLife]:
    printed = tmp_path_factory.mktemp("serve") / "printed"
    with home_of_a_service() as data_dir, serving("--data-dir", data_dir, printed=printed) as service:
        yield _live(service, data_dir)


@pytest.fixture
def data_dir(first_life: FirstLife) -> Iterator[Path]:
    """A copy of what the first life left, to start again on."""
    with home_of_a_service(first_life.data_dir) as copy:
        yield copy


@pytest.fixture
async def empty_database(server_url: str) -> AsyncIterator[str]:
    """The URL of a database nobody migrated yet."""
    name = f"empty_{os.getpid()}"
    await execute(server_url, f'CREATE DATABASE "{name}"')
    yield with_database(server_url, name)
    await execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
async def served(settings: Settings, database: str) -> None:
    """A service was started once on the test's database and directory."""
    async with open_runtime(settings, database):
        pass


@pytest.fixture
async def source(store_file: StoreFile) -> MediaFile:
    return await store_file()


@pytest.fixture
async def begun(runtime: Runtime, source: MediaFile) -> Attempt:
    """A running job."""
    asked = NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id])
    job = await runtime.jobs.control.create(asked)
    claimed = await claim_job(runtime, job.id, worker="w")
    assert claimed is not None
    return claimed
