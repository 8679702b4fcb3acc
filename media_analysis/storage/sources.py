"""Files outside the store's own keeping: read to the end, and only if nobody changed them on the way."""

import hashlib
import os
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Protocol, Self

from media_analysis.errors import SourceChanged
from media_analysis.storage.entries import Entry
from media_analysis.storage.opening import READ
from media_analysis.storage.walk import describe

CHUNK_BYTES: Final = 1024 * 1024


class SourceReader(Protocol):
    """What is read to be imported; every method blocks and is called in a thread.

    What cannot be read is an `OSError`, what is there no more an `ObjectMissing`.
    """

    def read(self) -> bytes:
        """Return the next bytes, none at the end."""
        ...

    def require_unchanged(self) -> None:
        """Fail unless it still is what the walk saw.

        Raises:
            SourceChanged: it is not.

        """
        ...

    def opened(self) -> IO[bytes]:
        """Return it as a file, to look at places of it once all of it was read."""
        ...

    def close(self) -> None: ...


class SourceFile:
    """One file, opened as the walk saw it; every method blocks and is called in a thread."""

    def __init__(self, root: Path, entry: Entry) -> None:
        self._entry = entry
        self._descriptor = os.open(root / entry.name, READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def read(self) -> bytes:
        """Return the next bytes, none at the end."""
        return os.read(self._descriptor, CHUNK_BYTES)

    def require_unchanged(self) -> None:
        """Fail unless it still is what the walk saw.

        Raises:
            SourceChanged: its size, its time or its kind is another.

        """
        if describe(self._entry.name, os.fstat(self._descriptor)) != self._entry:
            raise SourceChanged

    def opened(self) -> IO[bytes]:
        """Return it as a file, to look at places of it while it is open."""
        return os.fdopen(self._descriptor, "rb", closefd=False)

    def close(self) -> None:
        os.close(self._descriptor)


def digest_of(source: SourceReader) -> bytes:
    """Return the SHA-256 of all of it, in a thread.

    Raises:
        SourceChanged, ObjectMissing, OSError: it cannot be read as what it was.

    """
    source.require_unchanged()
    running = hashlib.sha256()
    while chunk := source.read():
        running.update(chunk)
    source.require_unchanged()
    return running.digest()
