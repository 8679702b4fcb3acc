"""Files of an existing tree about to be imported: their ids, names and types, the same each time they are asked for."""

import hashlib
import unicodedata
from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final, Self
from uuid import UUID

from media_analysis.imports.tree.buckets import BucketTree
from media_analysis.media.types.known import extension_of, type_of_extension
from media_analysis.media.types.sniff import sniff_file
from media_analysis.storage.category import Category
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.keys import is_short, object_key
from media_analysis.storage.remote.names import is_own
from media_analysis.storage.remote.sources import is_same_object
from media_analysis.storage.sources import SourceFile, SourceReader
from media_analysis.storage.walk import walk_in_batches

LONGEST_FILENAME: Final = 255
_RANDOM_BITS: Final = 74
_LATEST_MILLISECONDS: Final = 2**48 - 1
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_SECOND: Final = int(datetime(9999, 1, 1, tzinfo=UTC).timestamp())
_UNSAYABLE: Final = {"Cc", "Cs"}
"""Unicode categories a filename may not hold: controls and lone surrogates."""
COPY_BATCH_BYTES: Final = 2**30
"""A batch of large files ends earlier, so that what a crash repeats stays small."""


class Skip(StrEnum):
    """Why a name in the tree was not imported."""

    HARD_LINK = "hard_link"
    LINK = "link"
    SPECIAL = "special"
    UNREADABLE = "unreadable"
    CHANGED = "changed"
    """It changed, or went, while it was imported."""
    UNNAMEABLE = "unnameable"
    """Its path is no Unicode or too long, and in place the path is the key."""
    DELETED = "deleted"
    """It was imported before and deleted since; copying it again would undo that."""


_SKIPPED: Final = {
    EntryKind.HARD_LINK: Skip.HARD_LINK,
    EntryKind.LINK: Skip.LINK,
    EntryKind.SPECIAL: Skip.SPECIAL,
    EntryKind.UNREADABLE: Skip.UNREADABLE,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One file that may become a row."""

    id: UUID
    entry: Entry
    key: str
    filename: str
    media_type: str
    sha256: bytes | None = None
    attempt: int = 0

    @property
    def modified_at(self) -> datetime:
        """When it last changed, within what PostgreSQL and our documents can say."""
        seconds = min(max(self.entry.modified_ns // 10**9, 0), _LAST_SECOND)
        return _EPOCH + timedelta(seconds=seconds, microseconds=self.entry.modified_ns // 1000 % 10**6)

    def read_as(self, sha256: bytes, source: SourceReader) -> Self:
        """Return it with what its bytes say; an empty file is what it is called."""
        with source.opened() as file:
            media_type = sniff_file(file, declared=self.media_type).media_type
        return replace(self, sha256=sha256, media_type=media_type if self.entry.size_bytes else self.media_type)


@dataclass(frozen=True)
class Naming:
    """How the files of one tree are named: where they lie is their key, or they get a new one."""

    root: Path
    category: Category
    in_place: bool
    prefix: str = ""
    """In place: the tree's path below the store, with a slash behind it."""
    job_id: UUID | None = None
    skip: frozenset[str] = frozenset()
    """Names at the top of the tree that are none of it."""
    bucket: BucketTree | None = None
    """Where the files are if they are in no directory; `root` then only says so."""

    def walk(self, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        """Yield what lies in the tree."""
        if self.bucket is not None:
            return self._walk_bucket(self.bucket, at_once)
        return walk_in_batches(self.root, at_once, skip=self.skip)

    async def _walk_bucket(self, bucket: BucketTree, at_once: int) -> AsyncIterator[Sequence[Entry]]:
        async for page in bucket.walk(at_once):
            if found := [entry for entry in page if not (self.in_place and self._is_none_of_it(entry.name))]:
                yield found

    def _is_none_of_it(self, name: str) -> bool:
        return is_own(f"{self.prefix}{name}") or name.partition("/")[0] in self.skip

    def open(self, entry: Entry) -> SourceReader:
        """Open a file as the walk saw it."""
        return SourceFile(self.root, entry) if self.bucket is None else self.bucket.open(entry)

    def is_as_walked(self, candidate: Candidate, found: Entry | None) -> bool:
        """Say whether what stands at a candidate's key in the store is what the walk saw of it."""
        if found is None:
            return False
        if self.bucket is not None:
            return is_same_object(found, candidate.entry)
        return replace(found, name=candidate.entry.name) == candidate.entry

    def judge(self, entry: Entry) -> Candidate | Skip:
        """Return what becomes of a name in the tree, if it can become anything."""
        skip = _SKIPPED.get(entry.kind)
        if skip is None and self.in_place and not (entry.sayable and is_short(self.prefix + entry.name)):
            skip = Skip.UNNAMEABLE
        return self.name(entry, attempt=0) if skip is None else skip

    def name(self, entry: Entry, *, attempt: int) -> Candidate:
        """Return a candidate; later attempts are other files, for ids of deleted ones are never used again."""
        file_id = self._id_of(entry, attempt)
        base = entry.name.rpartition("/")[2]
        media_type = type_of_extension(base.rpartition(".")[2]) if "." in base else type_of_extension("")
        made = Candidate(file_id, entry, self.prefix + entry.name, allowed_name(base), media_type, attempt=attempt)
        return made if self.in_place else replace(made, key=self._key_of(made))

    def again(self, candidate: Candidate) -> Candidate:
        """Return the same file under its next id."""
        renamed = self.name(candidate.entry, attempt=candidate.attempt + 1)
        return replace(renamed, sha256=candidate.sha256, media_type=candidate.media_type)

    def _id_of(self, entry: Entry, attempt: int) -> UUID:
        """Return a UUIDv7 (RFC 9562): the time is the file's, the random bits are a hash of which file it is."""
        facts = f"{self.in_place}\0{self.root}\0{entry.name}\0{entry.size_bytes}\0{entry.modified_ns}\0{attempt}"
        hashed = hashlib.sha256(facts.encode(errors="surrogateescape")).digest()
        bits = int.from_bytes(hashed[:10]) >> (80 - _RANDOM_BITS)
        milliseconds = min(max(entry.modified_ns // 10**6, 0), _LATEST_MILLISECONDS)
        high, low = bits >> 62, bits & (2**62 - 1)
        return UUID(int=milliseconds << 80 | 7 << 76 | high << 64 | 2 << 62 | low)

    def _key_of(self, candidate: Candidate) -> str:
        """Return a new key; what lay in one folder gathers in one folder where the category has such."""
        folder = f"{self.root}/{candidate.entry.name.rpartition('/')[0]}".encode(errors="surrogateescape")
        gathered = UUID(bytes=hashlib.sha256(folder).digest()[:16], version=5)
        return object_key(
            self.category,
            candidate.id,
            extension=extension_of(candidate.media_type),
            day=min(candidate.modified_at, datetime.now(UTC)),
            parent_id=gathered,
            job_id=self.job_id or gathered,
        )


def allowed_name(name: str) -> str:
    """Return a name as documents of the API allow it: printable, and neither empty nor too long."""
    if not name.isprintable():
        name = "".join("_" if unicodedata.category(sign) in _UNSAYABLE else sign for sign in name)
    return name[:LONGEST_FILENAME] or "_"


def count_bytes(candidates: Collection[Candidate]) -> int:
    return sum(candidate.entry.size_bytes for candidate in candidates)


def portions(candidates: Sequence[Candidate]) -> Sequence[Sequence[Candidate]]:
    """Split a batch of files to be copied."""
    parts: list[list[Candidate]] = []
    room = 0
    for candidate in candidates:
        if candidate.entry.size_bytes > room or not parts:
            parts.append([])
            room = COPY_BATCH_BYTES
        parts[-1].append(candidate)
        room -= candidate.entry.size_bytes
    return parts
