"""A real server in a process of its own, and tokens for it."""

import itertools
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import make_url

from media_analysis.client import Client
from tests.cli.commands import READY_SECONDS, serving
from tests.oracle import inspect_everything
from tests.processes import PLAIN
from tests.reused import CONNECTIONS


@dataclass(frozen=True)
class Served:
    """Where a server answers, and the token of an owner of this test's own."""

    url: str
    admin: str
    owner: str
    token: str = field(repr=False)

    def client(self, *, url: str | None = None, **about: Any) -> Client:
        return Client(url or self.url, self.token, **about)

    def make_token(self, **asked: Any) -> str:
        return make_token(self.url, self.admin, owner=self.owner, **asked)


_NUMBERS = itertools.count(1)


def make_token(url: str, admin: str, **asked: Any) -> str:
    """Return a token for somebody, as an administrator makes it."""
    answer = httpx.post(
        f"{url}/api/v1/sessions",
        headers={"Authorization": f"Bearer {admin}"},
        json={"ttl_seconds": 3600} | asked,
        timeout=READY_SECONDS,
        verify=PLAIN,
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["token"])


def newcomer(url: str, admin: str) -> Served:
    """Return what somebody new has of a server."""
    owner = f"owner-{next(_NUMBERS)}"
    return Served(url, admin, owner, make_token(url, admin, owner=owner))


@contextmanager
def running_server(environment: dict[str, str], printed: Path) -> Iterator[tuple[str, str]]:
    """Yield the address and the administrator's token of a server that does not sweep by itself."""
    with serving(printed=printed, **{"STORAGE_CLEANUP_ENABLED": "false"} | environment) as service:
        url = service.url()
        yield url, (Path(environment["MEDIA_ANALYSIS_DATA_DIR"]) / "admin-token").read_text().strip()
        service.process.terminate()
        service.process.wait(60)


@pytest.fixture(scope="session")
async def shared_server(
    server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[tuple[str, str]]:
    """A server on a database of its own; the oracle inspects what all tests left there."""
    name, home = f"clients_{os.getpid()}", tmp_path_factory.mktemp("served")
    async with CONNECTIONS.lend(server_url) as connection:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
    database = make_url(server_url).set(database=name).render_as_string(hide_password=False)
    environment = {
        "DATABASE_URL": database,
        "MEDIA_ANALYSIS_DATA_DIR": str(home / "var"),
        "STORAGE_MONITORING_RESERVE_BYTES": "1MiB",
        "STORAGE_OWNER_QUOTA_OUTPUTS": "1MiB",
        "STORAGE_BREAKER_MIN_FILES": "10",
    }
    with running_server(environment, home / "printed") as started:
        yield started
    assert await inspect_everything(database, home / "var" / "store") == []
    async with CONNECTIONS.lend(server_url) as connection:
        await connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
