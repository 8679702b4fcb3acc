"""While deletion is paused no stored byte is removed by any road; once it goes on, the bytes go (promise 36)."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import BREAKER_CAUSES, SETTLE_LOOK_SECONDS, PauseFinding, add_pause
from media_analysis.deletion.selection import Amount
from media_analysis.errors import FileArchived, FileGone, QuotaReached
from media_analysis.files.models import MediaFile
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.storage.store import DeleteOutcome
from tests.archive.archived import archive, make_run
from tests.asking import delete_file
from tests.conftest import Client, StoreFile, execute
from tests.disks import disk_of
from tests.files.conftest import objects, registration
from tests.retention.conftest import Plant, let_purges_lapse, open_purges, request, sweep
from tests.worker.workers import until

Road = Callable[[Runtime, StoreFile], Awaitable[Callable[[], Awaitable[object]]]]


async def _by_request(runtime: Runtime, store_file: StoreFile) -> Callable[[], Awaitable[object]]:
    stored = await store_file(b"asked for")
    return lambda: delete_file(runtime, stored.id, owner="alice", actor="alice", hard=True)


async def _overwritten(runtime: Runtime, store_file: StoreFile) -> Callable[[], Awaitable[object]]:
    stored = await store_file(b"a secret")
    return lambda: delete_file(runtime, stored.id, owner="alice", actor="alice", secure=True)


async def _from_the_trash(runtime: Runtime, store_file: StoreFile) -> Callable[[], Awaitable[object]]:
    stored = await store_file(b"trash")
    await delete_file(runtime, stored.id, owner="alice", actor="alice", soft=True)
    return lambda: delete_file(runtime, stored.id, owner="alice", actor="alice", hard=True)


async def _pending(runtime: Runtime) -> Callable[[], Awaitable[object]]:
    asked = registration()
    await runtime.upload_transactions.register(asked)
    writer = await runtime.upload_transactions.create(asked)
    await writer.write(b"given up")
    await writer.sync()
    writer.close()
    return lambda: runtime.deletion.deleter.discard_uploads([asked.id])


async def _given_up(runtime: Runtime, _store_file: StoreFile) -> Callable[[], Awaitable[object]]:
    return await _pending(runtime)


async def _lapsed(runtime: Runtime, _store_file: StoreFile) -> Callable[[], Awaitable[object]]:
    await _pending(runtime)
    return lambda: runtime.retention.sweeps.run(request(only_pending=True))


async def _archived(runtime: Runtime, _store_file: StoreFile) -> Callable[[], Awaitable[object]]:
    made = await make_run(runtime, {"a.txt": b"a"})
    return lambda: archive(runtime, made.id)


ROADS: Sequence[Road] = (_by_request, _overwritten, _from_the_trash, _given_up, _lapsed, _archived)


@pytest.mark.parametrize("cause", [PauseCause.OPERATOR, PauseCause.CLOCK, PauseCause.SHARE])
@pytest.mark.parametrize("road", ROADS)
async def test_no_road_removes_a_byte_while_deletion_is_paused(
    runtime: Runtime, store_file: StoreFile, database: str, road: Road, cause: PauseCause
) -> None:
    go = await road(runtime, store_file)
    before = {key: (disk_of(runtime.store).root / key).read_bytes() for key in objects(disk_of(runtime.store).root)}
    async with runtime.db.transaction() as session:
        for category in Category if cause in BREAKER_CAUSES else (None,):
            await add_pause(session, category, PauseFinding(cause=cause, reason="stop"), by="test")

    await go()
    await execute(database, "UPDATE media_files SET due_at = now(), leased_until = now() WHERE state = 'pending'")
    await runtime.retention.sweeps.run(request(only_pending=True))
    kept = {
        key: (disk_of(runtime.store).root / key).read_bytes()
        for key in before
        if (disk_of(runtime.store).root / key).exists()
    }
    attempts = [purge["attempts"] for purge in await open_purges(database)]
    await runtime.deletion.pauses.resume_all(confirm=0, by="admin")
    await let_purges_lapse(database)
    await runtime.retention.sweeps.run(request(only_pending=True))

    assert kept == before
    assert set(attempts) <= {0}, "being put off is no attempt"
    assert await open_purges(database) == []


async def test_what_is_deleted_while_paused_is_gone_for_whoever_reads(
    client: Client, runtime: Runtime, store_file: StoreFile
) -> None:
    await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")
    plain, secret = await client.upload(b"plain"), await store_file(b"secret", owner="alice")

    deleted = await client.request("DELETE", f"/api/v1/files/{plain['id']}")
    removed = await delete_file(runtime, secret.id, owner="alice", actor="admin", secure=True)
    read = await client.request("GET", f"/api/v1/files/{plain['id']}/content")

    assert (deleted.status_code, read.status_code) == (204, 410)
    assert removed.remaining == Amount(1, 6)
    with pytest.raises(FileGone):
        await runtime.files.catalog.open(secret.id, owner="alice")


async def test_a_run_archived_while_paused_keeps_its_originals(runtime: Runtime) -> None:
    made = await make_run(runtime, {"a.txt": b"a"})
    stored = made.files["a.txt"]
    await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")

    task = await archive(runtime, made.id)

    assert task.status.value == "completed"
    assert disk_of(runtime.store).path_of(stored.key).read_bytes() == b"a"
    with pytest.raises(FileArchived):
        await runtime.files.catalog.open(stored.id, owner="alice")


async def test_a_pause_of_one_category_leaves_the_others_alone(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(2)
    clips = await plant(2, category=Category.CLIPS)
    await runtime.deletion.pauses.pause(category=Category.CLIPS, reason="stop", by="admin")
    for file_id in clips:
        await delete_file(runtime, file_id, owner="alice", actor="alice", hard=True)

    await sweep(runtime)

    assert [key.split("/")[0] for key in objects(disk_of(runtime.store).root)] == ["clips", "clips"]


@dataclass
class HeldUp:
    """A store in which unlinking has begun and does not end until it is released."""

    runtime: Runtime
    monkeypatch: pytest.MonkeyPatch
    reached: asyncio.Event = field(default_factory=asyncio.Event)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def begin(self) -> None:
        delete_many = self.runtime.store.delete_many

        async def held_up(keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
            self.reached.set()
            await self.released.wait()
            return await delete_many(keys, overwrite=overwrite)

        self.monkeypatch.setattr(self.runtime.store, "delete_many", held_up)


async def _at_first(runtime: Runtime, held_up: HeldUp, stored: MediaFile, _database: str) -> Awaitable[object]:
    held_up.begin()
    return delete_file(runtime, stored.id, owner="alice", actor="alice", hard=True)


async def _after_a_failure(runtime: Runtime, held_up: HeldUp, stored: MediaFile, database: str) -> Awaitable[object]:
    path = disk_of(runtime.store).root / stored.key
    path.unlink()
    path.mkdir()
    await delete_file(runtime, stored.id, owner="alice", actor="alice", hard=True)
    path.rmdir()
    path.write_bytes(b"going")
    await let_purges_lapse(database)
    held_up.begin()
    return sweep(runtime)


@pytest.mark.parametrize("going", [_at_first, _after_a_failure])
async def test_a_pause_returns_once_what_was_under_way_is_over(
    runtime: Runtime,
    store_file: StoreFile,
    monkeypatch: pytest.MonkeyPatch,
    database: str,
    going: Callable[[Runtime, HeldUp, MediaFile, str], Awaitable[Awaitable[object]]],
) -> None:
    held_up = HeldUp(runtime, monkeypatch)
    deleting = asyncio.ensure_future(await going(runtime, held_up, await store_file(b"going"), database))
    await held_up.reached.wait()
    waiting = replace(runtime.deletion.pauses, settle_seconds=60)
    pausing = asyncio.create_task(waiting.pause(category=None, reason="backup", by="admin"))

    async def stands() -> bool:
        return bool(await runtime.deletion.pauses.list(is_open=True))

    await until(stands)
    waited = not (await asyncio.wait([pausing], timeout=3 * SETTLE_LOOK_SECONDS))[0]
    held_up.released.set()
    await asyncio.gather(deleting, pausing)

    assert waited
    assert objects(disk_of(runtime.store).root) == []


async def test_a_distrusted_clock_names_what_it_would_let_go(runtime: Runtime, plant: Plant, database: str) -> None:
    await plant(3)
    await plant(2, ends_in=timedelta(hours=2))
    await execute(database, "UPDATE instance SET clock_seen_at = now() - interval '15 days'")

    await sweep(runtime)
    (pause,) = await runtime.deletion.pauses.list(is_open=True)

    assert (pause.cause, pause.files) == (PauseCause.CLOCK, 3)
    assert "3 files" in pause.reason


async def test_an_upload_without_room_is_told_of_the_pause(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    await store_file(b"x" * 90, category=Category.CLIPS)
    await execute(database, "UPDATE category_policies SET quota_bytes = 100 WHERE category = 'clips'")
    await runtime.deletion.pauses.pause(category=None, reason="backup", by="admin")

    with pytest.raises(QuotaReached, match="while deletion is paused: backup") as reached:
        await store_file(b"y" * 20, category=Category.CLIPS)

    assert reached.value.paused == "backup"
    assert len(objects(disk_of(runtime.store).root)) == 2, "also the bytes of the upload that was given up wait"
