"""Local copies: bounded, shared, and gone with whoever reads them."""

import asyncio
import fcntl
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from media_analysis.errors import ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.paired import PairedBuckets
from media_analysis.storage.remote.scratch import folder_in
from media_analysis.storage.remote.store import RemoteStore
from tests.s3 import new_store
from tests.storage.conftest import put
from tests.storage.remote.proxy import SpoilingProxy

pytestmark = pytest.mark.s3
KEY, OTHER = "uploads/2026-01-01/a.bin", "uploads/2026-01-01/b.bin"
COPYING = """
import sys, time
from pathlib import Path
from media_analysis.storage.remote.scratch import OwnFolder

folder = OwnFolder(Path(sys.argv[1]))
(folder.path / "copy").write_bytes(b"copy")
print(flush=True)
time.sleep(60)
"""
CONTENT = os.urandom(1_000_000)


def files_below(scratch: Path) -> list[Path]:
    return [path for path in scratch.rglob("*") if path.is_file() and path.name != ".lock"]


async def test_those_who_want_one_object_share_one_copy(
    spoiled: RemoteStore, proxy: SpoilingProxy, tmp_path: Path
) -> None:
    await put(spoiled, KEY, CONTENT)
    proxy.seen.clear()

    async with (
        spoiled.local_copies([(KEY, len(CONTENT))]) as (first,),
        spoiled.local_copies([(KEY, len(CONTENT)), (KEY, len(CONTENT))]) as others,
    ):
        assert others == [first, first]
        assert files_below(tmp_path / "scratch") == [first]
        assert first.read_bytes() == CONTENT

    assert files_below(tmp_path / "scratch") == []
    assert sum(line.startswith(b"GET") for line in proxy.seen) == 1


async def test_a_copy_waits_until_there_is_room(bucket: RemoteAddress, tmp_path: Path) -> None:
    async with new_store(bucket, scratch=tmp_path, scratch_bytes=1_500_000) as store:
        for key in (KEY, OTHER):
            await put(store, key, CONTENT)

        async with store.local_copies([(KEY, len(CONTENT))]):
            waiting = asyncio.create_task(_copied(store, OTHER))
            async with store.local_copies([(KEY, len(CONTENT))]):  # what is there needs no more room
                done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
            assert len(files_below(tmp_path)) == 1

        assert await waiting == CONTENT
        with pytest.raises(StoreUnavailable, match="pass the 1500000 of all copies"):
            await _copied(store, KEY, size_bytes=1_500_001)


async def _copied(store: RemoteStore, key: str, *, size_bytes: int = len(CONTENT)) -> bytes:
    async with store.local_copies([(key, size_bytes)]) as (path,):
        return path.read_bytes()


async def test_copies_that_pass_the_room_together_are_refused_and_those_of_two_wait_for_nobody_who_waits(
    bucket: RemoteAddress, tmp_path: Path
) -> None:
    async with new_store(bucket, scratch=tmp_path, scratch_bytes=2_500_000) as store:
        keys = [f"temp/x/{number}.bin" for number in range(4)]
        for key in keys:
            await put(store, key, CONTENT)

        async def borrow(some: Sequence[str]) -> int:
            async with store.local_copies([(key, len(CONTENT)) for key in some]) as paths:
                return sum(path.stat().st_size for path in paths)

        with pytest.raises(StoreUnavailable, match="3000000 bytes pass the 2500000"):
            await borrow(keys[:3])
        async with asyncio.timeout(60):
            borrowed = await asyncio.gather(borrow(keys[:2]), borrow(keys[2:]), borrow(keys[1:3]))

        assert list(borrowed) == [2 * len(CONTENT)] * 3
        assert files_below(tmp_path) == []


async def test_who_wants_much_room_has_it_before_who_came_later(bucket: RemoteAddress, tmp_path: Path) -> None:
    async with new_store(bucket, scratch=tmp_path, scratch_bytes=2_500_000) as store:
        keys = [f"temp/x/{number}.bin" for number in range(4)]
        for key in keys:
            await put(store, key, CONTENT)
        lent = list[int]()

        async def borrow(some: Sequence[str]) -> None:
            async with store.local_copies([(key, len(CONTENT)) for key in some]):
                lent.append(len(some))

        async with store.local_copies([(keys[0], len(CONTENT))]):
            large = asyncio.create_task(borrow(keys[1:3]))
            small = asyncio.create_task(borrow(keys[3:]))
            await asyncio.wait([large, small], timeout=0.3)
            assert lent == []  # for whoever wants little there is room
        await asyncio.gather(large, small)

        assert lent == [2, 1]


async def test_two_buckets_of_one_store_share_the_room_and_are_borrowed_of_at_once(
    bucket: RemoteAddress, tmp_path: Path
) -> None:
    archive = "archives/2026/01/a.tar"
    async with new_store(bucket, scratch=tmp_path, scratch_bytes=2_500_000) as main:
        archives = RemoteStore(main.bucket, main.instance_id, scratch=main.scratch)
        pair = PairedBuckets(main, archives)
        for key in (KEY, OTHER, archive):
            await put(main, key, CONTENT)

        async with pair.local_copies([(key, len(CONTENT)) for key in (KEY, archive)]) as paths:
            assert [path.read_bytes() for path in paths] == [CONTENT] * 2
            waiting = asyncio.create_task(_copied(main, OTHER))
            done, _ = await asyncio.wait([waiting], timeout=0.3)
            assert not done
        assert await waiting == CONTENT
        with pytest.raises(StoreUnavailable, match="3000000 bytes pass the 2500000"):
            async with pair.local_copies([(key, len(CONTENT)) for key in (KEY, OTHER, archive)]):
                pass


async def test_nobody_else_waits_for_a_process_that_looks_for_leftovers(bucket: RemoteAddress, tmp_path: Path) -> None:
    async with new_store(bucket, scratch=tmp_path) as store:
        await put(store, KEY, CONTENT)
        folder_in(tmp_path).mkdir()
        looking = os.open(folder_in(tmp_path), os.O_RDONLY)
        fcntl.flock(looking, fcntl.LOCK_EX)
        ending = threading.Timer(40, os.close, [looking])  # had the loop stood still, it would end for this
        ending.start()

        waiting = asyncio.create_task(_copied(store, KEY))
        await asyncio.wait([waiting], timeout=0.3)

        assert ending.is_alive()
        ending.cancel()
        os.close(looking)
        assert await waiting == CONTENT


async def test_a_copy_in_a_relative_directory_is_found_from_any_other(
    bucket: RemoteAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with new_store(bucket, scratch=Path("scratch")) as store:
        await put(store, KEY, CONTENT)
        async with store.local_copies([(KEY, len(CONTENT))]) as (copy,):
            monkeypatch.chdir("/")
            assert copy.read_bytes() == CONTENT


async def test_what_cannot_be_copied_takes_no_room(bucket: RemoteAddress, tmp_path: Path) -> None:
    async with new_store(bucket, scratch=tmp_path, scratch_bytes=1_500_000) as store:
        await put(store, KEY, CONTENT)

        with pytest.raises(ObjectMissing):
            await _copied(store, OTHER)
        with pytest.raises(ObjectDamaged):
            await _copied(store, KEY, size_bytes=len(CONTENT) + 1)

        assert await _copied(store, KEY) == CONTENT
        assert files_below(tmp_path) == []


async def test_whoever_leaves_takes_the_copy_from_nobody(remote: RemoteStore) -> None:
    await put(remote, KEY, CONTENT)
    leaving = asyncio.create_task(_copied(remote, KEY))
    staying = asyncio.create_task(_copied(remote, KEY))
    await asyncio.sleep(0)

    leaving.cancel()

    assert await staying == CONTENT
    with pytest.raises(asyncio.CancelledError):
        await leaving


async def test_what_a_killed_process_leaves_is_deleted_at_the_next_opening_and_what_lives_stays(
    bucket: RemoteAddress, remote: RemoteStore, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    await put(remote, KEY, CONTENT)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", COPYING, str(folder_in(scratch)), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()
    async with new_store(bucket, scratch=scratch):
        assert [path.name for path in files_below(scratch)] == ["copy"]
    process.kill()
    await process.wait()

    async with remote.local_copies([(KEY, len(CONTENT))]) as (path,), new_store(bucket, scratch=scratch):
        assert files_below(scratch) == [path]


async def test_a_folder_of_somebody_else_holds_no_copies(bucket: RemoteAddress, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    folder_in(scratch).mkdir(parents=True)
    os.chown(folder_in(scratch), 12_345, -1)
    async with new_store(bucket, scratch=scratch) as store:
        await put(store, KEY, CONTENT)

        with pytest.raises(StoreUnavailable, match="belongs to somebody else"):
            await _copied(store, KEY)


async def test_what_others_keep_where_copies_lie_is_never_deleted(bucket: RemoteAddress, tmp_path: Path) -> None:
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "one.jpg").write_bytes(b"the only one")

    async with new_store(bucket, scratch=tmp_path) as store:
        await put(store, KEY, CONTENT)
        assert await _copied(store, KEY) == CONTENT

    assert (tmp_path / "photographs" / "one.jpg").read_bytes() == b"the only one"
    assert not (tmp_path / "photographs" / ".lock").exists()
