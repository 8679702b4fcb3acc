"""What was made of a file: frames, sheets, and what players show of it."""

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import aliased

from media_analysis.columns import is_living
from media_analysis.db.database import clock
from media_analysis.files.indexes import OF_PREVIEW
from media_analysis.files.models import MediaFile
from media_analysis.states import FileState

MOST_LOOKED_AT: Final = 1_000
"""How many of the newest are looked at for those that can still be read."""
MOST_PREVIEWS: Final = 6


class DerivedPage(NamedTuple):
    """The newest of what was made of a file, and whether there may be more."""

    files: Sequence[MediaFile]
    has_more: bool


async def list_derived(session: AsyncSession, parent_id: UUID, *, owner: str | None, limit: int) -> DerivedPage:
    """Return what was made of a file and can be read, the newest first; older than some thousand it is left out."""
    files = (await session.scalars(select_derived(parent_id, owner=owner, limit=limit + 1))).all()
    older = select(MediaFile.id).where(MediaFile.parent_id == parent_id).offset(MOST_LOOKED_AT)
    has_more = len(files) > limit or bool(await session.scalar(select(exists(older))))
    return DerivedPage(files[:limit], has_more)


def select_derived(parent_id: UUID, *, owner: str | None, limit: int) -> Select[MediaFile]:
    """Return the query for the newest of what was made of a file, which looks at so many and no more."""
    newest = select(MediaFile).where(MediaFile.parent_id == parent_id).order_by(MediaFile.id.desc())
    file = aliased(MediaFile, newest.limit(MOST_LOOKED_AT).subquery())
    return select(file).where(*_readable(file, owner)).order_by(file.id.desc()).limit(limit)


def select_previews(parent_id: UUID, *, owner: str | None) -> Select[MediaFile]:
    """Return the query for the newest of what players show of a file, however much else was made of it."""
    query = select(MediaFile).where(MediaFile.parent_id == parent_id, OF_PREVIEW, *_readable(MediaFile, owner))
    return query.order_by(MediaFile.id.desc()).limit(MOST_PREVIEWS)


def _readable(file: type[MediaFile], owner: str | None) -> list[ColumnElement[bool]]:
    of_owner = [] if owner is None else [file.owner == owner]
    living = is_living(file.expires_at, clock(None))
    return [*of_owner, file.state == FileState.STORED, file.rendition.is_(None), living]
