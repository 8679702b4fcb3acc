"""One pass over all there is to move: what the target lacks is copied, what is gone from the source deleted there."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar
from uuid import UUID

from media_analysis.db.database import Database, retried
from media_analysis.errors import StoreUnavailable
from media_analysis.failpoints import failpoint
from media_analysis.files.transitions import mark_hashed
from media_analysis.integrity.inspection import BEFORE_ALL, ReadThrottle
from media_analysis.moves import statements
from media_analysis.moves.copying import CopyOutcome, MoveCopier
from media_analysis.moves.models import StoreMove
from media_analysis.moves.places import OpenPlace
from media_analysis.moves.statements import SourceObject
from media_analysis.storage.copying import delete_copies
from media_analysis.storage.entries import Entry, EntryKind
from media_analysis.storage.keys import is_short

Keys = TypeVar("Keys", bound=Collection[str])
PAGE: Final = 200
PAGE_BYTES: Final = 256 * 2**20
"""After so many bytes progress is written down; what a process that was killed copied since is read again."""


@dataclass
class MoveReport:
    """What one run of a move has done so far."""

    copied: int = 0
    size_bytes: int = 0
    deleted: int = 0
    skipped: int = 0
    """What was set aside and is no file, or has a name that cannot be said or is too long."""


@dataclass
class MovePass:
    """Goes through rows in the order of their ids, then through what was set aside; memory stays flat."""

    db: Database
    move: StoreMove
    source: OpenPlace
    target: OpenPlace
    throttle: ReadThrottle
    tell: Callable[[MoveReport], None]
    require_alone: Callable[[], Awaitable[None]]
    """Another run would write under the same keys, and delete what it takes for broken off."""
    moves_quarantine: bool
    report: MoveReport = field(default_factory=MoveReport)

    async def run(self) -> int:
        """Copy what is not in the target, delete from it what is gone from the source; return how much was copied."""
        before = self.report.copied
        await self._copy_files()
        if self.moves_quarantine:
            await self._copy_set_aside()
            await self._delete_ended()
        await self._delete_gone()
        return self.report.copied - before

    async def _copy_files(self) -> None:
        after: UUID = BEFORE_ALL
        while True:
            async with self.db.read_only() as session:
                found = await statements.list_to_copy(session, self.move, after=after, limit=PAGE)
            if not found:
                return
            files = _first_bytes(found)
            await self._copy(files)
            after = files[-1].file_id or after

    async def _copy(self, files: Sequence[SourceObject]) -> None:
        await self.require_alone()
        await self._begin(files)
        failpoint("move.registered")
        copier = MoveCopier(self.source, self.target, self.throttle, self.require_alone)
        outcomes = await copier.copy_all(files)
        failpoint("move.page_copied")
        await self._record(files, outcomes)
        failpoint("move.recorded")
        self.report.copied += sum(outcome.error is None for outcome in outcomes.values())
        self.report.size_bytes += sum(file.size_bytes for file in files if outcomes[file.key].error is None)
        self.tell(self.report)

    @retried
    async def _begin(self, files: Sequence[SourceObject]) -> None:
        async with self.db.transaction() as session:
            await statements.begin_copies(session, self.move, files)

    @retried
    async def _record(self, files: Sequence[SourceObject], outcomes: Mapping[str, CopyOutcome]) -> None:
        hashed = [
            (file.file_id, file.size_bytes, sha256)
            for file in files
            if file.file_id is not None and file.sha256 is None and (sha256 := outcomes[file.key].sha256) is not None
        ]
        async with self.db.transaction() as session:
            errors = {key: outcome.error for key, outcome in outcomes.items()}
            await statements.record_copies(session, self.move, errors)
            await mark_hashed(session, hashed)

    async def _copy_set_aside(self) -> None:
        self.report.skipped = 0
        for day in await self.source.store.list_quarantine_days():
            async for entries in self.source.store.walk_quarantine(day, PAGE):
                files = [entry for entry in entries if _is_copied(entry)]
                self.report.skipped += len(entries) - len(files)
                await self._copy_entries(files)

    async def _copy_entries(self, entries: Sequence[Entry]) -> None:
        async with self.db.read_only() as session:
            known = await statements.list_known(session, self.move, [entry.name for entry in entries])
        waiting = [
            SourceObject(None, entry.name, entry.size_bytes, None, entry.name in known)
            for entry in entries
            if not known.get(entry.name, False)
        ]
        while waiting:
            files = _first_bytes(waiting)
            await self._copy(files)
            waiting = waiting[len(files) :]

    async def _delete_ended(self) -> None:
        """Delete from the target what was set aside and has come to its end since it was copied."""
        async for places in self._pages(statements.list_set_aside):
            found = await self.source.store.look_up(places)
            gone = [place for place, entry in zip(places, found, strict=True) if entry is None]
            if gone:
                await self._note_deleted(gone, (await self.target.store.delete_set_aside(gone)).failed)

    async def _delete_gone(self) -> None:
        async for gone in self._pages(statements.list_gone):
            failed: dict[str, str] = {}
            for is_secure in {*gone.values()}:
                keys = [key for key, wanted in gone.items() if wanted is is_secure]
                failed |= await delete_copies(self.target.store, keys, overwrite=is_secure)
            failpoint("move.deleted")
            await self._note_deleted(list(gone), failed)

    async def _pages(self, list_keys: Callable[..., Awaitable[Keys]]) -> AsyncIterator[Keys]:
        """Yield all there is, a page at a time, in the order of the keys."""
        after = ""
        while True:
            async with self.db.read_only() as session:
                found = await list_keys(session, self.move, after=after)
            if not found:
                return
            *_, after = found
            yield found

    @retried
    async def _note_deleted(self, keys: Sequence[str], failed: Mapping[str, str]) -> None:
        if failed:
            key, reason = next(iter(failed.items()))
            raise StoreUnavailable(f"{self.target.store.where(key)} cannot be deleted: {reason}")
        async with self.db.transaction() as session:
            await statements.mark_deleted(session, self.move, keys)
        self.report.deleted += len(keys)
        self.tell(self.report)


def _is_copied(entry: Entry) -> bool:
    return entry.kind is EntryKind.FILE and entry.sayable and is_short(entry.name)


def _first_bytes(files: Sequence[SourceObject]) -> Sequence[SourceObject]:
    """Return the first of the files, at least one, that together have no more than a page's bytes."""
    size_bytes = 0
    for number, file in enumerate(files):
        size_bytes += file.size_bytes
        if number and size_bytes > PAGE_BYTES:
            return files[:number]
    return files
