"""Reading, listing and changing files, as their owner sees them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.audit import Act, Action, add_events
from media_analysis.db.database import Database
from media_analysis.db.ids import find_ids
from media_analysis.errors import FileArchived, FileGone, FileNotFound, FileNotReady, InvalidRequest, ObjectMissing
from media_analysis.files import derived, queries
from media_analysis.files.archived import has_copy, require_no_segment
from media_analysis.files.damage import open_tracked
from media_analysis.files.derived import DerivedPage
from media_analysis.files.expiry import Expiry
from media_analysis.files.filters import FileFilter
from media_analysis.files.models import MediaFile, Tombstone
from media_analysis.files.named import find_named
from media_analysis.files.queries import ContentDigest
from media_analysis.files.reading import FilePage, FilePlace, list_files
from media_analysis.files.upload.pending import NO_SUCH_OBJECT
from media_analysis.labels import Relabel
from media_analysis.sessions.limits import Limit
from media_analysis.sessions.service import Caller
from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectReader, ObjectStore

Condition = Callable[[MediaFile], None]
"""Raises unless a file is what somebody who wants it changed takes it for."""


@dataclass(frozen=True)
class FileService:
    """What an owner may see and change of a file; `owner=None` is an administrator's view of all."""

    db: Database
    store: ObjectStore

    async def get(self, file_id: UUID, *, owner: str | None, now: datetime | None = None) -> MediaFile:
        """Return a living file, pending ones included.

        Raises:
            FileNotFound: unknown, or somebody else's.
            FileGone: deleted or expired.

        """

        async def read() -> MediaFile:
            async with self.db.read_only() as session:
                return await require_living(session, file_id, owner=owner, now=now)

        return await self.db.retry(read)

    async def get_known(self, file_id: UUID, *, owner: str | None) -> MediaFile | Tombstone:
        """Return a file in whatever state it is, or what stays of it.

        Raises:
            FileNotFound: unknown, somebody else's, or an upload that was never acknowledged.

        """

        async def read() -> MediaFile | Tombstone:
            async with self.db.read_only() as session:
                if (found := await queries.get_file(session, file_id, owner=owner, now=None)) is not None:
                    return found[0]
                stone = await queries.get_tombstone(session, file_id, owner=owner)
                if stone is None or stone.state is FileState.PENDING:
                    raise FileNotFound(file_id)
                return stone

        return await self.db.retry(read)

    async def list_derived(self, parent_id: UUID, *, owner: str | None, limit: int) -> DerivedPage:
        """Return what was made of a file of late and can be read, the newest first."""

        async def read() -> DerivedPage:
            async with self.db.read_only() as session:
                return await derived.list_derived(session, parent_id, owner=owner, limit=limit)

        return await self.db.retry(read)

    async def list_previews(self, parent_id: UUID, *, owner: str | None) -> Sequence[MediaFile]:
        """Return what previews of a file made for players, the newest first."""

        async def read() -> Sequence[MediaFile]:
            async with self.db.read_only() as session:
                return (await session.scalars(derived.select_previews(parent_id, owner=owner))).all()

        return await self.db.retry(read)

    async def open(
        self, file_id: UUID, *, owner: str | None, now: datetime | None = None
    ) -> tuple[MediaFile, ObjectReader]:
        """Return a file and its opened bytes, readable to the end even if it is deleted meanwhile.

        Raises:
            FileNotReady: the upload has not ended.
            FileNotFound, FileGone, ObjectMissing, ObjectDamaged: as the names say.

        """
        file = await self.get(file_id, owner=owner, now=now)
        if file.state is not FileState.STORED:
            raise FileNotReady(file_id)
        try:
            return file, await open_tracked(self.db, self.store, file)
        except ObjectMissing:
            await self.get(file_id, owner=owner, now=now)  # deleted between the two, it is gone rather than missing
            raise

    async def list(self, wanted: FileFilter, *, after: FilePlace | None, limit: int) -> FilePage:
        """Return one page of living files, or of the trash where `wanted` says so."""
        return await self.db.retry(lambda: list_files(self.db.driver.reads, wanted, after=after, limit=limit))

    async def find_named(self, wanted: FileFilter, name: str, *, after: FilePlace | None, limit: int) -> FilePage:
        """Return one page of those whose names contain `name`; it may be empty although another one comes."""
        return await self.db.retry(lambda: find_named(self.db.driver.reads, wanted, name, after=after, limit=limit))

    async def find_contents(
        self, contents: Sequence[ContentDigest], *, owner: str, limit: Limit | None = None
    ) -> Mapping[ContentDigest, tuple[UUID, datetime | None]]:
        """Return which of these bytes an owner has as a file that lives, with its end.

        Nothing is told of anybody else's, or of what a limit leaves out.
        """

        async def read() -> Mapping[ContentDigest, tuple[UUID, datetime | None]]:
            async with self.db.read_only() as session:
                return await queries.find_contents(session, contents, owner=owner, limit=limit)

        return await self.db.retry(read)

    async def require_reached(self, file_id: UUID, caller: Caller) -> None:
        """Return if a limited session reaches a file, living or gone.

        Raises:
            FileNotFound: unknown, somebody else's, or outside of the limit.

        """

        async def read() -> tuple[Category, Mapping[str, str] | None] | None:
            async with self.db.read_only() as session:
                return await queries.get_marks(session, file_id, owner=caller.owner)

        marks = await self.db.retry(read)
        if marks is None or caller.limit is None or not caller.limit.admits(*marks):
            raise FileNotFound(file_id)

    async def require_parent(self, parent_id: UUID | None, caller: Caller) -> None:
        """Return if a session reaches what an upload of it is to be derived from.

        Raises:
            InvalidRequest: it is limited, and the parent is outside of that.

        """
        if parent_id is None or caller.limit is None:
            return
        # Its labels may be changed before the upload is registered: the session reached it when it asked.
        try:
            await self.require_reached(parent_id, caller)
        except FileNotFound:
            raise InvalidRequest("parent_id", NO_SUCH_OBJECT) from None

    async def find(self, digits: str, *, limit: int) -> Sequence[UUID]:
        """Return the ids of files, living or gone, that begin or end with these hexadecimal digits."""
        async with self.db.read_only() as session:
            living = await find_ids(session, MediaFile.id, digits, limit=limit)
            gone = await find_ids(session, Tombstone.id, digits, limit=limit)
        return list(dict.fromkeys([*living, *gone]))[:limit]

    async def change(
        self,
        file_id: UUID,
        *,
        owner: str | None,
        actor: str | None = None,
        filename: str | None = None,
        expiry: Expiry | None = None,
        relabel: Relabel | None = None,
        condition: Condition | None = None,
        now: datetime | None = None,
    ) -> MediaFile:
        """Rename a file, label it or set when it expires; new labels and a new end are audited.

        Raises:
            FileNotFound, FileGone, FileNotReady: there is nothing to change.
            ArchiveOfJob: its end is that of its run.
            InvalidRequest: it would have more labels than a file may have.

        """

        async def write() -> MediaFile:
            async with self.db.transaction() as session:
                before = labels = None
                if condition is not None or relabel is not None:
                    await queries.lock_row(session, file_id, owner=owner)
                    file = await require_living(session, file_id, owner=owner, now=now)
                    if condition is not None:
                        condition(file)
                    before = file.labels or {}
                    labels = None if relabel is None else relabelled(before, relabel)
                changed = await queries.mark_changed(
                    session, file_id, owner=owner, filename=filename, expiry=expiry, labels=labels, now=now
                )
                if changed is None:
                    await require_living(session, file_id, owner=owner, now=now)
                    raise FileNotReady(file_id)
                await require_no_segment(session, file_id)
                await add_events(session, _told(changed, actor or changed.owner, before, labels, expiry))
                return changed

        return await self.db.retry(write)


def relabelled(before: Mapping[str, str], relabel: Relabel) -> Mapping[str, str]:
    """Return the labels that a thing is to have.

    Raises:
        InvalidRequest: they are more than it may have.

    """
    try:
        return relabel(before)
    except ValueError as error:
        raise InvalidRequest("labels", str(error)) from error


def _told(
    file: MediaFile,
    actor: str,
    before: Mapping[str, str] | None,
    labels: Mapping[str, str] | None,
    expiry: Expiry | None,
) -> list[Act]:
    """Return what is to be remembered of a change."""
    ends_at = None if file.expires_at is None else file.expires_at.isoformat()
    told: list[tuple[Action, dict[str, Any]]] = [(Action.EXTENDED, {"expires_at": ends_at})] if expiry else []
    if labels is not None and labels != before:
        told.append((Action.LABELLED, {"labels": dict(labels), "before": dict(before or {})}))
    return [
        Act(actor=actor, action=action, owner=file.owner, file_id=file.id, details=details) for action, details in told
    ]


async def require_living(session: AsyncSession, file_id: UUID, *, owner: str | None, now: datetime | None) -> MediaFile:
    """Return a file that its owner can still see.

    Raises:
        FileNotFound, FileGone: unknown, expired, in the trash or deleted.
        FileArchived: it lies in the archive of its run.

    """
    found = await queries.get_file(session, file_id, owner=owner, now=now)
    if found is None:
        await raise_gone(session, file_id, owner=owner)
    file, expired = found
    if file.state is FileState.TRASHED:
        raise _in_trash(file)
    if expired and file.expires_at is not None:
        rule = RetentionRule.EXPLICIT_EXPIRY if file.expiry_explicit else RetentionRule.CATEGORY_LIFETIME
        raise FileGone(file_id, rule=rule.value, gone_at=file.expires_at, deleted_at=None)
    return file


def _in_trash(file: MediaFile) -> FileGone:
    trashed_at = file.trashed_at or file.created_at
    return FileGone(
        file.id,
        rule=(file.trash_rule or RetentionRule.REQUESTED).value,
        gone_at=min(trashed_at, file.expires_at or trashed_at),
        deleted_at=trashed_at,
        restorable_until=file.trash_ends_at,
    )


async def raise_gone(session: AsyncSession, file_id: UUID, *, owner: str | None) -> NoReturn:
    """Raise what an absent file is: gone with its tombstone's facts, or unknown.

    An upload that was never acknowledged is unknown, although a tombstone remembers it.
    """
    stone = await queries.get_tombstone(session, file_id, owner=owner)
    if stone is None or stone.state is FileState.PENDING:
        raise FileNotFound(file_id)
    if stone.rule is RetentionRule.ARCHIVED and stone.job_id is not None and await has_copy(session, file_id):
        raise FileArchived(file_id, job_id=stone.job_id, archived_at=stone.deleted_at)
    deleted_at = stone.trashed_at or stone.deleted_at
    gone_at = min(deleted_at, stone.expires_at or deleted_at)
    raise FileGone(file_id, rule=stone.rule.value, gone_at=gone_at, deleted_at=deleted_at)
