"""Rows held against their objects: is each there, of its size, and of its bytes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, assert_never
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.errors import ObjectDamaged, ObjectMissing, StoreUnavailable
from media_analysis.storage.category import Category
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.hashing import DIFFERS, hash_object
from media_analysis.storage.store import ObjectStore
from media_analysis.storage.unlinking import errno_name

BEFORE_ALL: Final = UUID(int=0)
SHORTEST_SLEEP_SECONDS: Final = 0.02


class Problem(StrEnum):
    """What can be wrong between rows and objects."""

    MISSING = "missing"
    WRONG_SIZE = "wrong_size"
    NOT_REGULAR = "not_regular"
    HASH_DIFFERS = "hash_differs"
    UNREADABLE = "unreadable"
    UNTRACKED = "untracked"
    RUN_LOST = "run_lost"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, and with what."""

    problem: Problem
    key: str
    sentence: str
    file_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class TrackedFile:
    """A row whose object must exist."""

    id: UUID
    owner: str
    category: Category
    key: str
    size_bytes: int
    sha256: bytes | None
    last_error: str | None

    def found(self, problem: Problem, sentence: str) -> Finding:
        return Finding(problem, self.key, sentence, self.id)


_COLUMNS: Final = "id, owner, category, key, size_bytes, sha256, last_error"
_PAGE = text(f"""
    SELECT {_COLUMNS} FROM media_files WHERE id > :after AND state IN ('stored', 'trashed') ORDER BY id LIMIT :limit
""")  # noqa: S608 - columns of ours
_AGAIN = text(f"""
    SELECT {_COLUMNS} FROM media_files
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state IN ('stored', 'trashed') ORDER BY id
""")  # noqa: S608 - columns of ours


async def list_tracked(session: AsyncSession, *, after: UUID, limit: int) -> Sequence[TrackedFile]:
    """Return files whose bytes must be there, in the order of their ids."""
    rows = await session.execute(_PAGE, {"after": after, "limit": limit})
    return [TrackedFile(row.id, row.owner, Category(row.category), *row[3:]) for row in rows]


async def get_tracked(session: AsyncSession, ids: Collection[UUID]) -> Sequence[TrackedFile]:
    """Return those of the files whose bytes must still be there."""
    rows = await session.execute(_AGAIN, {"ids": list(ids)})
    return [TrackedFile(row.id, row.owner, Category(row.category), *row[3:]) for row in rows]


@dataclass
class ReadThrottle:
    """Lets so many bytes a second pass, all of them where no rate is given."""

    bytes_per_second: int | None
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    _ready_at: float = field(default=0.0, init=False)

    async def take(self, size_bytes: int) -> None:
        """Account for bytes just read, and wait until the next ones may be."""
        if self.bytes_per_second is None:
            return
        now = self.clock()
        self._ready_at = max(self._ready_at, now) + size_bytes / self.bytes_per_second
        if self._ready_at - now >= SHORTEST_SLEEP_SECONDS:
            await self.sleep(self._ready_at - now)


@dataclass(frozen=True)
class Inspector:
    """Looks at objects, and reads them no faster than its throttle lets it."""

    db: Database
    store: ObjectStore
    throttle: ReadThrottle

    async def look(self, files: Sequence[TrackedFile]) -> Mapping[UUID, Finding]:
        """Return what is wrong with files as far as names and sizes tell."""
        entries = await self.store.look_up([file.key for file in files])
        judged = (_judge(file, entry) for file, entry in zip(files, entries, strict=True))
        return {finding.file_id: finding for finding in judged if finding is not None and finding.file_id is not None}

    async def read(self, file: TrackedFile) -> Finding | bytes:
        """Return the SHA-256 of an object, or what is wrong with it."""
        try:
            sha256 = await hash_object(self.store, file.key, size_bytes=file.size_bytes, pace=self.throttle.take)
        except ObjectMissing:
            return file.found(Problem.MISSING, "missing")
        except ObjectDamaged as error:
            kind = Problem.NOT_REGULAR if error.difference.startswith("not") else Problem.WRONG_SIZE
            return file.found(kind, error.difference)
        except StoreUnavailable:
            return file.found(Problem.UNREADABLE, "cannot be read")
        except OSError as error:
            return file.found(Problem.UNREADABLE, f"cannot be read ({errno_name(error)})")
        if file.sha256 not in {None, sha256}:
            return file.found(Problem.HASH_DIFFERS, DIFFERS)
        return sha256

    async def confirm(self, findings: Mapping[UUID, Finding], *, read: bool) -> Mapping[UUID, Finding]:
        """Return those findings that stand when row and object are looked at again.

        A file deleted meanwhile lost its row before its object went, so it is not found a second time.

        Raises:
            MarkerMismatch: what is missing is the store itself.

        """
        if not findings:
            return {}
        await self.store.require_marker()
        async with self.db.read_only() as session:
            files = await get_tracked(session, findings)
        still = dict(await self.look(files))
        for file in files:
            if read and file.id not in still:
                outcome = await self.read(file)
                if isinstance(outcome, Finding):
                    still[file.id] = outcome
        return await self._without_deleted(still)

    async def _without_deleted(self, findings: dict[UUID, Finding]) -> Mapping[UUID, Finding]:
        if not findings:
            return findings
        async with self.db.read_only() as session:
            living = {file.id for file in await get_tracked(session, findings)}
        return {file_id: finding for file_id, finding in findings.items() if file_id in living}


def _judge(file: TrackedFile, entry: Entry | None) -> Finding | None:
    if entry is None:
        return file.found(Problem.MISSING, "missing")
    match entry.kind:
        case EntryKind.FILE:
            if entry.size_bytes == file.size_bytes:
                return None
            return file.found(Problem.WRONG_SIZE, f"size is {entry.size_bytes}, not {file.size_bytes}")
        case EntryKind.UNREADABLE:
            return file.found(Problem.UNREADABLE, f"cannot be read ({entry.reason})")
        case EntryKind.HARD_LINK | EntryKind.LINK | EntryKind.SPECIAL | EntryKind.DIRECTORY:
            return file.found(Problem.NOT_REGULAR, f"not a regular file with one name ({entry.kind.value})")
    assert_never(entry.kind)
