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
from media_analysis.storage.remote.reading import RemoteReader

FOLDER: Final = "media-analysis-copies"
_LOCK_NAME: Final = ".lock"


@dataclass
class _Copy:
    path: Path
    fetching: asyncio.Task[None]
    readers: int = 0


class Scratch:
    """Lends copies; those who want one object at once have one copy, deleted when nobody reads it any more."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket
        self._most_bytes = bucket.options.scratch_bytes
        self._held_bytes = 0
        self._copies: dict[tuple[str, int], _Copy] = {}
        self._freed = asyncio.Event()
        self._base = folder_in(bucket.options.scratch or Path(tempfile.gettempdir()))
        self._own: OwnFolder | None = None
        delete_leftovers(self._base)

    @asynccontextmanager
    async def lend(self, objects: Sequence[tuple[str, int]]) -> AsyncIterator[Sequence[Path]]:
        """Lend paths at which all of each object is read; waits for room for all copies, and holds none meanwhile.

        Raises:
            ObjectMissing, ObjectDamaged, StoreUnavailable: one cannot be had, or together they pass all of the room.
            DiskFull: the disk is full.

        """
        total_bytes = sum(size_bytes for _, size_bytes in set(objects))
        if total_bytes > self._most_bytes:
            raise StoreUnavailable(f"local copies of {total_bytes} bytes pass the {self._most_bytes} of all copies")
        while self._held_bytes + self._missing_bytes(objects) > self._most_bytes:
            self._freed.clear()
            await self._freed.wait()
        taken: list[tuple[tuple[str, int], _Copy]] = []
        try:
            for wanted in objects:
                copy = self._copies.get(wanted) or self._begin(*wanted)
                copy.readers += 1
                taken.append((wanted, copy))
            for _, copy in taken:
                await asyncio.shield(copy.fetching)  # whoever leaves does not take it from the others
            yield [copy.path for _, copy in taken]
        finally:
            for wanted, copy in taken:
                copy.readers -= 1
                if not copy.readers:
                    self._end(wanted, copy)

    def _missing_bytes(self, objects: Sequence[tuple[str, int]]) -> int:
        return sum(wanted[1] for wanted in set(objects) if wanted not in self._copies)

    def close(self) -> None:
        """Delete all copies, and what they lay in."""
        if self._own is not None:
            self._own.close()
            self._own = None

    def _begin(self, key: str, size_bytes: int) -> _Copy:
        if self._own is None:
            with translated_errors():
                self._own = OwnFolder(self._base)
        path = self._own.path / uuid4().hex
        copy = _Copy(path, asyncio.create_task(self._fetch(key, path, size_bytes)))
        copy.fetching.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._copies[key, size_bytes] = copy
        self._held_bytes += size_bytes
        return copy

    def _end(self, wanted: tuple[str, int], copy: _Copy) -> None:
        copy.fetching.cancel()
        del self._copies[wanted]
        self._held_bytes -= wanted[1]
        copy.path.unlink(missing_ok=True)
        self._freed.set()

    async def _fetch(self, key: str, path: Path, size_bytes: int) -> None:
        require_size(await self._bucket.find(key), key, size_bytes)
        with translated_errors(), path.open("xb", buffering=0) as file:
            async with aclosing(RemoteReader(self._bucket, key, size_bytes).regions(0, size_bytes)) as pieces:
                async for piece in pieces:
                    await uncancelled(asyncio.ensure_future(asyncio.to_thread(_write_all, file, piece)))


def folder_in(scratch: Path) -> Path:
    """Return the folder of all copies below a directory, in which others may keep what they like."""
    return scratch / f"{FOLDER}-{os.getuid()}"


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
        with _locked(base):
            for folder in base.iterdir():
                with suppress(OSError):
                    os.close(_lock(folder))
                    shutil.rmtree(folder, ignore_errors=True)


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
