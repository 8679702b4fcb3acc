"""The statements of resumable uploads; each leaves the upload and its pending file with one end."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.expiry import Expiry
from media_analysis.files.resumable.models import END_UPLOADS, PARTIAL
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.service import Upload
from media_analysis.states import FileState
from media_analysis.storage.category import Category

_KNOWN: Final = """
    SELECT upload.*, upload.ends_at <= now() AS is_over, file.state AS file_state, file.key, file.media_type
    FROM resumable_uploads AS upload LEFT JOIN media_files AS file USING (id)
"""
_FIND = text(f"""
    {_KNOWN} WHERE id = ANY(CAST(:ids AS uuid[])) AND (CAST(:owner AS text) IS NULL OR upload.owner = :owner)
""")
_OF_OWNER: Final = f"{_KNOWN} WHERE NOT is_finished AND upload.owner = :owner"
_OF_ALL: Final = f"{_KNOWN} WHERE NOT is_finished"
_PAGE: Final = """
    AND ends_at > now() AND (file.state IS NULL OR file.state = 'pending')
    AND (CAST(:before AS uuid) IS NULL OR id < :before) ORDER BY id DESC LIMIT :limit
"""
_ADD = text("""
    INSERT INTO resumable_uploads (id, owner, wish, metadata_text, concat, length_bytes, ends_at)
    SELECT :id, CAST(:owner AS text), CAST(:wish AS jsonb), :metadata_text, CAST(:concat AS text),
        CAST(:length_bytes AS bigint), now() + make_interval(secs => :unfinished_seconds)
    WHERE (
        SELECT count(*) FROM (
            SELECT FROM resumable_uploads WHERE owner = CAST(:owner AS text) AND NOT is_finished LIMIT :most
        ) AS unfinished
    ) < :most
    ON CONFLICT (id) DO UPDATE SET ends_at = excluded.ends_at
    RETURNING id
""")
_CLAIM = text("""
    WITH moved AS (
        UPDATE resumable_uploads SET fence = fence + 1, length_bytes = coalesce(length_bytes, :length_bytes),
            ends_at = now() + make_interval(secs => :unfinished_seconds)
        WHERE id = :id AND offset_bytes = :offset_bytes AND NOT is_finished AND ends_at > now()
        RETURNING id, fence, ends_at
    ), dated AS (
        UPDATE media_files AS file SET due_at = moved.ends_at FROM moved
        WHERE file.id = moved.id AND file.state = 'pending'
    )
    SELECT fence FROM moved
""")
_ADVANCE = text("""
    WITH moved AS (
        UPDATE resumable_uploads SET offset_bytes = :offset_bytes,
            ends_at = now() + make_interval(secs => :unfinished_seconds)
        WHERE id = :id AND fence = :fence
        RETURNING id, ends_at
    )
    UPDATE media_files AS file SET arrived_bytes = :offset_bytes, due_at = moved.ends_at FROM moved
    WHERE file.id = moved.id AND file.state = 'pending'
    RETURNING file.id
""")
_FINISH = text("""
    UPDATE resumable_uploads SET is_finished = true, offset_bytes = :length_bytes, length_bytes = :length_bytes,
        ends_at = now() + make_interval(secs => :unfinished_seconds)
    WHERE id = :id
""")
_JOIN = text("""
    UPDATE resumable_uploads SET joined_id = :joined_id, is_finished = true
    WHERE id = ANY(ARRAY(
        SELECT id FROM resumable_uploads WHERE id = ANY(CAST(:ids AS uuid[])) ORDER BY id FOR UPDATE
    ))
""")
_FENCE = text("SELECT fence FROM resumable_uploads WHERE id = :id AND NOT is_finished")
_PARKED = text("""
    SELECT coalesce(sum(arrived_bytes), 0)::bigint FROM media_files
    WHERE state = 'pending' AND category = CAST(:category AS category) AND owner = :owner AND id <> :id
""")
_END = text(f"{END_UPLOADS} WHERE id = ANY(CAST(:ids AS uuid[]))")


@dataclass(frozen=True, slots=True)
class KnownUpload:
    """A resumable upload as it is: what was said of it, what came, and what became of that."""

    id: UUID
    owner: str
    upload: Upload
    metadata: str
    concat: str | None
    joined_id: UUID | None
    length_bytes: int | None
    offset_bytes: int
    created_at: datetime
    ends_at: datetime
    is_over: bool
    is_finished: bool
    file_state: FileState | None
    key: str | None
    media_type: str | None

    @property
    def is_partial(self) -> bool:
        """Whether it is only there to be joined with others."""
        return self.concat == PARTIAL

    @property
    def is_whole(self) -> bool:
        """Whether all of its bytes are durable."""
        return self.offset_bytes == self.length_bytes

    @property
    def is_stored(self) -> bool:
        """Whether it has become a file."""
        return self.file_state not in {None, FileState.PENDING}

    @property
    def is_gone(self) -> bool:
        """Whether nothing of it is there any more, or soon will be."""
        came = self.offset_bytes > 0 or (self.is_finished and not self.is_partial)
        return not self.is_stored and (self.is_over or (self.file_state is None and came))

    def registration(self, key: str, media_type: str) -> Registration:
        """Return what is registered of it, as its pending file lies there."""
        said = self.upload
        return Registration(
            id=self.id,
            owner=self.owner,
            category=said.category,
            key=key,
            filename=said.filename,
            media_type=media_type,
            job_id=said.job_id,
            parent_id=said.parent_id,
        )


def wish_of(upload: Upload) -> dict[str, Any]:
    """Return what a client says of a file, as it is kept."""
    expiry = upload.expiry
    return {
        "category": upload.category.value,
        "filename": upload.filename,
        "declared_type": upload.declared_type,
        "job_id": upload.job_id and str(upload.job_id),
        "parent_id": upload.parent_id and str(upload.parent_id),
        "expiry": expiry and {"at": expiry.at and expiry.at.isoformat(), "lifetime_seconds": expiry.lifetime_seconds},
    }


def upload_of(owner: str, wish: dict[str, Any], length_bytes: int | None) -> Upload:
    """Return what a client said of a file."""
    return Upload(
        owner=owner,
        category=Category(wish["category"]),
        filename=wish["filename"],
        declared_type=wish["declared_type"],
        declared_bytes=length_bytes,
        expiry=_expiry_of(wish["expiry"]),
        job_id=_id_of(wish["job_id"]),
        parent_id=_id_of(wish["parent_id"]),
    )


def _id_of(told: str | None) -> UUID | None:
    return None if told is None else UUID(told)


def _expiry_of(told: dict[str, Any] | None) -> Expiry | None:
    if told is None:
        return None
    at, seconds = told["at"], told["lifetime_seconds"]
    return Expiry(
        at=None if at is None else datetime.fromisoformat(at),
        lifetime=None if seconds is None else timedelta(seconds=seconds),
    )


def _known(row: Any) -> KnownUpload:
    return KnownUpload(
        id=row.id,
        owner=row.owner,
        upload=upload_of(row.owner, row.wish, row.length_bytes),
        metadata=row.metadata_text,
        concat=row.concat,
        joined_id=row.joined_id,
        length_bytes=row.length_bytes,
        offset_bytes=row.offset_bytes,
        created_at=row.created_at,
        ends_at=row.ends_at,
        is_over=row.is_over,
        is_finished=row.is_finished,
        file_state=None if row.file_state is None else FileState(row.file_state),
        key=row.key,
        media_type=row.media_type,
    )


async def find_uploads(session: AsyncSession, ids: Sequence[UUID], *, owner: str | None) -> dict[UUID, KnownUpload]:
    """Return those of these uploads that are an owner's; None is everybody's."""
    rows = await session.execute(_FIND, {"ids": ids, "owner": owner})
    return {row.id: _known(row) for row in rows}


async def list_unfinished(
    session: AsyncSession, *, owner: str | None, before: UUID | None, limit: int
) -> Sequence[KnownUpload]:
    """Return uploads that are under way, newest first."""
    which = _OF_ALL if owner is None else _OF_OWNER
    rows = await session.execute(
        text(f"{which} {_PAGE}"), {"before": before, "limit": limit} | ({} if owner is None else {"owner": owner})
    )
    return [_known(row) for row in rows]


async def add_upload(
    session: AsyncSession,
    upload_id: UUID,
    upload: Upload,
    *,
    metadata: str,
    concat: str | None,
    unfinished_seconds: float,
    most: int,
) -> bool:
    """Note an upload that is to come; False where its owner has as many unfinished as one may."""
    asked = {
        "id": upload_id,
        "owner": upload.owner,
        "wish": orjson.dumps(wish_of(upload)).decode(),
        "metadata_text": metadata,
        "concat": concat,
        "length_bytes": upload.declared_bytes,
        "unfinished_seconds": unfinished_seconds,
        "most": most,
    }
    return (await session.execute(_ADD, asked)).one_or_none() is not None


async def claim_upload(
    session: AsyncSession, upload_id: UUID, *, offset_bytes: int, length_bytes: int | None, unfinished_seconds: float
) -> int | None:
    """Return the fence of a request that goes on with an upload behind so many bytes, None if that is not its end."""
    asked = {
        "id": upload_id,
        "offset_bytes": offset_bytes,
        "length_bytes": length_bytes,
        "unfinished_seconds": unfinished_seconds,
    }
    fence: int | None = (await session.execute(_CLAIM, asked)).scalar_one_or_none()
    return fence


async def advance_upload(
    session: AsyncSession, upload_id: UUID, *, fence: int, offset_bytes: int, unfinished_seconds: float
) -> bool:
    """Note how many bytes are durable; False where another request goes on, or the pending file is gone."""
    asked = {
        "id": upload_id,
        "fence": fence,
        "offset_bytes": offset_bytes,
        "unfinished_seconds": unfinished_seconds,
    }
    return (await session.execute(_ADVANCE, asked)).one_or_none() is not None


async def finish_upload(
    session: AsyncSession, upload_id: UUID, *, length_bytes: int, unfinished_seconds: float
) -> None:
    """Note that nothing is to come any more of an upload that has so many bytes."""
    asked = {"id": upload_id, "length_bytes": length_bytes, "unfinished_seconds": unfinished_seconds}
    await session.execute(_FINISH, asked)


async def mark_joined(session: AsyncSession, ids: Sequence[UUID], joined_id: UUID) -> None:
    """Note what uploads have become parts of."""
    await session.execute(_JOIN, {"ids": ids, "joined_id": joined_id})


async def find_fence(session: AsyncSession, upload_id: UUID) -> int | None:
    """Return which request goes on with an upload, None if none can."""
    fence: int | None = (await session.execute(_FENCE, {"id": upload_id})).scalar_one_or_none()
    return fence


async def find_parked(session: AsyncSession, known: KnownUpload) -> int:
    """Return how many bytes of its owner's other unfinished uploads there are in its category."""
    asked = {"id": known.id, "owner": known.owner, "category": known.upload.category.value}
    parked: int = (await session.execute(_PARKED, asked)).scalar_one()
    return parked


async def end_uploads(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """End the rows of uploads; their pending files are the deleter's."""
    await session.execute(_END, {"ids": ids})
