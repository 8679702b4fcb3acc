"""Replicas: of everything that is chosen, by every road, and of nothing that is gone."""

import asyncio
import hashlib
from contextlib import suppress
from pathlib import Path

import pytest

from media_analysis.errors import DatabaseUnavailable, MarkerMismatch, StoreUnavailable
from media_analysis.replication.copying import ReplicaCopier
from media_analysis.replication.loop import running_replication, work
from media_analysis.replication.service import ReplicaService
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.copying import CopySource, ObjectCopier
from media_analysis.storage.store import ObjectReader, ObjectWriter
from tests.conftest import Client, StoreFile, execute, fetch
from tests.files.conftest import eventually
from tests.plans import as_new
from tests.replication.conftest import Settle, replication_of

LARGE = bytes(range(256)) * 8192 + b"end"
"""More than what is copied together with others."""


def lying(root: Path) -> dict[str, str]:
    """Return what each object below a root hashes to, by its key."""
    paths = [path for path in root.rglob("*") if path.is_file() and path.name[0] != "."]
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in paths
        if path.name != "README.txt" and not path.relative_to(root).parts[0].startswith(".")
    }


def unmount(root: Path) -> None:
    """Leave an empty directory where a volume was."""
    root.rename(root.with_name("unmounted"))
    root.mkdir()


def mount(root: Path) -> None:
    root.rmdir()
    root.with_name("unmounted").rename(root)


async def test_what_is_stored_is_copied_under_the_same_key_whatever_its_size(
    runtime: Runtime, store_file: StoreFile, settle: Settle, second: Path
) -> None:
    stored = [await store_file(content) for content in (b"small", b"", LARGE)]
    stored.append(await store_file(b"a frame", category=Category.OUTPUTS))
    await store_file(b"nobody would miss it", category=Category.TEMP)

    await settle()

    assert lying(second) == {file.key: file.sha256.hex() for file in stored if file.sha256}
    status = await replication_of(runtime).status.read()
    assert status is not None
    assert (status.copied_files, status.copied_bytes, status.lag.files) == (
        4,
        sum(f.size_bytes or 0 for f in stored),
        0,
    )


async def test_what_is_deleted_is_deleted_in_both_before_that_is_confirmed(
    runtime: Runtime, client: Client, settle: Settle, second: Path, database: str
) -> None:
    made = await client.upload(b"to go")
    await settle()
    assert len(lying(second)) == 1

    assert (await client.request("DELETE", f"/api/v1/files/{made['id']}")).status_code == 204

    assert lying(second) == {}
    assert (await fetch(database, "SELECT confirmed_at IS NOT NULL FROM purges"))[0][0]
    await settle()
    assert await fetch(database, "SELECT * FROM replicas") == []


async def test_deletions_wait_for_a_replica_that_is_away_and_are_done_when_it_is_back(
    runtime: Runtime, client: Client, settle: Settle, second: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("media_analysis.storage.replicated.LONGEST_AWAY_SECONDS", 0.0)
    monkeypatch.setattr("media_analysis.storage.replicated.RECENT_SECONDS", 0.0)
    made = await client.upload(b"to go")
    await settle()
    unmount(second)

    assert (await client.request("DELETE", f"/api/v1/files/{made['id']}")).status_code == 204
    kept = await client.upload(b"comes in while it is away")
    assert (await client.request("GET", f"/api/v1/files/{kept['id']}/content")).content == b"comes in while it is away"

    (purge,) = await fetch(database, "SELECT last_error, confirmed_at FROM purges WHERE due_at IS NOT NULL")
    assert "its replica stays: its marker is missing" in purge["last_error"]
    assert lying(second) == {}
    assert any("replica" in said for said in await runtime.store.warnings())
    mount(second)
    await execute(database, "UPDATE purges SET due_at = now() WHERE due_at IS NOT NULL")
    await runtime.deletion.deleter.finish_entries()
    await settle()
    assert await fetch(database, "SELECT * FROM purges WHERE due_at IS NOT NULL") == []
    assert set(lying(second)) == {(await fetch(database, "SELECT key FROM media_files"))[0][0]}


async def test_a_file_that_goes_while_it_is_copied_leaves_no_copy(
    runtime: Runtime, client: Client, settle: Settle, second: Path, database: str
) -> None:
    services = replication_of(runtime)
    made = await client.upload(b"to go")
    await settle()
    await execute(database, "UPDATE replicas SET copied_at = NULL, due_at = now()")
    (key,) = (row["key"] for row in await fetch(database, "SELECT key FROM media_files"))
    assert (await client.request("DELETE", f"/api/v1/files/{made['id']}")).status_code == 204
    (second / key).parent.mkdir(parents=True, exist_ok=True)
    (second / key).write_bytes(b"to go")  # by a process that was killed before it could see that

    await services.replicas.run(is_large=False)

    assert lying(second) == {}
    assert await fetch(database, "SELECT * FROM replicas") == []


async def test_what_was_there_before_is_copied_when_a_place_is_named(
    runtime: Runtime, store_file: StoreFile, settle: Settle, second: Path, database: str
) -> None:
    stored = [await store_file(b"first"), await store_file(b"second")]
    await settle()
    services = replication_of(runtime)

    await services.places.take("file:///elsewhere", services.categories)
    await services.places.take(services.store.replica.address, services.categories)
    assert await fetch(database, "SELECT * FROM replicas") == []
    (second / stored[0].key).write_bytes(b"1irst")
    await settle()

    assert lying(second) == {file.key: file.sha256.hex() for file in stored if file.sha256}
    assert len(await fetch(database, "SELECT * FROM replicas WHERE copied_at IS NOT NULL")) == 2


async def test_the_loop_does_it_by_itself_whatever_the_size(
    runtime: Runtime, store_file: StoreFile, second: Path
) -> None:
    stored = [await store_file(b"small"), await store_file(LARGE)]

    async def is_copied() -> bool:
        return set(lying(second)) == {file.key for file in stored}

    async with running_replication(replication_of(runtime), look_seconds=0.02):
        await eventually(is_copied)


async def test_what_a_process_that_stops_was_copying_waits_for_no_lease(
    runtime: Runtime, store_file: StoreFile, settle: Settle, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, file, begun = replication_of(runtime), await store_file(LARGE), asyncio.Event()
    await settle()
    await execute(database, "UPDATE replicas SET copied_at = NULL, due_at = now()")

    async def never(*_: object) -> None:
        begun.set()
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr(ReplicaCopier, "copy_large", never)
        async with running_replication(services, look_seconds=0.02):
            await begun.wait()

    assert (await fetch(database, "SELECT due_at <= now() FROM replicas WHERE file_id = $1", file.id))[0][0]
    await settle()


async def test_whoever_was_overtaken_while_it_copied_deletes_nothing_of_who_came_after(
    runtime: Runtime,
    store_file: StoreFile,
    settle: Settle,
    second: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services, file = replication_of(runtime), await store_file(LARGE)
    pour = ObjectCopier._pour  # noqa: SLF001 - in the midst of it another one takes over
    await settle()
    (second / file.key).unlink()
    await execute(database, "UPDATE replicas SET copied_at = NULL, due_at = now()")

    async def overtaken(copier: ObjectCopier, wanted: CopySource, reader: ObjectReader, writer: ObjectWriter) -> bytes:
        monkeypatch.setattr(ObjectCopier, "_pour", pour)
        await execute(database, "UPDATE replicas SET due_at = now()")  # its lease ended
        await services.replicas.run(is_large=True)
        await pour(copier, wanted, reader, writer)
        raise StoreUnavailable("what this one reads broke off")

    monkeypatch.setattr(ObjectCopier, "_pour", overtaken)
    await services.replicas.run(is_large=True)

    assert await fetch(database, "SELECT FROM replicas WHERE copied_at IS NOT NULL")
    assert set(lying(second)) == {file.key}


async def test_a_process_that_cannot_renew_its_lease_ends_what_it_copies(
    runtime: Runtime, store_file: StoreFile, settle: Settle, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = replication_of(runtime)
    await store_file(LARGE)
    await settle()
    await execute(database, "UPDATE replicas SET copied_at = NULL, due_at = now()")

    async def away(*_: object) -> None:
        raise DatabaseUnavailable("cut off")

    async def never(*_: object) -> None:
        await asyncio.Event().wait()

    with monkeypatch.context() as patch:
        patch.setattr("media_analysis.replication.service.LEASE_SECONDS", 0.3)
        patch.setattr(ReplicaService, "_renew", away)
        patch.setattr(ReplicaCopier, "copy_large", never)
        with pytest.raises(DatabaseUnavailable, match="lease"):
            await services.replicas.run(is_large=True)

    await execute(database, "UPDATE replicas SET due_at = now()")
    await settle()


async def test_the_claim_reads_the_index_of_what_is_due(database: str) -> None:
    await execute(
        database,
        "INSERT INTO replicas (file_id, key, size_bytes, noted_at, copied_at)"
        " SELECT gen_random_uuid(), n::text, 1, now(), now() FROM generate_series(1, 20000) AS n",
        as_new("replicas"),
    )
    query = "SELECT file_id FROM replicas WHERE due_at <= now() AND size_bytes <= 9 ORDER BY due_at LIMIT 32"

    plan = "\n".join(row[0] for row in await fetch(database, f"EXPLAIN {query}"))

    assert "ix_replicas_due" in plan
    assert "Seq Scan" not in plan


async def test_nothing_is_called_damaged_while_the_primary_store_is_not_mounted(
    runtime: Runtime, client: Client, settle: Settle, database: str
) -> None:
    await client.upload(b"small")
    await client.upload(bytes(2 * 2**20))
    unmount(runtime.settings.store_path)
    services = replication_of(runtime)
    for _ in range(2):
        with suppress(MarkerMismatch):
            await work(services)

    assert await fetch(database, "SELECT last_error FROM media_files WHERE last_error IS NOT NULL") == []
    mount(runtime.settings.store_path)
    await execute(database, "UPDATE replicas SET due_at = now() WHERE due_at IS NOT NULL")
    await settle()
