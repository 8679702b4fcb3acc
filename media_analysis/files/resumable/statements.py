"""The statements of resumable uploads; each leaves the upload and its pending file with one end."""

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.files.resumable.known import KnownUpload, known_of, wish_of
from media_analysis.files.resumable.models import END_UPLOADS
from media_analysis.files.upload.service import Upload

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
        UPDATE resumable_uploads SET fence = fence + 1,
            length_bytes = coalesce(length_bytes, CAST(:length_bytes AS bigint)),
            ends_at = now() + make_interval(secs => :unfinished_seconds)
        WHERE id = :id AND offset_bytes = :offset_bytes AND NOT is_finished AND ends_at > now()
            AND coalesce(length_bytes = CAST(:length_bytes AS bigint), true)
        RETURNING id, fence, length_bytes, ends_at
    ), dated AS (
        UPDATE media_files AS file SET due_at = moved.ends_at FROM moved
        WHERE file.id = moved.id AND file.state = 'pending'
    )
    SELECT fence, length_bytes FROM moved
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
# Hardly ever writes: what is far from its end is only looked at.
_WATCH = text("""
    WITH kept AS (
        UPDATE resumable_uploads SET ends_at = now() + make_interval(secs => :unfinished_seconds)
        WHERE id = :id AND fence = :fence AND NOT is_finished
            AND ends_at < now() + make_interval(secs => :unfinished_seconds) / 2
        RETURNING id, ends_at
    ), dated AS (
        UPDATE media_files AS file SET due_at = kept.ends_at FROM kept
        WHERE file.id = kept.id AND file.state = 'pending'
    )
    SELECT id FROM resumable_uploads WHERE id = :id AND fence = :fence AND NOT is_finished
""")
_PARKED = text("""
    SELECT coalesce(sum(arrived_bytes), 0)::bigint FROM media_files
    WHERE state = 'pending' AND category = CAST(:category AS category) AND owner = :owner AND id <> :id
""")
_END = text(f"{END_UPLOADS} WHERE id = ANY(CAST(:ids AS uuid[]))")


async def find_uploads(session: AsyncSession, ids: Sequence[UUID], *, owner: str | None) -> dict[UUID, KnownUpload]:
    """Return those of these uploads that are an owner's; None is everybody's."""
    rows = await session.execute(_FIND, {"ids": ids, "owner": owner})
    return {row.id: known_of(row) for row in rows}


async def list_unfinished(
    session: AsyncSession, *, owner: str | None, before: UUID | None, limit: int
) -> Sequence[KnownUpload]:
    """Return uploads that are under way, newest first."""
    which = _OF_ALL if owner is None else _OF_OWNER
    rows = await session.execute(
        text(f"{which} {_PAGE}"), {"before": before, "limit": limit} | ({} if owner is None else {"owner": owner})
    )
    return [known_of(row) for row in rows]


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
) -> tuple[int, int | None] | None:
    """Return the fence of a request that goes on with an upload behind so many bytes, and how many it is to have.

    None if it does not end there, or is to have another length.
    """
    asked = {
        "id": upload_id,
        "offset_bytes": offset_bytes,
        "length_bytes": length_bytes,
        "unfinished_seconds": unfinished_seconds,
    }
    row = (await session.execute(_CLAIM, asked)).one_or_none()
    return None if row is None else (row.fence, row.length_bytes)


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


async def keep_upload(session: AsyncSession, upload_id: UUID, *, fence: int, unfinished_seconds: float) -> bool:
    """Have an upload not end while a request brings bytes; False where another goes on, or none can."""
    asked = {"id": upload_id, "fence": fence, "unfinished_seconds": unfinished_seconds}
    return (await session.execute(_WATCH, asked)).one_or_none() is not None


async def find_parked(session: AsyncSession, known: KnownUpload) -> int:
    """Return how many bytes of its owner's other unfinished uploads there are in its category."""
    asked = {"id": known.id, "owner": known.owner, "category": known.upload.category.value}
    parked: int = (await session.execute(_PARKED, asked)).scalar_one()
    return parked


async def end_uploads(session: AsyncSession, ids: Sequence[UUID]) -> None:
    """End the rows of uploads; their pending files are the deleter's."""
    await session.execute(_END, {"ids": ids})
