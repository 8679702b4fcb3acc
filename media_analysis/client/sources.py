"""What is uploaded: bytes at hand, or a file that must not change while it is read."""

import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, Self

from media_analysis.client.errors import SourceChanged

CHUNK_BYTES: Final = 256 * 1024

Told = Callable[[int], object]
"""Is told how many bytes of a transfer have gone so far; called in whichever thread reads or writes them."""


def tell_nobody(_done_bytes: int) -> None:
    """Take no notice."""


class Source(Protocol):
    """Bytes that can be read again and again from anywhere, and always are the same."""

    @property
    def size_bytes(self) -> int:
        """How many there are."""

    def read(self, offset: int, size_bytes: int) -> bytes:
        """Return so many bytes from there on, which may be fewer only at the end."""

    def require_unchanged(self) -> None:
        """Raise `SourceChanged` unless they are what they were."""

    def close(self) -> None:
        """Let go of them."""


@dataclass(frozen=True, slots=True)
class MemorySource:
    """Bytes at hand."""

    content: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.content)

    def read(self, offset: int, size_bytes: int) -> bytes:
        return self.content[offset : offset + size_bytes]

    def require_unchanged(self) -> None:
        """Bytes in memory do not change."""

    def close(self) -> None:
        """There is nothing to let go of."""


class FileSource:
    """A regular file, held open; it must be the same at the end as at the beginning."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path, self._descriptor = path, descriptor
        self._status = os.fstat(descriptor)
        if not stat.S_ISREG(self._status.st_mode):
            raise SourceChanged(f"{path} is no regular file")

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open a file.

        Raises:
            SourceChanged: it is something else.
            OSError: it cannot be read.

        """
        # Whoever opens a pipe waits for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        try:
            return cls(path, descriptor)
        except BaseException:
            os.close(descriptor)
            raise

    @property
    def size_bytes(self) -> int:
        return self._status.st_size

    def read(self, offset: int, size_bytes: int) -> bytes:
        return os.pread(self._descriptor, size_bytes, offset)

    def require_unchanged(self) -> None:
        now = os.fstat(self._descriptor)
        if (now.st_size, now.st_mtime_ns) != (self._status.st_size, self._status.st_mtime_ns):
            raise SourceChanged(f"{self._path} changed while it was uploaded")

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with suppress(OSError):
                os.close(descriptor)


@dataclass
class Hashing:
    """The SHA-256 of a source, taken along as its bytes go by, and only once of each."""

    source: Source
    done_bytes: int = 0
    _running: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    def see(self, offset: int, chunk: bytes) -> None:
        """Take bytes into account that were read from there on, if their turn has come."""
        if offset <= self.done_bytes < offset + len(chunk):
            self._running.update(chunk[self.done_bytes - offset :])
            self.done_bytes = offset + len(chunk)

    def reach(self, offset: int) -> None:
        """Read what is still missing up to there."""
        while self.done_bytes < offset:
            chunk = self.source.read(self.done_bytes, min(CHUNK_BYTES, offset - self.done_bytes))
            if not chunk:
                raise SourceChanged("the file became shorter while it was uploaded")
            self.see(self.done_bytes, chunk)

    def finish(self) -> str:
        """Return the digest of all of it, in hexadecimal, reading what was not seen yet."""
        self.reach(self.source.size_bytes)
        return self._running.hexdigest()


@dataclass(frozen=True)
class Part:
    """Some bytes of a source, as the body of a request."""

    source: Source
    offset: int
    size_bytes: int
    hashing: Hashing | None = None
    told: Told = tell_nobody

    def chunks(self) -> Iterator[bytes]:
        """Yield them, and tell whoever wants to know how far it is.

        Raises:
            SourceChanged: the file is not what it was; the last bytes are not sent then, so nothing becomes of them.

        """
        position, end = self.offset, self.offset + self.size_bytes
        while position < end:
            chunk = self.source.read(position, min(CHUNK_BYTES, end - position))
            if position + len(chunk) >= end or not chunk:
                self.source.require_unchanged()
            if not chunk:
                raise SourceChanged("the file became shorter while it was uploaded")
            if self.hashing is not None:
                self.hashing.see(position, chunk)
            position += len(chunk)
            yield chunk
            self.told(position)
