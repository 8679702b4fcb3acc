"""Services whose store has a replica on another directory, or in a bucket."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from media_analysis.replication.loop import work
from media_analysis.replication.suite import ReplicationServices
from media_analysis.runtime import Runtime
from tests.conftest import fetch
from tests.files.conftest import eventually

Settle = Callable[[], Awaitable[None]]


@pytest.fixture
def second(tmp_path: Path) -> Path:
    """Where replicas lie."""
    return tmp_path / "second"


@pytest.fixture
def environment(environment: dict[str, str], second: Path) -> dict[str, str]:
    return environment | {"STORAGE_REPLICA_URL": second.as_uri()}


def replication_of(runtime: Runtime) -> ReplicationServices:
    services = runtime.replication
    assert services is not None
    return services


async def settled(runtime: Runtime, database: str, *, lost: int = 0) -> None:
    """Work until all that was stored is noted and nothing is due, but what is nowhere.

    Transactions of other tests hold the log back.
    """
    services = replication_of(runtime)

    async def is_settled() -> bool:
        while await work(services):
            pass
        lag = await services.status.lag()
        (place,) = await fetch(database, "SELECT walk_ended_at FROM replica_places")
        (due,) = await fetch(database, "SELECT count(*) FROM replicas WHERE due_at <= now()")
        unread = lag.files == lost == 0 and lag.oldest_at is not None
        return lag.files == lost and not unread and place[0] is not None and due[0] == 0

    await eventually(is_settled)


@pytest.fixture
def settle(runtime: Runtime, database: str) -> Settle:
    """Has everything copied that is to be."""

    async def settle() -> None:
        await settled(runtime, database)

    return settle
