"""PostgreSQL goes away and comes back: everybody hears of it in time, nothing is lost, nobody restarts the service."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import asyncpg
import pytest

from media_analysis.errors import DatabaseUnavailable
from media_analysis.runtime import Runtime
from tests.conftest import Client, StoreFile, execute, fetch
from tests.db.patience import PATIENCE_SECONDS, answered
from tests.db.power import Power

Absence = Callable[[Power], AbstractAsyncContextManager[None]]
DEADLINE_SECONDS = 3.0
CALL_SECONDS = 9.0
REQUEST_SECONDS = 12.0
"""Most that a call and a request of several may take: 6 and 9 where a frozen server's connections are given up one by
one, 9.4 to 15.5 were there no deadline."""


@pytest.fixture
def database(own_database: str) -> str:
    return own_database


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {
        "DATABASE_DEADLINE_SECONDS": str(DEADLINE_SECONDS),
        "DATABASE_CONNECT_TIMEOUT_SECONDS": "3",
        "DATABASE_COMMAND_TIMEOUT_SECONDS": "4",
    }


@asynccontextmanager
async def switched_off(power: Power) -> AsyncIterator[None]:
    await power.switch_off()
    try:
        yield
    finally:
        await power.switch_on()


@asynccontextmanager
async def frozen(power: Power) -> AsyncIterator[None]:
    with power.frozen():
        yield


ways_to_be_away = pytest.mark.parametrize("away", [switched_off, frozen])


@ways_to_be_away
async def test_services_say_so_within_the_deadline_and_work_again_afterwards(
    runtime: Runtime, store_file: StoreFile, own_server: Power, away: Absence
) -> None:
    known = await answered(store_file)
    objects_before = _objects(runtime)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "stats": lambda: runtime.retention.status.stats(owner=None),
        "read": lambda: runtime.files.catalog.get(known.id, owner="alice"),
        "upload": lambda: store_file(b"never"),
    }

    async with away(own_server):
        took = {name: await _refused(call) for name, call in calls.items()}
        objects_meanwhile = _objects(runtime)
    stored = await answered(lambda: store_file(b"again"))
    read = await answered(lambda: runtime.files.catalog.get(stored.id, owner="alice"))

    assert {name: seconds for name, seconds in took.items() if seconds > CALL_SECONDS} == {}
    assert objects_meanwhile == objects_before
    assert read.size_bytes == 5


@ways_to_be_away
async def test_http_answers_503_with_retry_after_and_recovers(
    client: Client, runtime: Runtime, own_server: Power, away: Absence
) -> None:
    known = await answered(client.upload)
    objects_before = _objects(runtime)
    requests = [
        ("POST", "/api/v1/files?category=uploads&filename=b"),
        ("GET", f"/api/v1/files/{known['id']}"),
        ("GET", f"/api/v1/files/{known['id']}/content"),
        ("DELETE", f"/api/v1/files/{known['id']}"),
    ]

    async def ready() -> None:
        assert (await client.request("GET", "/readyz", by=None)).status_code == 200

    async with away(own_server):
        started = time.monotonic()
        answers = await asyncio.gather(*(client.request(method, path) for method, path in requests))
        took = time.monotonic() - started
        readiness = await client.request("GET", "/readyz", by=None)
        liveness = await client.request("GET", "/healthz", by=None)
        objects_meanwhile = _objects(runtime)
    recovered = await answered(lambda: client.upload(b"again"))
    await answered(ready)

    assert [answer.status_code for answer in answers] == 4 * [503]
    assert {answer.headers["content-type"] for answer in answers} == {"application/problem+json"}
    assert {answer.json()["code"] for answer in answers} == {"database_unavailable"}
    assert all(int(answer.headers["retry-after"]) > 0 for answer in answers)
    assert took < REQUEST_SECONDS
    assert (readiness.status_code, readiness.json()["checks"]["database"]) == (503, "database_unavailable")
    assert liveness.status_code == 200
    assert objects_meanwhile == objects_before
    assert recovered["size_bytes"] == 5


class TestLostConnections:
    """A service that has time to do again what a lost connection broke off."""

    @pytest.fixture
    def environment(self, environment: dict[str, str]) -> dict[str, str]:
        patient = ("DATABASE_DEADLINE_SECONDS", "DATABASE_CONNECT_TIMEOUT_SECONDS", "DATABASE_COMMAND_TIMEOUT_SECONDS")
        return environment | dict.fromkeys(patient, str(PATIENCE_SECONDS))

    async def test_idempotent_work_survives_the_death_of_its_connection(self, runtime: Runtime, database: str) -> None:
        async with _locked(database, "ledger") as terminate_waiting:
            reading = asyncio.create_task(runtime.retention.status.stats(owner=None))
            terminated = await terminate_waiting()

        assert terminated == 1
        assert (await reading).used_bytes == 0

    async def test_an_upload_survives_the_death_of_every_idle_connection(
        self, runtime: Runtime, store_file: StoreFile, database: str
    ) -> None:
        await asyncio.gather(*(store_file() for _ in range(3)))
        await execute(
            database,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )

        stored = await answered(lambda: store_file(b"after"))

        assert (await runtime.files.catalog.get(stored.id, owner="alice")).size_bytes == 5


async def _refused(call: Callable[[], Awaitable[object]]) -> float:
    started = time.monotonic()
    with pytest.raises(DatabaseUnavailable):
        await call()
    return time.monotonic() - started


@asynccontextmanager
async def _locked(database: str, table: str) -> AsyncIterator[Callable[[], Awaitable[int]]]:
    """Hold a table; the value yielded terminates whoever waits for it, once somebody does."""
    connection = await asyncpg.connect(database)
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(f"LOCK TABLE {table}")

    async def terminate_waiting() -> int:
        waiting = "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        async with asyncio.timeout(40):
            while not (found := await fetch(database, waiting)):  # noqa: ASYNC110 - rows set no Event
                await asyncio.sleep(0.01)
        for row in found:
            await execute(database, f"SELECT pg_terminate_backend({row['pid']})")
        return len(found)

    try:
        yield terminate_waiting
    finally:
        await transaction.rollback()
        await connection.close()


def _objects(runtime: Runtime) -> set[str]:
    return {str(path) for path in runtime.settings.store_path.rglob("*") if path.is_file()}
