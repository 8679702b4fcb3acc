"""The store on a local disk: names created once, bytes and directories made durable, deletions in threads."""

import asyncio
import errno
import os
import threading
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from datetime import date
from functools import partial
from io import FileIO
from pathlib import Path
from typing import BinaryIO, Final, TypeVar, cast
from uuid import UUID

import aiofiles

from media_analysis.errors import DiskFull, StoreUnavailable
from media_analysis.errors.operations import NameRefused
from media_analysis.failpoints import failpoint
from media_analysis.storage.cached import read_cached, roots_at_once, stands_cached
from media_analysis.storage.calls import Held, translate, translated_errors, uncancelled, unheld
from media_analysis.storage.directories import make_directories
from media_analysis.storage.marker import Purpose, require_marker
from media_analysis.storage.opening import check_object, open_object, read_object
from media_analysis.storage.overwriting import overwrite_all
from media_analysis.storage.places import Places
from media_analysis.storage.probing import measure, prove_writable
from media_analysis.storage.reading import DiskReader
from media_analysis.storage.store import Capacity, DeleteOutcome, ObjectReader, ObjectWriter, Running
from media_analysis.storage.tree import DiskTree
from media_analysis.storage.unlinking import Unlinkers, errno_name
from media_analysis.storage.walk import is_own, set_aside
from media_analysis.storage.whole import sync_names, write_whole
from media_analysis.storage.writing import DiskWriter, resume
from media_analysis.tracing import traced

Value = TypeVar("Value")

THREADS: Final = 16
WRITERS: Final = 2
"""How many threads share a group of small objects."""
MANY: Final = 64
"""A group of more is written by as many threads as there are: what syncs wait for is shared by all that wait."""
CLOSE_SECONDS: Final = 10.0
_NEW_NAME: Final = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC
_NAME_RACES: Final = 20


class DiskStore(DiskTree):
    """Objects as files below `root`, each in the folder its key names; archives below a root of their own if given.

    Nothing is looked for below two roots: archives that were not moved along when theirs was given are missing, and
    `verify` says which.
    """

    keeps_what_is_open = True
    largest_bytes = None

    def __init__(self, places: Places, instance_id: UUID, purpose: Purpose = Purpose.EVERYTHING) -> None:
        self.places = places
        self.instance_id = instance_id
        self._purpose = purpose if places.archives is None else Purpose.WITHOUT_ARCHIVES
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="store")
        self._writers = ThreadPoolExecutor(2 * WRITERS, thread_name_prefix="small")
        self._many_writers = ThreadPoolExecutor(THREADS, thread_name_prefix="many")
        self._unlinkers = Unlinkers()
        self._at_once = roots_at_once(places.roots)

    @property
    def root(self) -> Path:
        """Where everything lies but archives that have a root of their own."""
        return self.places.root

    def close(self) -> None:
        """Wait for running disk work, though not for a disk that never answers, and end its threads and processes."""
        ending = threading.Thread(target=self._threads.shutdown, name="store-ending", daemon=True)
        ending.start()
        ending.join(CLOSE_SECONDS)
        if not ending.is_alive():
            self._writers.shutdown(wait=False)
            self._many_writers.shutdown(wait=False)
            self._unlinkers.close()

    async def require_marker(self) -> None:
        await self._run(self._require_markers)

    @traced("store create_many")
    async def create_many(self, keys: Sequence[str]) -> Sequence[ObjectWriter | Exception]:
        creating = self._run(self._create_all, keys)
        try:
            return await uncancelled(creating)
        except asyncio.CancelledError:
            # The thread created the names whether or not anybody waited; the caller still holds their rows.
            if creating.exception() is None:
                _close_all(creating.result())
            raise

    @traced("store put_many")
    async def put_many(
        self, objects: Sequence[tuple[str, bytes]], *, leaving_bytes: int
    ) -> Sequence[bytes | Exception]:
        return await uncancelled(self._run(self._put_all, objects, leaving_bytes))

    @traced("store resume")
    async def resume(self, key: str, *, size_bytes: int, running: Running | None, fence: int = 0) -> ObjectWriter:
        del fence  # who goes on locks the file
        resuming = self._run(
            partial(resume, key, self.path_of(key), self._threads, size_bytes=size_bytes, running=running)
        )
        try:
            with translated_errors():
                return await uncancelled(resuming)
        except asyncio.CancelledError:
            if resuming.exception() is None:
                resuming.result().close()
            raise

    @traced("store write_many")
    async def write_many(self, written: Sequence[tuple[ObjectWriter, bytes]]) -> Sequence[bytes | Exception]:
        return await uncancelled(self._run(self._write_all, cast("Sequence[tuple[DiskWriter, bytes]]", written)))

    def _write_all(self, ours: Sequence[tuple[DiskWriter, bytes]]) -> Sequence[bytes | Exception]:
        # Large groups have threads of their own: a small upload waits for no restore.
        threads, most = (self._writers, WRITERS) if len(ours) <= MANY else (self._many_writers, THREADS)
        shares = [ours[first::most] for first in range(min(most, len(ours)))]
        # This thread takes a share itself: the others may be busy, and must not be waited for to begin.
        under_way = [threads.submit(write_whole, share) for share in shares[1:]]
        done = [write_whole(shares[0]), *(share.result() for share in under_way)]
        hashes: list[bytes | Exception] = [b""] * len(ours)
        for first, share in enumerate(done):
            hashes[first::most] = share
        lost = sync_names(writer.path for writer, _ in ours)
        return [lost.get(writer.path.parent, said) for (writer, _), said in zip(ours, hashes, strict=True)]

    @traced("store open")
    async def open(self, key: str, *, size_bytes: int | None) -> ObjectReader:
        def opener(path: str, _flags: int) -> int:
            return open_object(Path(path), key, size_bytes=size_bytes)

        file = await aiofiles.open(self.path_of(key), "rb", executor=self._threads, opener=opener)
        return DiskReader(file, os.fstat(file.fileno()).st_size, self._threads)

    @traced("store require")
    async def require(self, key: str, *, size_bytes: int) -> None:
        if self.places.root_of(key) in self._at_once and stands_cached(os.fsencode(self.path_of(key)), size_bytes):
            return
        await self._run(check_object, self.path_of(key), key, size_bytes)

    @traced("store read")
    async def read(self, key: str, *, size_bytes: int) -> bytes:
        if self.places.root_of(key) in self._at_once:
            content = read_cached(os.fsencode(self.path_of(key)), size_bytes)
            if content is not None:
                return content
        return await self._run(read_object, self.path_of(key), key, size_bytes)

    def open_file(self, key: str, *, size_bytes: int | None) -> BinaryIO:
        return cast("BinaryIO", FileIO(open_object(self.path_of(key), key, size_bytes=size_bytes)))

    @asynccontextmanager
    async def local_copies(self, objects: Sequence[tuple[str, int]]) -> AsyncIterator[Sequence[Path]]:
        yield [self.path_of(key).absolute() for key, _ in objects]

    @traced("store delete_many")
    async def delete_many(self, keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
        return await uncancelled(self._run(self._overwrite_and_delete if overwrite else self._delete_all, keys))

    @traced("store set_aside")
    async def set_aside(self, keys: Sequence[str], *, day: date, require_held: Held = unheld) -> Mapping[str, str]:
        await require_held()
        return await uncancelled(self._run(self._set_aside, keys, day))

    async def capacity(self, key: str = "") -> Capacity:
        try:
            return await self._run(measure, self.places.root_of(key))
        except OSError as error:
            raise StoreUnavailable(errno_name(error)) from error

    async def require_writable(self) -> None:
        await self._run(prove_writable, self.places.roots)

    def _run(self, work: Callable[..., Value], *arguments: object) -> asyncio.Future[Value]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work, *arguments)

    def _require_markers(self) -> None:
        for root in self.places.roots:
            self._require_marker(root)

    def _require_marker(self, root: Path) -> None:
        purpose, whose = (self._purpose, "its") if root == self.root else (Purpose.ARCHIVES, "its archives'")
        require_marker(root, self.instance_id, purpose=purpose, whose=whose)

    def _create_all(self, keys: Sequence[str]) -> list[DiskWriter | Exception]:
        self._require_markers()
        return [self._create(key) for key in keys]

    def _put_all(self, objects: Sequence[tuple[str, bytes]], leaving_bytes: int) -> Sequence[bytes | Exception]:
        keys = [key for key, _ in objects]
        for root, _ in self.places.by_root(keys):
            with translated_errors():
                if measure(root).free_bytes < leaving_bytes:
                    raise DiskFull
        made = self._create_all(keys)
        failpoint("upload.named")
        written = [
            (one, content) for one, (_, content) in zip(made, objects, strict=True) if isinstance(one, DiskWriter)
        ]
        hashes = iter(self._write_all(written) if written else ())
        return [next(hashes) if isinstance(one, DiskWriter) else one for one in made]

    def _create(self, key: str) -> DiskWriter | Exception:
        path = self.path_of(key)
        if is_own(key):
            return NameRefused("it is the store's own")
        try:
            descriptor = self._create_name(path, below=self.places.root_of(key))
        except OSError as error:
            return _refused(path, error) or translate(error)
        return DiskWriter(key, descriptor, path, self._threads)

    def _create_name(self, path: Path, *, below: Path) -> int:
        for _ in range(_NAME_RACES):
            try:
                descriptor = os.open(path, _NEW_NAME, self.places.modes.files)
            except FileNotFoundError:
                with suppress(FileNotFoundError):  # a deletion removes folders it has emptied; make it again
                    make_directories(path.parent, below=below, mode=self.places.modes.directory)
                continue
            os.fchmod(descriptor, self.places.modes.files)
            return descriptor
        raise FileNotFoundError(errno.ENOENT, "its folder keeps vanishing", str(path))

    def _overwrite_and_delete(self, keys: Sequence[str]) -> DeleteOutcome:
        self._require_markers()
        failed: dict[str, str] = {}
        for root, lying in self.places.by_root(keys):
            failed |= overwrite_all(root, lying)
        failpoint("delete.overwritten")
        outcome = self._delete_all([key for key in keys if key not in failed])
        return DeleteOutcome(outcome.gone, {**failed, **outcome.failed})

    def _set_aside(self, keys: Sequence[str], day: date) -> Mapping[str, str]:
        self._require_markers()
        moved: dict[str, str] = {}
        with translated_errors():
            for root, lying in self.places.by_root(keys):
                moved |= set_aside(root, lying, day, mode=self.places.modes.directory)
        return moved

    def _delete_all(self, keys: Sequence[str]) -> DeleteOutcome:
        # A move may have left this place since somebody looked: what is deleted here alone would stay where it went.
        # And no original goes while the disk of the archives that replaced it is away.
        self._require_markers()
        failed: dict[str, str] = {}
        for root, lying in self.places.by_root(keys):
            unlinked = self._unlinkers.unlink_all(root, lying)
            if unlinked.absent:
                # An absent object counts as deleted only while this is certainly our store (not an empty mount point).
                self._require_marker(root)
            failed |= unlinked.failed
        return DeleteOutcome([key for key in keys if key not in failed] if failed else keys, failed)


def _refused(path: Path, error: OSError) -> NameRefused | None:
    """Return why no object can have a name that a bucket has, None where the disk failed otherwise."""
    match error.errno:
        case errno.ENAMETOOLONG:
            return NameRefused("a part of it has more bytes than the disk takes, or all of it has")
        case errno.ENOTDIR:
            return NameRefused("it lies below another object")
        case errno.EEXIST if path.is_dir() and not path.is_symlink():
            return NameRefused("it is a folder of other objects")
    return None


def _close_all(made: Iterable[DiskWriter | Exception]) -> None:
    for writer in made:
        if isinstance(writer, DiskWriter):
            writer.close()
