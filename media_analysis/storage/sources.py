"""Files outside the store's own keeping: read to the end, and only if nobody changed them on the way."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from media_analysis.errors import SourceChanged
from media_analysis.storage.walk import Entry, describe

CHUNK_BYTES: Final = 1024 * 1024
# Not blocking, for a pipe may stand where a file was.
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Digest:
    """What reading a file told: its first bytes and the SHA-256 of all."""

    head: bytes
    sha256: bytes


class Source:
    """One file, opened as the walk saw it; every method blocks and is called in a thread."""

    def __init__(self, root: Path, entry: Entry) -> None:
        self._entry = entry
        self._descriptor = os.open(root / entry.name, _READ)

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

    def close(self) -> None:
        os.close(self._descriptor)


def digest(root: Path, entry: Entry, *, head_bytes: int) -> Digest:
    """Read a whole file.

    Raises:
        SourceChanged, OSError: it cannot be read as what it was.

    """
    with Source(root, entry) as source:
        source.require_unchanged()
        running, head = hashlib.sha256(), b""
        while chunk := source.read():
            head = head or chunk[:head_bytes]
            running.update(chunk)
        source.require_unchanged()
    return Digest(head, running.digest())
