"""What `verify` sets aside of a store with a replica."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.runtime import Runtime
from media_analysis.storage.replicated import ReplicatedStore
from media_analysis.storage.store import DeleteOutcome
from tests.conftest import fetch
from tests.replication.conftest import Settle
from tests.storage.conftest import put

DeleteMany = Callable[..., Awaitable[DeleteOutcome]]
WAITED_FOR = """
    SELECT (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in %')
        + (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'
            AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


async def test_no_transaction_is_open_and_no_import_waits_while_replicas_of_what_is_set_aside_are_deleted(
    runtime: Runtime, second: Path, settle: Settle, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Law 2: they may lie in a bucket."""
    await settle()
    await put(runtime.store, "clips/stray.bin", b"stray")
    (second / "clips").mkdir(exist_ok=True)
    (second / "clips/stray.bin").write_bytes(b"stray")
    assert isinstance(runtime.store, ReplicatedStore)
    copies = await runtime.store.replica.require()
    delete: DeleteMany = copies.delete_many
    waiting = list[int]()

    async def look_and_delete(keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
        waiting.append((await fetch(database, WAITED_FOR))[0][0])
        return await delete(keys, overwrite=overwrite)

    monkeypatch.setattr(copies, "delete_many", look_and_delete)
    request = VerifyRequest(actor="test", quarantine=True, grace=timedelta(days=-1))
    report = await VerifyService(runtime.db, runtime.store).run(request)

    assert (waiting, report.quarantined, (second / "clips/stray.bin").exists()) == ([0], 1, False)
