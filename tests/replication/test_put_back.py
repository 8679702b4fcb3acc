"""What is put back under the key of a file that is gone, and is a file again, nobody deletes for the old one."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from media_analysis.cli.import_ import destination_of
from media_analysis.db.locks import SessionLock
from media_analysis.deletion.unclaimed import TREE
from media_analysis.imports.tree.service import TreeImportRequest
from media_analysis.integrity.verify import VerifyRequest, VerifyService
from media_analysis.replication import claiming
from media_analysis.replication.claiming import ReplicaDuty
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.store import DeleteOutcome
from tests.conftest import Client, execute, fetch
from tests.disks import disk_of
from tests.replication.conftest import Settle, replication_of

HEALS_AGAIN = "UPDATE replicas SET heals = true, due_at = now()"
DeleteMany = Callable[..., Awaitable[DeleteOutcome]]


async def test_what_is_put_back_and_imported_once_the_end_of_a_replica_was_taken_on_stays(
    runtime: Runtime, client: Client, settle: Settle, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, key = replication_of(runtime), await _delete_while_it_is_mended(client, settle, database)
    path = disk_of(services.store.primary).path_of(key)
    claim = claiming.claim

    async def claim_before_it_is_put_back(*arguments: Any, **about: Any) -> Sequence[ReplicaDuty]:
        duties = await claim(*arguments, **about)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"put back")
        directory, category = runtime.settings.store_path / "uploads", Category.UPLOADS
        asked = TreeImportRequest(directory=directory, category=category, owner="admin", actor="test")
        assert (await destination_of(runtime).run(asked)).files == 1
        return duties

    with monkeypatch.context() as patch:
        patch.setattr(claiming, "claim", claim_before_it_is_put_back)
        await services.replicas.run(is_large=False)

    assert path.read_bytes() == b"put back"
    assert await fetch(database, "SELECT FROM replicas WHERE heals") == []


async def test_nothing_is_imported_while_what_a_replica_was_of_is_deleted(
    runtime: Runtime, client: Client, settle: Settle, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, _ = replication_of(runtime), await _delete_while_it_is_mended(client, settle, database)
    copies = await services.store.replica.require()
    delete: DeleteMany = copies.delete_many
    free = list[bool]()

    async def delete_and_look(keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
        outcome = await delete(keys, overwrite=overwrite)
        lock = SessionLock(runtime.db, TREE)
        free.append(await lock.take(waits=False))
        await lock.close()
        return outcome

    monkeypatch.setattr(copies, "delete_many", delete_and_look)
    await services.replicas.run(is_large=False)

    assert free == [False]
    assert await fetch(database, "SELECT FROM replicas") == []


async def test_what_is_put_back_and_copied_while_replicas_of_what_was_set_aside_are_deleted_is_copied_again(
    runtime: Runtime, settle: Settle, database: str, second: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = runtime.settings.store_path / "uploads" / "stray.bin"
    path.write_bytes(b"stray")
    await settle()
    copies = await replication_of(runtime).store.replica.require()
    delete: DeleteMany = copies.delete_many

    async def delete_late(keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
        path.write_bytes(b"put back")
        asked = TreeImportRequest(directory=path.parent, category=Category.UPLOADS, owner="admin", actor="test")
        assert (await destination_of(runtime).run(asked)).files == 1
        await settle()
        assert (second / "uploads/stray.bin").exists()
        return await delete(keys, overwrite=overwrite)

    with monkeypatch.context() as patch:
        patch.setattr(copies, "delete_many", delete_late)
        request = VerifyRequest(actor="test", quarantine=True, grace=timedelta(days=-1))
        assert (await VerifyService(runtime.db, runtime.store).run(request)).quarantined == 1
    await settle()

    assert (second / "uploads/stray.bin").read_bytes() == b"put back"


async def _delete_while_it_is_mended(client: Client, settle: Settle, database: str) -> str:
    """Return the key of a file that is gone in both stores while its primary was to be mended."""
    made = await client.upload(b"bytes")
    await settle()
    (row,) = await fetch(database, "SELECT key FROM media_files")
    await execute(database, HEALS_AGAIN)
    assert (await client.request("DELETE", f"/api/v1/files/{made['id']}")).status_code == 204
    return str(row["key"])
