"""A file that is written whole or goes on where it was broken off, and never stands half under its own name."""

import fcntl
import hashlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import typer

from media_analysis.errors import ArchiveDamaged, InvalidRequest


@dataclass(frozen=True, slots=True)
class Written:
    """How much was written, and how much of it was there from before."""

    size_bytes: int
    kept_bytes: int


class DownloadTarget:
    """A file to be, called `.part` till it is whole and synced."""

    def __init__(self, path: Path, *, force: bool) -> None:
        self.path = path
        self.done_bytes = 0
        self._force = force
        self._part = path.with_name(path.name + ".part")

    async def write(self, chunks: AsyncIterator[bytes], *, sha256: bytes | None) -> Written:
        """Write all chunks; those an earlier attempt left are compared with them and kept as far as they agree.

        Raises:
            InvalidRequest: a file is there, another attempt is under way, or the place cannot be written to.
            ArchiveDamaged: the bytes have another SHA-256; nothing is left of them.

        """
        import asyncio

        self._require_free()
        with _told_in_words(self.path), self._opened() as part:
            written = await self._fill(part, chunks, sha256)
            self._require_free()
            await asyncio.to_thread(self._settle, part)
        return written

    def _require_free(self) -> None:
        if self.path.exists() and not (self._force and self.path.is_file()):
            raise InvalidRequest("--output", f"{self.path} is there already; --force replaces a file")

    @contextmanager
    def _opened(self) -> Iterator[BinaryIO]:
        descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
        with os.fdopen(descriptor, "r+b", buffering=0) as part:
            try:
                fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise InvalidRequest("--output", f"another download writes {self._part}") from error
            yield part

    async def _fill(self, part: BinaryIO, chunks: AsyncIterator[bytes], sha256: bytes | None) -> Written:
        import asyncio

        running, kept_bytes, agrees = hashlib.sha256(), 0, True
        async for chunk in chunks:
            running.update(chunk)
            if agrees:
                agrees = await asyncio.to_thread(_is_next, part, chunk)
                kept_bytes += len(chunk) if agrees else 0
            if not agrees:
                await asyncio.to_thread(_overwrite, part, chunk, self.done_bytes)
            self.done_bytes += len(chunk)
        if sha256 not in {None, running.digest()}:
            self._part.unlink()
            raise ArchiveDamaged("its bytes are not those that were stored")
        part.truncate(self.done_bytes)
        return Written(self.done_bytes, kept_bytes)

    def _settle(self, part: BinaryIO) -> None:
        os.fsync(part.fileno())
        self._part.replace(self.path)
        folder = os.open(self.path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


async def write_stream(chunks: AsyncIterator[bytes], stream: BinaryIO) -> None:
    """Write all chunks to a pipe; a reader that goes ends the command."""
    import asyncio

    try:
        async for chunk in chunks:
            await asyncio.to_thread(stream.write, chunk)
        await asyncio.to_thread(stream.flush)
    except BrokenPipeError:
        with suppress(OSError):  # or the interpreter would flush it once more, and complain
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        raise typer.Exit(1) from None
    finally:
        if isinstance(chunks, AsyncGenerator):  # or the loop would end before it has closed its file
            await chunks.aclose()


def _is_next(part: BinaryIO, chunk: bytes) -> bool:
    return part.read(len(chunk)) == chunk


def _overwrite(part: BinaryIO, chunk: bytes, offset: int) -> None:
    left, position = memoryview(chunk), offset
    while left:
        count = os.pwrite(part.fileno(), left, position)
        left, position = left[count:], position + count


@contextmanager
def _told_in_words(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidRequest("--output", f"{path} cannot be written: {error.strerror}") from error
