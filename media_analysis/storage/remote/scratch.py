"""Copies of objects on this machine while a process reads them: bounded, shared, and gone with their readers."""

import asyncio
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final
from uuid import uuid4

from media_analysis.errors import StoreUnavailable
from media_analysis.storage.calls import translated_errors, uncancelled
from media_analysis.storage.remote.bucket import Bucket, require_size
from media_analysis.storage.remote.clients import RemoteOptions
from media_analysis.storage.remote.reading import RemoteReader

FOLDER: Final = "media-analysis-copies"
_LOCK_NAME: Final = ".lock"


@dataclass(frozen=True, slots=True)
class BorrowedObject:
    """An object of which a copy is wanted."""

    bucket: Bucket
    key: str
    size_bytes: int


@dataclass
class _Copy:
    of: BorrowedObject
    path: Path
    fetching: asyncio.Task[None]
    readers: int = 0


class Scratch:
    """Lends copies of what lies in one bucket or more, up to a bound.

    Those who want one object at once have one copy, deleted when nobody reads it any more.
    """

    def __init__(self, options: RemoteOptions) -> None:
        self._most_bytes = options.scratch_bytes
        self._held_bytes = 0
        self._copies: dict[BorrowedObject, _Copy] = {}
        self._turn = asyncio.Lock()
        self._freed = asyncio.Event()
        self._base = folder_in(options.scratch or Path(tempfile.gettempdir()))
        self._own: OwnFolder | None = None

    async def delete_leftovers(self) -> None:
        """Delete the copies of processes that have ended without doing so."""
        await uncancelled(asyncio.ensure_future(asyncio.to_thread(delete_leftovers, self._base)))

    @asynccontextmanager
    async def lend(self, objects: Sequence[BorrowedObject]) -> AsyncIterator[Sequence[Path]]:
        """Lend paths at which all of each object is read; waits for room for all copies, and holds none meanwhile.

        Raises:
            ObjectMissing, ObjectDamaged, StoreUnavailable: one cannot be had, or together they pass all of the room.
            DiskFull: the disk is full.

        """
        total_bytes = sum(wanted.size_bytes for wanted in set(objects))
        if total_bytes > self._most_bytes:
            raise StoreUnavailable(f"local copies of {total_bytes} bytes pass the {self._most_bytes} of all copies")
        taken = self._find(objects) or await self._wait_and_take(objects)
        try:
            for copy in taken:
                await asyncio.shield(copy.fetching)  # whoever leaves does not take it from the others
            yield [copy.path for copy in taken]
        finally:
            await self._give_back(taken)

    def close(self) -> None:
        """Delete all copies, and what they lay in."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _find(self, objects: Sequence[BorrowedObject]) -> Sequence[_Copy] | None:
        """Return copies of all of them if they are there, which takes no room and no turn."""
        found = [self._copies[wanted] for wanted in objects if wanted in self._copies]
        return _with_a_reader(found) if len(found) == len(objects) else None

    async def _wait_and_take(self, objects: Sequence[BorrowedObject]) -> Sequence[_Copy]:
        """Take copies in turn: whoever wants much room would wait for ever behind those who want little."""
        async with self._turn:
            folder = await self._folder()
            while self._held_bytes + self._missing_bytes(objects) > self._most_bytes:
                self._freed.clear()
                await self._freed.wait()
            return _with_a_reader([self._copies.get(wanted) or self._begin(wanted, folder) for wanted in objects])

    def _missing_bytes(self, objects: Sequence[BorrowedObject]) -> int:
        return sum(wanted.size_bytes for wanted in set(objects) if wanted not in self._copies)

    async def _folder(self) -> Path:
        if self._own is None:
            with translated_errors():
                self._own = await uncancelled(asyncio.ensure_future(asyncio.to_thread(OwnFolder, self._base)))
        return self._own.path

    def _begin(self, wanted: BorrowedObject, folder: Path) -> _Copy:
        path = folder / uuid4().hex
        copy = _Copy(wanted, path, asyncio.create_task(self._fetch(wanted, path)))
        copy.fetching.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._copies[wanted] = copy
        self._held_bytes += wanted.size_bytes
        return copy

    async def _give_back(self, taken: Sequence[_Copy]) -> None:
        for copy in taken:
            copy.readers -= 1
        ended = [copy for copy in {copy.of: copy for copy in taken}.values() if not copy.readers]
        for copy in ended:
            copy.fetching.cancel()
            del self._copies[copy.of]
        if ended:
            await uncancelled(asyncio.ensure_future(self._delete(ended)))

    async def _delete(self, copies: Sequence[_Copy]) -> None:
        await asyncio.to_thread(_unlink_all, [copy.path for copy in copies])
        self._held_bytes -= sum(copy.of.size_bytes for copy in copies)
        self._freed.set()

    async def _fetch(self, wanted: BorrowedObject, path: Path) -> None:
        bucket, key, size_bytes = wanted.bucket, wanted.key, wanted.size_bytes
        require_size(await bucket.find(key), key, size_bytes)
        with translated_errors(), path.open("xb", buffering=0) as file:
            async with aclosing(RemoteReader(bucket, key, size_bytes).regions(0, size_bytes)) as pieces:
                async for piece in pieces:
                    await uncancelled(asyncio.ensure_future(asyncio.to_thread(_write_all, file, piece)))


def _with_a_reader(copies: Sequence[_Copy]) -> Sequence[_Copy]:
    for copy in copies:
        copy.readers += 1
    return copies


def _unlink_all(paths: Sequence[Path]) -> None:
    for path in paths:
        with suppress(OSError):  # it goes with its folder
            path.unlink(missing_ok=True)


def folder_in(scratch: Path) -> Path:
    """Return the folder of all copies below a directory, in which others may keep what they like."""
    # Decoders run in a directory of their own.
    return scratch.absolute() / f"{FOLDER}-{os.getuid()}"


class OwnFolder:
    """The folder of one process, whose lock says that it lives."""

    def __init__(self, base: Path) -> None:
        base.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_ours(base)
        self.path = base / uuid4().hex
        with _locked(base):
            self.path.mkdir(0o700)
            self._lock = _lock(self.path)

    def close(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock)


def delete_leftovers(base: Path) -> None:
    """Delete the copies of processes that have ended without doing so."""
    if not base.is_dir():
        return
    with suppress(OSError, StoreUnavailable):  # what cannot be deleted keeps nobody from working
        _require_ours(base)
        for folder, lock in _lock_abandoned(base):  # their owners are gone, and nobody waits while they go
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)


def _lock_abandoned(base: Path) -> Sequence[tuple[Path, int]]:
    found: list[tuple[Path, int]] = []
    with _locked(base):
        for folder in base.iterdir():
            with suppress(OSError):
                found.append((folder, _lock(folder)))
    return found


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / _LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def _locked(base: Path) -> Iterator[None]:
    """Keep others from looking for leftovers between a folder and its lock."""
    descriptor = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _require_ours(base: Path) -> None:
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise StoreUnavailable(f"{base} belongs to somebody else; no copies are made there")


def _write_all(file: FileIO, view: memoryview) -> None:
    while view:
        view = view[file.write(view) :]
