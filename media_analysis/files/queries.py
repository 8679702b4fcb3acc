"""Reading and changing single files; every statement carries the owner it is allowed to touch."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, text, true, update
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import is_living
from media_analysis.db.database import clock
from media_analysis.files.expiry import Expiry
from media_analysis.files.models import MediaFile, Tombstone
from media_analysis.files.protection import ending
from media_analysis.states import FileState
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True)
class FileFilter:
    """Which files a list shows; None means any."""

    owner: str | None = None
    category: Category | None = None
    job_id: UUID | None = None
    state: FileState | None = None
    expires_before: datetime | None = None

    def conditions(self) -> list[ColumnElement[bool]]:
        wanted: list[ColumnElement[bool]] = [
            column == value
            for column, value in (
                (MediaFile.owner, self.owner),
                (MediaFile.category, self.category),
                (MediaFile.job_id, self.job_id),
                (MediaFile.state, self.state),
            )
            if value is not None
        ]
        if self.expires_before is not None:
            wanted.append(MediaFile.expires_at < self.expires_before)
        return wanted

    def alive(self, now: datetime | None) -> ColumnElement[bool]:
        """What is gone for its owner is not listed, unless the trash is asked for."""
        if self.state is FileState.TRASHED:
            return true()
        return _living(now) & (MediaFile.state != FileState.TRASHED)


def _of(owner: str | None) -> list[ColumnElement[bool]]:
    return [] if owner is None else [MediaFile.owner == owner]


def _living(now: datetime | None) -> ColumnElement[bool]:
    return is_living(MediaFile.expires_at, clock(now))


async def has_files(session: AsyncSession) -> bool:
    """Say whether the database ever knew a file."""
    known = text("SELECT EXISTS (SELECT FROM media_files) OR EXISTS (SELECT FROM tombstones)")
    return bool((await session.execute(known)).scalar_one())


async def get_file(
    session: AsyncSession, file_id: UUID, *, owner: str | None, now: datetime | None
) -> tuple[MediaFile, bool] | None:
    """Return the file and whether it has expired."""
    query = select(MediaFile, ~_living(now)).where(MediaFile.id == file_id, *_of(owner))
    row = (await session.execute(query)).one_or_none()
    return None if row is None else (row[0], row[1])


async def get_tombstone(session: AsyncSession, file_id: UUID, *, owner: str | None) -> Tombstone | None:
    """Return what stays of a deleted file."""
    query = select(Tombstone).where(Tombstone.id == file_id)
    if owner is not None:
        query = query.where(Tombstone.owner == owner)
    return (await session.scalars(query)).one_or_none()


async def list_files(
    session: AsyncSession, wanted: FileFilter, *, before: UUID | None, limit: int, now: datetime | None
) -> Sequence[MediaFile]:
    """Return living files, newest first, older than `before`."""
    query = select(MediaFile).where(*wanted.conditions(), wanted.alive(now))
    if before is not None:
        query = query.where(MediaFile.id < before)
    return (await session.scalars(query.order_by(MediaFile.id.desc()).limit(limit))).all()


async def lock_row(session: AsyncSession, file_id: UUID) -> None:
    """Let nobody change a file before this transaction ends."""
    await session.execute(select(MediaFile.id).where(MediaFile.id == file_id).with_for_update())


async def mark_changed(
    session: AsyncSession,
    file_id: UUID,
    *,
    owner: str | None,
    filename: str | None,
    expiry: Expiry | None,
    now: datetime | None,
) -> MediaFile | None:
    """Rename or re-date a stored, living file; None where there is none."""
    changes: dict[str, Any] = {} if filename is None else {"filename": filename}
    if expiry is not None:
        changes |= ending(expiry.at if expiry.lifetime is None else clock(now) + expiry.lifetime)
    statement = (
        update(MediaFile)
        .where(MediaFile.id == file_id, *_of(owner), MediaFile.state == FileState.STORED, _living(now))
        .values(**changes)
        .returning(MediaFile)
    )
    return (await session.scalars(statement)).one_or_none()
