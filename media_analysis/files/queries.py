"""Reading and changing single files; every statement carries the owner it is allowed to touch."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import is_living
from media_analysis.db.database import clock
from media_analysis.files.expiry import Expiry
from media_analysis.files.models import MediaFile, Tombstone
from media_analysis.files.protection import ending
from media_analysis.states import FileState


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
