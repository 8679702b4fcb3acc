"""Reading and changing single files; every statement carries the owner it is allowed to touch."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import is_living
from media_analysis.db.database import clock
from media_analysis.files.expiry import Expiry
from media_analysis.files.indexes import content_digest
from media_analysis.files.models import MediaFile, Tombstone
from media_analysis.files.protection import ending
from media_analysis.sessions.limits import Limit
from media_analysis.states import FileState
from media_analysis.storage.category import Category

# By the owner and the hash together, as the index has them: what others have of the same bytes is hardly ever read.
_FIND_CONTENTS: Final = f"""
    SELECT asked.sha256, asked.size_bytes, found.id, found.expires_at
    FROM unnest(CAST(:hashes AS bytea[]), CAST(:sizes AS bigint[])) AS asked(sha256, size_bytes)
    CROSS JOIN LATERAL (
        SELECT file.id, file.expires_at FROM media_files AS file
        WHERE {content_digest("CAST(:owner AS text)", "asked.sha256")} = {content_digest("file.owner", "file.sha256")}
            AND file.owner = :owner AND file.sha256 = asked.sha256 AND file.size_bytes = asked.size_bytes
            AND file.state = 'stored' AND file.last_error IS NULL AND file.rendition IS NULL
            AND (file.expires_at IS NULL OR file.expires_at > now()) AND {{reached}}
        ORDER BY file.expires_at DESC NULLS FIRST, file.id LIMIT 1
    ) AS found
"""  # noqa: S608 - fragments of ours


def _of(owner: str | None) -> list[ColumnElement[bool]]:
    return [] if owner is None else [MediaFile.owner == owner]


def _living(now: datetime | None) -> ColumnElement[bool]:
    return is_living(MediaFile.expires_at, clock(now))


class ContentDigest(NamedTuple):
    """Bytes by what they hash to, and how many they are."""

    sha256: bytes
    size_bytes: int


async def find_contents(
    session: AsyncSession, contents: Sequence[ContentDigest], *, owner: str, limit: Limit | None = None
) -> Mapping[ContentDigest, tuple[UUID, datetime | None]]:
    """Return those of which an owner has a stored file that lives, with its end: of several, the last one to go.

    One that is known to be damaged does not count: who has the bytes would let go of the last whole copy.
    """
    asked = list(dict.fromkeys(contents))
    sizes = [content.size_bytes for content in asked]
    given: dict[str, object] = {"owner": owner, "hashes": [content.sha256 for content in asked], "sizes": sizes}

    def number(value: object) -> str:
        given[name := f"limit_{len(given)}"] = value
        return f":{name}"

    reached = "true" if limit is None else limit.condition(number, "file")
    rows = await session.execute(text(_FIND_CONTENTS.format(reached=reached)), given)
    return {ContentDigest(row.sha256, row.size_bytes): (row.id, row.expires_at) for row in rows}


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


async def get_marks(
    session: AsyncSession, file_id: UUID, *, owner: str
) -> tuple[Category, Mapping[str, str] | None] | None:
    """Return the category and the labels of an owner's file, or of what stays of a deleted one."""
    for rows in (MediaFile, Tombstone):
        query = select(rows.category, rows.labels).where(rows.id == file_id, rows.owner == owner)
        found = (await session.execute(query)).one_or_none()
        if found is not None:
            return found[0], found[1]
    return None


async def list_outside(session: AsyncSession, file_ids: Sequence[UUID], *, limit: Limit) -> Sequence[UUID]:
    """Return those of some files that a limit leaves out."""
    query = select(MediaFile.id, MediaFile.category, MediaFile.labels).where(MediaFile.id.in_(file_ids))
    return [row[0] for row in await session.execute(query) if not limit.admits(row[1], row[2])]


async def lock_row(session: AsyncSession, file_id: UUID, *, owner: str | None) -> None:
    """Let nobody change a file before this transaction ends; nobody else's is waited for."""
    await session.execute(select(MediaFile.id).where(MediaFile.id == file_id, *_of(owner)).with_for_update())


async def mark_changed(
    session: AsyncSession,
    file_id: UUID,
    *,
    owner: str | None,
    filename: str | None,
    expiry: Expiry | None,
    labels: Mapping[str, str] | None,
    now: datetime | None,
) -> MediaFile | None:
    """Rename, label or re-date a stored, living file; None where there is none."""
    changes: dict[str, Any] = {} if filename is None else {"filename": filename}
    if labels is not None:
        changes |= {"labels": dict(labels) or None, "version": MediaFile.version + 1}
    if expiry is not None:
        changes |= ending(expiry.at if expiry.lifetime is None else clock(now) + expiry.lifetime)
    statement = (
        update(MediaFile)
        .where(MediaFile.id == file_id, *_of(owner), MediaFile.state == FileState.STORED, _living(now))
        .values(**changes)
        .returning(MediaFile)
    )
    return (await session.scalars(statement)).one_or_none()
