"""Whoever copies, and is overtaken or left behind meanwhile, neither counts nor deletes what others made."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from media_analysis.replication import claiming, healing
from media_analysis.replication.claiming import ReplicaDuty
from media_analysis.replication.copying import ReplicaCopier
from media_analysis.replication.opening import mark_new
from media_analysis.replication.suite import ReplicationServices
from media_analysis.runtime import Runtime
from media_analysis.storage import copying
from media_analysis.storage.hashing import hash_object
from tests.conftest import StoreFile, execute, fetch
from tests.replication.conftest import Settle, replication_of
from tests.replication.test_copying import LARGE, lying, unmount
from tests.replication.test_healing import first

DUE = "UPDATE replicas SET due_at = now() WHERE due_at IS NOT NULL"


async def note(services: ReplicationServices) -> None:
    while await services.noting.run():
        pass


async def test_a_copy_that_was_under_way_when_its_place_was_said_to_be_new_does_not_count_there(
    runtime: Runtime,
    store_file: StoreFile,
    settle: Settle,
    second: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    services, file = replication_of(runtime), await store_file(LARGE)
    await note(services)
    copy_large = ReplicaCopier.copy_large

    async def copy_while_the_place_changes(copier: ReplicaCopier, duty: ReplicaDuty) -> Exception | None:
        said = await copy_large(copier, duty)
        unmount(second)
        await mark_new(runtime.db, runtime.settings)
        await note(services)
        async with runtime.db.transaction() as session:
            (again,) = await claiming.claim(session, is_large=True, limit=1)
        assert again.attempt == duty.attempt == 1
        return said

    with monkeypatch.context() as patch:
        patch.setattr(ReplicaCopier, "copy_large", copy_while_the_place_changes)
        await services.replicas.run(is_large=True)

    assert lying(second) == {}
    assert [row[0] for row in await fetch(database, "SELECT copied_at FROM replicas")] == [None]
    await execute(database, DUE)
    await settle()
    assert lying(second).keys() == {file.key}


async def test_what_somebody_else_put_in_the_place_of_a_damaged_copy_meanwhile_is_not_deleted(
    runtime: Runtime, store_file: StoreFile, second: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, file, made = replication_of(runtime), await store_file(LARGE), list[int]()
    await note(services)
    await services.store.replica.require()
    (second / file.key).parent.mkdir(parents=True)
    (second / file.key).write_bytes(b"X" + LARGE[1:])

    async def hash_too_slowly(*arguments: Any, **about: Any) -> bytes:
        found = await hash_object(*arguments, **about)
        monkeypatch.setattr(copying, "hash_object", hash_object)
        await execute(database, DUE)
        await services.replicas.run(is_large=True)
        made.append((second / file.key).stat().st_mtime_ns)
        return found

    monkeypatch.setattr(copying, "hash_object", hash_too_slowly)
    await services.replicas.run(is_large=True)

    (row,) = await fetch(database, "SELECT copied_at, last_error FROM replicas")
    assert (row["copied_at"] is not None, row["last_error"]) == (True, None)
    assert [(second / file.key).stat().st_mtime_ns] == made
    assert lying(second) == {file.key: hashlib.sha256(LARGE).hexdigest()}


async def test_a_primary_that_somebody_else_mended_meanwhile_is_not_set_aside(
    runtime: Runtime, store_file: StoreFile, settle: Settle, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    services, file = replication_of(runtime), await store_file(LARGE)
    await settle()
    path = first(runtime, file)
    path.write_bytes(b"X" + LARGE[1:])
    await runtime.scrub.run()
    await services.replicas.heal_damaged()

    async def hash_too_slowly(*arguments: Any, **about: Any) -> bytes:
        found = await hash_object(*arguments, **about)
        monkeypatch.setattr(healing, "hash_object", hash_object)
        await execute(database, DUE)
        await services.replicas.run(is_large=True)
        return found

    monkeypatch.setattr(healing, "hash_object", hash_too_slowly)
    await services.replicas.run(is_large=True)

    aside = [one for one in (runtime.settings.store_path / ".quarantine").rglob("*") if one.is_file()]
    assert len(aside) == 1
    assert path.read_bytes() == LARGE
    assert await fetch(database, "SELECT FROM replicas WHERE due_at IS NOT NULL") == []


async def test_a_lease_that_ended_counts_no_more_when_the_copy_is_to_be_made_again(
    runtime: Runtime, store_file: StoreFile, settle: Settle, database: str
) -> None:
    services, file = replication_of(runtime), await store_file(b"small")
    await note(services)
    async with runtime.db.transaction() as session:
        stale = await claiming.claim(session, is_large=False, limit=1)
    await execute(database, DUE)
    await settle()
    async with runtime.db.transaction() as session:
        await claiming.copy_again(session, {file.id: "the replica: missing"})
        again = await claiming.claim(session, is_large=False, limit=1)

    async with runtime.db.transaction() as session:
        confirmed = await claiming.confirm(session, stale, address=services.store.replica.address)

    assert [duty.attempt for duty in stale] == [duty.attempt for duty in again] == [1]
    assert not confirmed
