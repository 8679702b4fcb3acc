"""The contract every store keeps, whatever holds its bytes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final, Protocol
from uuid import UUID

from media_analysis.storage.calls import Held, unheld
from media_analysis.storage.category import Category
from media_analysis.storage.entries import Entry
from media_analysis.storage.presented import Presented
from media_analysis.storage.reading import Sendable

Piece = bytes | memoryview


class Running(Protocol):
    """What the bytes of an object hash to so far (`hashlib`)."""

    def update(self, data: Piece, /) -> None: ...
    def digest(self) -> bytes: ...
    def copy(self) -> "Running": ...


@dataclass(frozen=True)
class DeleteOutcome:
    """Which keys are durably gone, and why the others are not."""

    gone: Sequence[str]
    failed: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Capacity:
    """What the medium below the store has."""

    total_bytes: int
    free_bytes: int
    total_inodes: int = 0
    """0 where the medium does not count them."""
    free_inodes: int = 0
    is_read_only: bool = False

    @property
    def is_endless(self) -> bool:
        """Whether nothing but quotas bounds what it takes."""
        return self.total_bytes == ENDLESS.total_bytes

    @property
    def told(self) -> tuple[int, int] | tuple[None, None]:
        """All bytes and the free ones, as documents tell them: of a medium without an end nothing."""
        return (None, None) if self.is_endless else (self.total_bytes, self.free_bytes)


ENDLESS: Final = Capacity(total_bytes=2**62, free_bytes=2**62)
"""Of a medium nobody sees the end of; it counts as one that is empty and larger than anything."""


class ObjectWriter(Protocol):
    """One new object while its bytes arrive; nothing it wrote counts before `sync`."""

    key: str
    size_bytes: int

    def expect(self, size_bytes: int) -> None:
        """Say about how many bytes come, before the first: what is very large may have to be laid out for that."""
        ...

    async def write(self, chunk: bytes) -> None:
        """Append `chunk`; that it could not be written may be told by what is asked for next."""
        ...

    def put(self, piece: Piece) -> None:
        """Append `piece` from a thread of the caller's own, and hash it while that goes on.

        The memory of a piece is the caller's again when the next call has returned. Either this or `write` is used.
        """
        ...

    async def checkpoint(self) -> Running | None:
        """Make durable what came so far, and go on; return what it hashes to, None where that is not known.

        Of what `resume` returned: a store may make other objects durable as a whole alone.
        """
        ...

    async def sync(self) -> bytes:
        """Make bytes and name durable and return the SHA-256 of all that was written.

        Raises `ObjectMissing` when it shows that the name was deleted meanwhile.
        """
        ...

    async def revert(self) -> None:
        """Cut off what came after what it went on behind, or made durable last, and let go of it."""
        ...

    def close(self) -> None:
        """Let go of the object; safe to call at any time and more than once."""
        ...


class ObjectReader(Protocol):
    """One object opened for reading; if it is deleted meanwhile, it is read on, or fails: it never ends early."""

    @property
    def size_bytes(self) -> int: ...

    def read(self, start: int, end: int) -> AsyncIterator[bytes]:
        """Yield the bytes from `start` up to, not including, `end`, then close."""
        ...

    def regions(self, start: int, end: int) -> AsyncIterator[Sendable]:
        """Yield the same uncopied; what shows to be readable by its first bytes may follow as regions, sent unread."""
        ...

    async def close(self) -> None:
        """Let go of the object."""
        ...


class ObjectStore(Protocol):
    """Holds bytes by key; a key is written once and never overwritten."""

    @property
    def instance_id(self) -> UUID:
        """Whose objects it holds."""
        ...

    def late_writes(self, key: str) -> timedelta | None:
        """Say how long after its writer is gone an object may still arrive; None where what is deleted stays so."""
        ...

    def keeps_versions(self, key: str) -> bool:
        """Say whether what is deleted is known to stay there, as an older version of what is no more."""
        ...

    def names_first(self, key: str) -> bool:
        """Whether a name is made before its bytes, which locks of its row keep in order; else it comes with them."""
        ...

    @property
    def keeps_what_is_open(self) -> bool:
        """Whether what was opened stays readable when it is deleted; else reading it raises `ObjectMissing`."""
        ...

    @property
    def largest_bytes(self) -> int | None:
        """How large an upload may be that becomes an object; None where it has no bound but the medium's."""
        ...

    def where(self, key: str) -> str:
        """Return where an object lies, or would lie, as a person looks for it: a path, or an address."""
        ...

    def sign_address(self, key: str, presented: Presented, *, ends_at: datetime) -> str | None:
        """Return an address that reads an object without us and ends no later; None where that, or time, is not had."""
        ...

    def categories_beside(self, key: str) -> Sequence[Category]:
        """Return the categories whose objects lie on the same medium as this one."""
        ...

    def close(self) -> None:
        """Let go of what it holds open; what runs is waited for, within reason."""
        ...

    async def warnings(self) -> Sequence[str]:
        """Return what about the medium an operator should mend, each in a sentence; empty when all is well."""
        ...

    async def require_marker(self) -> None:
        """Raise `MarkerMismatch` unless this is the store the database knows, all of it."""
        ...

    async def create_many(self, keys: Sequence[str]) -> Sequence[ObjectWriter | Exception]:
        """Create each name exactly once; the answer is complete even if the caller is cancelled."""
        ...

    async def put_many(
        self, objects: Sequence[tuple[str, bytes]], *, leaving_bytes: int
    ) -> Sequence[bytes | Exception]:
        """Create each name exactly once, make all its bytes and it durable, return their SHA-256s.

        It is over when it returns, even if the caller is cancelled.

        Raises:
            DiskFull: nothing was created, for less than `leaving_bytes` is free where they come to lie.

        """
        ...

    async def resume(self, key: str, *, size_bytes: int, running: Running | None, fence: int = 0) -> ObjectWriter:
        """Go on with an object that is not complete behind so many bytes; what came after them is cut off.

        `running` is what these bytes hash to; without it all are read again at the end. Nothing is cut off of whoever
        goes on under a higher `fence`.

        Raises `ObjectMissing` or `ObjectDamaged` where it has not that many, `ObjectBusy` while somebody else goes on.
        """
        ...

    async def write_many(self, written: Sequence[tuple[ObjectWriter, bytes]]) -> Sequence[bytes | Exception]:
        """Give each new object all of its bytes, make them and their names durable, close it, return its SHA-256."""
        ...

    async def open(self, key: str, *, size_bytes: int | None) -> ObjectReader:
        """Open an object without ever waiting for its name; `size_bytes` is what its row says.

        Raises `ObjectMissing` where there is none, `ObjectDamaged` where something else stands in its place.
        """
        ...

    async def require(self, key: str, *, size_bytes: int) -> None:
        """Return if an object stands there, of the size its row says; raises as `open`."""
        ...

    async def read(self, key: str, *, size_bytes: int) -> bytes:
        """Return the bytes of an object that is small enough to be held; raises as `open`."""
        ...

    def open_file(self, key: str, *, size_bytes: int | None) -> BinaryIO:
        """Open an object as an unbuffered file that can be sought, for a thread; blocks, and raises as `open`.

        Of an object that is far away only what is read is fetched, never all of it at once.
        """
        ...

    def local_copies(self, objects: Sequence[tuple[str, int]]) -> AbstractAsyncContextManager[Sequence[Path]]:
        """Lend paths at which a process of this machine reads all of some objects, until the block ends.

        Each is a key, and the size its row says. On a disk the paths are the objects' own and nothing is looked at.
        What is copied is looked at as by `open`, and gets its room all at once: nobody waits for more who has some.
        """
        ...

    async def delete_many(self, keys: Sequence[str], *, overwrite: bool = False) -> DeleteOutcome:
        """Delete objects durably; one that is already absent counts as gone while the marker stands.

        With `overwrite` their bytes are first written over and synced, as far as the medium lets itself be told.
        """
        ...

    async def set_aside(self, keys: Sequence[str], *, day: date, require_held: Held = unheld) -> Mapping[str, str]:
        """Move objects into the day's quarantine, durably; return where each one is, leaving out what was gone.

        Every disk has a quarantine of its own. Where `require_held` fails, what was not moved by then stays.
        """
        ...

    async def look_up(self, keys: Sequence[str]) -> Sequence[Entry | None]:
        """Return what stands at each key right now, None where nothing does."""
        ...

    def walk(self, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        """Yield all there is but what is the store's own, in lists of at most so many; memory stays flat."""
        ...

    async def list_quarantine_days(self) -> Sequence[date]:
        """Return the days in UTC on which something was set aside that is still there, oldest first."""
        ...

    def walk_quarantine(self, day: date, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        """Yield what was set aside on a day, as `walk` does; the names are places such as `set_aside` returns."""
        ...

    async def delete_set_aside(self, places: Sequence[str]) -> DeleteOutcome:
        """Delete what was set aside, durably and through no link; the caller has looked for the marker."""
        ...

    async def end_quarantine_day(self, day: date) -> None:
        """Remove what a day's quarantine leaves when nothing is in it any more."""
        ...

    def abandoned(self, before: datetime) -> AsyncIterator[Sequence[str]]:
        """Yield keys of objects that were never whole, and of which nobody has written anything since, some at a time.

        A key may come twice. Whoever ends them by `abort` asks first whether they have a row.
        """
        ...

    async def abort(self, keys: Sequence[str]) -> DeleteOutcome:
        """Delete what there is of objects that were never whole; those that are whole stay."""
        ...

    async def require_writable(self) -> None:
        """Return once something was written durably and is gone again, on every disk.

        Raises:
            StoreUnavailable: says why nothing can be written.

        """
        ...

    async def capacity(self, key: str = "") -> Capacity:
        """Say how much room there is where an object lies; without a key, where most objects do."""
        ...
