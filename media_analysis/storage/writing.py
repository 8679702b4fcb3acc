"""New objects: written and hashed as their bytes arrive, handed to the disk meanwhile, durable at the end."""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from media_analysis.errors import MediaAnalysisError, ObjectBusy, ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.storage.calls import translated_errors, uncancelled
from media_analysis.storage.directories import sync_directory
from media_analysis.storage.opening import require_object
from media_analysis.storage.store import Piece, Running
from media_analysis.tracing import traced

BUFFER_BYTES: Final = 512 * 1024
"""What is gathered before a thread writes and hashes it; a small file costs one hop in all."""
_AGAIN: Final = os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
Value = TypeVar("Value")
WRITEBACK_BYTES: Final = 8 * 1024 * 1024
"""How often the disk is given what was written, so that little is left to wait for in the sync at the end."""


class DiskWriter:
    """A new file, written and hashed in threads through the descriptor that created it, or that goes on with it."""

    def __init__(
        self,
        key: str,
        descriptor: int,
        path: Path,
        threads: ThreadPoolExecutor,
        *,
        size_bytes: int = 0,
        running: Running | None = None,
    ) -> None:
        self.key = key
        self.size_bytes = size_bytes
        self._descriptor: int | None = descriptor
        self.path = path
        self._threads = threads
        # Without what the bytes before hash to, all of them are read once more at the end.
        self._hash: Running | None = running.copy() if running else None if size_bytes else hashlib.sha256()
        self._hashing: Future[None] | None = None
        self._flushing: asyncio.Future[None] | None = None
        self._buffer: list[Piece] = []
        self._buffered_bytes = 0
        self._written_bytes = size_bytes
        self._given_bytes = size_bytes
        self._kept_bytes = size_bytes

    def expect(self, size_bytes: int) -> None:
        """Let it be: a disk takes what comes."""

    async def write(self, chunk: bytes) -> None:
        if self._gather(chunk):
            await self._flushed()
            self._flushing = self._run(partial(self._flush, self._take()))  # while more is received

    def put(self, piece: Piece) -> None:
        if not self._gather(piece if len(piece) >= BUFFER_BYTES else bytes(piece)):
            return
        gathered = _joined(self._take())
        self._finish_hashing()
        self._hashing = self._threads.submit(self._update, gathered)
        self._append(gathered)

    async def checkpoint(self) -> Running | None:
        await self._flushed()
        await uncancelled(self._run(self._flush_and_sync))
        self._kept_bytes = self._written_bytes
        return self._hash and self._hash.copy()

    async def revert(self) -> None:
        with suppress(MediaAnalysisError):  # what could not be written is cut off with the rest
            await self._flushed()
        await uncancelled(self._run(self._cut_off))

    @traced("store sync")
    async def sync(self) -> bytes:
        await self._flushed()
        return await uncancelled(self._run(self._end))

    def put_whole(self, content: bytes) -> None:
        """Write all there is from this thread, and have the disk begin with it."""
        self.size_bytes = len(content)
        self._append(content)
        self._give_to_disk()

    def sync_whole(self, content: bytes) -> bytes | Exception:
        """Make what was put durable and close; return its SHA-256, or why it failed."""
        digest = hashlib.sha256(content).digest()  # while the disk writes
        try:
            with translated_errors():
                os.fsync(self._open_descriptor())
            failpoint("upload.file_synced")
        except Exception as error:  # noqa: BLE001 - the others of its group are synced all the same
            return error
        else:
            return digest
        finally:
            self.close()

    def close(self) -> None:
        if self._flushing is not None:
            # Closed under a thread that writes, the number could be another file's by then.
            self._flushing.add_done_callback(self._close_behind)
        else:
            self._close()

    def _close_behind(self, flushed: asyncio.Future[None]) -> None:
        flushed.exception()  # somebody has to look at it, or the loop reports it as lost
        self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    async def _flushed(self) -> None:
        """Wait for what is being written; raise why it could not be."""
        if self._flushing is not None:
            flushing, self._flushing = self._flushing, None
            await uncancelled(flushing)

    def _run(self, work: Callable[[], Value]) -> asyncio.Future[Value]:
        return asyncio.get_running_loop().run_in_executor(self._threads, work)

    def _gather(self, piece: Piece) -> bool:
        """Keep a piece; say whether there is enough to write."""
        self._buffer.append(piece)
        self._buffered_bytes += len(piece)
        self.size_bytes += len(piece)
        return self._buffered_bytes >= BUFFER_BYTES

    def _take(self) -> list[Piece]:
        pieces, self._buffer, self._buffered_bytes = self._buffer, [], 0
        return pieces

    def _flush(self, pieces: list[Piece]) -> None:
        chunk = _joined(pieces)
        # Hashing was asked for before this was, of the same threads: it is under way, or over.
        self._finish_hashing()
        self._update(chunk)
        self._append(chunk)

    def _update(self, chunk: Piece) -> None:
        if self._hash is not None:
            self._hash.update(chunk)

    def _finish_hashing(self) -> None:
        if self._hashing is not None:
            self._hashing.result()
            self._hashing = None

    def _append(self, chunk: Piece) -> None:
        with self._broken_by_errors():
            _write_all(self._open_descriptor(), chunk)
            self._written_bytes += len(chunk)
            self._begin_writeback()
        failpoint("upload.bytes_written")

    @contextmanager
    def _broken_by_errors(self) -> Iterator[None]:
        """Take nothing more once the kernel has refused something: nobody knows what of it is on the disk."""
        with translated_errors():
            try:
                yield
            except OSError:
                self._close()
                raise

    def _begin_writeback(self) -> None:
        """Ask the disk to begin with what was written; whether it succeeds is said by the sync at the end alone."""
        if self._written_bytes - self._given_bytes >= WRITEBACK_BYTES:
            self._give_to_disk()

    def _give_to_disk(self) -> None:
        size_bytes = self._written_bytes - self._given_bytes
        # Linux gives dirty pages to the disk here, and drops none that is not there yet; others may refuse.
        with suppress(OSError):
            os.posix_fadvise(self._open_descriptor(), self._given_bytes, size_bytes, os.POSIX_FADV_DONTNEED)
        self._given_bytes = self._written_bytes

    def _end(self) -> bytes:
        self._flush_and_sync()
        if self._hash is None:
            with translated_errors():
                self._hash = _hash_of(self._open_descriptor())
        return self._hash.digest()

    def _flush_and_sync(self) -> None:
        self._flush(self._take())
        with self._broken_by_errors():
            # A failed fsync is never repeated: the kernel may have dropped the pages it could not write.
            os.fsync(self._open_descriptor())
            failpoint("upload.file_synced")
            self._sync_name()

    def _cut_off(self) -> None:
        # By this descriptor, whose lock says that nobody has gone on behind what is kept.
        try:
            if self._descriptor is not None and self._written_bytes > self._kept_bytes:
                with translated_errors():
                    os.ftruncate(self._descriptor, self._kept_bytes)
        finally:
            self._close()

    def _sync_name(self) -> None:
        try:
            sync_directory(self.path.parent)
        except FileNotFoundError as error:
            raise ObjectMissing(self.path.name) from error

    def _open_descriptor(self) -> int:
        if self._descriptor is None:
            raise StoreUnavailable("the object was closed while it was written")
        return self._descriptor


def resume(
    key: str, path: Path, threads: ThreadPoolExecutor, *, size_bytes: int, running: Running | None
) -> DiskWriter:
    """Return what goes on with a file behind so many bytes; what came after them is cut off.

    Raises:
        ObjectMissing: there is none.
        ObjectDamaged: it has not that many bytes.
        ObjectBusy: somebody else goes on with it, in whatever process of this machine.

    """
    try:
        descriptor = os.open(path, _AGAIN)
    except FileNotFoundError as error:
        raise ObjectMissing(path.name) from error
    try:
        _require_as_long(os.fstat(descriptor), path.name, size_bytes)
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(descriptor, size_bytes)
        os.lseek(descriptor, size_bytes, os.SEEK_SET)
    except BlockingIOError as error:
        os.close(descriptor)
        raise ObjectBusy from error
    except BaseException:
        os.close(descriptor)
        raise
    return DiskWriter(key, descriptor, path, threads, size_bytes=size_bytes, running=running)


def _require_as_long(status: os.stat_result, name: str, size_bytes: int) -> None:
    require_object(status, name, size_bytes=None)
    if status.st_size < size_bytes:
        raise ObjectDamaged(name, f"size is {status.st_size}, not {size_bytes}")


def _hash_of(descriptor: int) -> Running:
    running, at = hashlib.sha256(), 0
    while chunk := os.pread(descriptor, BUFFER_BYTES, at):
        running.update(chunk)
        at += len(chunk)
    return running


def _joined(pieces: list[Piece]) -> Piece:
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _write_all(descriptor: int, chunk: Piece) -> None:
    view = memoryview(chunk)
    while view:
        view = view[os.write(descriptor, view) :]
