"""A database or a disk that answers but cannot be written: 503 with the reason, unready, and well again by itself."""

import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import make_url

from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from tests.conftest import Client, execute
from tests.storage.test_disk_faults import mount

Failover = Callable[[], AbstractAsyncContextManager[None]]
DISCONNECT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = current_database() AND pid <> pg_backend_pid()"
)


@pytest.fixture
def failover(database: str) -> Failover:
    """Makes the database what a primary becomes that lost its place: every new connection may only read."""
    name = make_url(database).database

    @asynccontextmanager
    async def fail_over() -> AsyncIterator[None]:
        await execute(database, f'ALTER DATABASE "{name}" SET default_transaction_read_only = on', DISCONNECT)
        try:
            yield
        finally:
            await execute(database, "SET default_transaction_read_only = off", f'ALTER DATABASE "{name}" RESET ALL')

    return fail_over


@pytest.fixture
def asking_anew(runtime: Runtime) -> None:
    """Every probe looks for itself."""
    vars(runtime.retention.status)["write_probe"] = replace(runtime.retention.status.write_probe, fresh_seconds=0.0)


def change(*command: str | Path) -> None:
    subprocess.run(command, check=True)


@pytest.mark.usefixtures("asking_anew")
async def test_a_database_that_became_read_only_is_told_as_such_and_needs_no_restart(
    client: Client, failover: Failover
) -> None:
    known = await client.upload()
    path = f"/api/v1/files/{known['id']}"

    async with failover():
        refused = [
            await client.request("POST", "/api/v1/files?category=uploads&filename=b", content=b"never"),
            await client.request("DELETE", path),
            await client.request("PATCH", path, json={"filename": "c"}),
        ]
        unready = await client.request("GET", "/readyz", by=None)
        read = await client.request("GET", f"{path}/content")
    again = await client.request("POST", "/api/v1/files?category=uploads&filename=b", content=b"again")
    ready = await client.request("GET", "/readyz", by=None)

    assert [answer.status_code for answer in refused] == [503, 503, 503]
    assert {(answer.json()["code"], answer.json()["reason"]) for answer in refused} == {
        ("database_unavailable", "it is read-only")
    }
    assert all(int(answer.headers["retry-after"]) > 0 for answer in refused)
    assert unready.status_code == 503
    assert unready.json()["checks"]["database"] == "database_unavailable: it is read-only"
    assert read.status_code == 200
    assert (again.status_code, ready.status_code) == (201, 200)


@pytest.fixture
def small_store(settings: Settings) -> None:
    """Lays the store on a disk of its own, before anybody opens it."""
    settings.store_path.mkdir(parents=True)
    mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(settings.store_path))


@pytest.mark.usefixtures("small_store", "asking_anew")
async def test_a_store_that_became_read_only_is_not_ready(settings: Settings, client: Client) -> None:
    async def checks() -> tuple[int, str]:
        answer = await client.request("GET", "/readyz", by=None)
        return answer.status_code, answer.json()["checks"]["disk"]

    try:
        well = await checks()
        change("mount", "-o", "remount,ro", settings.store_path)
        ill = await checks()
        change("mount", "-o", "remount,rw", settings.store_path)
        again = await checks()
    finally:
        change("umount", "-l", settings.store_path)

    assert (well, again) == ((200, "ok"), (200, "ok"))
    assert ill == (503, "store_unavailable: the file system is read-only")
