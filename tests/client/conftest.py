"""A server for all tests of a worker, and an owner for each."""

import os
from collections.abc import AsyncIterator, Iterator

import pytest

from media_analysis.client import Client
from tests.client.server import Served, newcomer, running_server
from tests.conftest import execute, with_database
from tests.oracle import inspect_everything


@pytest.fixture(scope="session")
async def shared_server(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, str]]:
    """A server on a database of its own; the oracle inspects what all tests left there."""
    name, home = f"clients_{os.getpid()}", tmp_path_factory.mktemp("served")
    await execute(server_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    database = with_database(server_url, name)
    environment = {
        "DATABASE_URL": database,
        "MEDIA_ANALYSIS_DATA_DIR": str(home / "var"),
        "STORAGE_MONITORING_RESERVE_BYTES": "1MiB",
        "STORAGE_OWNER_QUOTA_OUTPUTS": "1MiB",
    }
    with running_server(environment, home / "printed") as started:
        yield started
    assert await inspect_everything(database, home / "var" / "store") == []
    await execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def server(shared_server: tuple[str, str]) -> Served:
    return newcomer(*shared_server)


@pytest.fixture
def alice(server: Served) -> Iterator[Client]:
    with server.client() as client:
        yield client
