"""What operators are told of replicas."""

import asyncio
from datetime import timedelta

import pytest

from media_analysis.errors import StoreUnavailable
from media_analysis.runtime import Runtime
from media_analysis.storage.replicated import ReplicaStore
from media_analysis.storage.store import ObjectStore
from tests.conftest import Client, StoreFile, execute
from tests.replication.conftest import Settle, replication_of


async def figures(client: Client) -> dict[str, float]:
    answer = await client.request("GET", "/metrics", by=None)
    lines = (line.split() for line in answer.text.splitlines() if line.startswith("replica_"))
    return {name: float(value) for name, value in lines}


async def test_what_waits_for_its_copy_is_measured_and_alerted(
    runtime: Runtime, client: Client, store_file: StoreFile, settle: Settle, database: str
) -> None:
    await store_file(b"copied")
    await settle()
    quiet, silent = await figures(client), await runtime.alerts.check()
    file = await store_file(b"waits")
    await replication_of(runtime).noting.run()
    await execute(
        database,
        "INSERT INTO replicas (file_id, key, size_bytes, noted_at, due_at)"
        f" VALUES ('{file.id}', '{file.key}', 5, now() - interval '16 minutes', now())"
        " ON CONFLICT (file_id) DO UPDATE SET noted_at = excluded.noted_at",
    )

    late, firing = await figures(client), await runtime.alerts.check()

    assert set(quiet.values()) == {0.0}
    assert "alert:replica_late:replica" not in silent
    assert (late["replica_pending_files"], late["replica_pending_bytes"], late["replica_away"]) == (1, 5, 0)
    assert late["replica_lag_seconds"] >= timedelta(minutes=16).total_seconds()
    assert "alert:replica_late:replica" in firing
    await settle()


async def test_a_place_that_hangs_while_it_is_opened_is_not_opened_again_beside_that(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each would keep a thread for good, of those that everybody needs."""
    monkeypatch.setattr("media_analysis.storage.replicated.PROBE_SECONDS", 0.01)
    monkeypatch.setattr("media_analysis.storage.replicated.LONGEST_AWAY_SECONDS", 0.0)
    opened = 0

    async def hang() -> ObjectStore:
        nonlocal opened
        opened += 1
        await asyncio.Event().wait()
        raise AssertionError

    copy = ReplicaStore("file:///hangs", hang)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match="nothing is heard of it"):
            await copy.require()
    copy.close()

    assert opened == 1
