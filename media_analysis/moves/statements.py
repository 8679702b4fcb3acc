"""The statements of what moves copy: what is still to be, what was, what went meanwhile."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.deletion import outbox
from media_analysis.deletion.pending import LOCK_PENDING, delete_pending
from media_analysis.moves.models import StoreMove
from media_analysis.storage.category import Category
from media_analysis.storage.walk import QUARANTINE

AT_ONCE: Final = 1_000
PURGES_END_AFTER: Final = timedelta(hours=1)
"""How long somebody may go on deleting what they began to delete."""
_OF_PART: Final = """(
    CAST(:part AS text) = 'everything' OR starts_with({key}, 'archives/') = (CAST(:part AS text) = 'archives')
)"""
# A file that is imported where another lay has its key, and not its bytes.
_TO_COPY: Final = f"""
    FROM media_files AS file
    LEFT JOIN store_copies AS copy ON copy.move_id = :move_id AND copy.key = file.key
    WHERE file.state IN ('stored', 'trashed') AND {_OF_PART.format(key="file.key")}
        AND (copy.file_id IS DISTINCT FROM file.id OR copy.copied_at IS NULL OR copy.deleted_at IS NOT NULL)
"""
_LIST_TO_COPY: Final = text(f"""
    SELECT file.id, file.key, file.size_bytes, file.sha256, copy.key IS NOT NULL AS is_begun {_TO_COPY}
        AND file.id > :after ORDER BY file.id LIMIT :limit
""")
_SUM_TO_COPY: Final = text(f"""
    SELECT count(*) FILTER (WHERE copy.last_error IS NULL),
        coalesce(sum(file.size_bytes) FILTER (WHERE copy.last_error IS NULL), 0)::bigint,
        count(*) FILTER (WHERE copy.last_error IS NOT NULL)
    {_TO_COPY}
""")
_SUM_COPIED: Final = text("""
    SELECT count(*), coalesce(sum(size_bytes), 0)::bigint, 0
    FROM store_copies WHERE move_id = :move_id AND copied_at IS NOT NULL AND deleted_at IS NULL
""")
_LIST_FAILED: Final = text("""
    SELECT copy.file_id, copy.key, copy.last_error FROM store_copies AS copy
    WHERE copy.move_id = :move_id AND copy.last_error IS NOT NULL
        AND (copy.file_id IS NULL OR EXISTS (SELECT FROM media_files AS file WHERE file.key = copy.key))
    ORDER BY copy.key
""")
_BEGIN: Final = text("""
    INSERT INTO store_copies (move_id, key, file_id, size_bytes)
    SELECT CAST(:move_id AS uuid), given.key, given.file_id, given.size_bytes
    FROM unnest(CAST(:keys AS text[]), CAST(:ids AS uuid[]), CAST(:sizes AS bigint[]))
        AS given(key, file_id, size_bytes)
    ON CONFLICT (move_id, key) DO UPDATE SET
        file_id = excluded.file_id, size_bytes = excluded.size_bytes, copied_at = NULL, deleted_at = NULL,
        last_error = NULL
""")
_RECORD: Final = text("""
    UPDATE store_copies AS copy SET copied_at = CASE WHEN given.error IS NULL THEN now() END, last_error = given.error
    FROM unnest(CAST(:keys AS text[]), CAST(:errors AS text[])) AS given(key, error)
    WHERE copy.move_id = :move_id AND copy.key = given.key
""")
# Whose bytes the outbox has yet to delete, that deletes from the target: whatever pauses keep is kept there, too.
_LIST_GONE: Final = text("""
    SELECT copy.key, coalesce(stone.method = 'overwrite_best_effort', false) AS is_secure
    FROM store_copies AS copy
    LEFT JOIN tombstones AS stone ON stone.id = copy.file_id LEFT JOIN purges AS purge ON purge.id = stone.purge_id
    WHERE copy.move_id = :move_id AND copy.key > :after AND copy.file_id IS NOT NULL AND copy.deleted_at IS NULL
        AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.key = copy.key)
        AND (purge.id IS NULL OR purge.confirmed_at IS NOT NULL)
    ORDER BY copy.key LIMIT :limit
""")
_MARK_DELETED: Final = text("""
    UPDATE store_copies SET deleted_at = now(), copied_at = NULL, last_error = NULL
    WHERE move_id = :move_id AND key = ANY(CAST(:keys AS text[]))
""")
_LIST_KNOWN: Final = text("""
    SELECT key, copied_at IS NOT NULL AS is_copied FROM store_copies
    WHERE move_id = :move_id AND key = ANY(CAST(:keys AS text[])) AND deleted_at IS NULL
""")
_LIST_SET_ASIDE: Final = text(f"""
    SELECT key FROM store_copies
    WHERE move_id = :move_id AND key > :after AND starts_with(key, '{QUARANTINE}/') AND deleted_at IS NULL
    ORDER BY key LIMIT :limit
""")  # noqa: S608 - constants
_LEAVE: Final = text(f"""
    INSERT INTO store_copies (move_id, key, file_id, size_bytes)
    SELECT CAST(:move_id AS uuid), key, id, coalesce(size_bytes, 0) FROM media_files
    WHERE state = 'pending' AND {_OF_PART.format(key="key")}
    UNION
    SELECT CAST(:move_id AS uuid), stone.key, stone.id, coalesce(stone.size_bytes, 0)
    FROM purges AS purge CROSS JOIN unnest(purge.tombstone_ids) AS listed(id)
    JOIN tombstones AS stone ON stone.id = listed.id
    WHERE purge.confirmed_at IS NULL AND {_OF_PART.format(key="stone.key")}
    ON CONFLICT (move_id, key) DO NOTHING
""")  # noqa: S608 - constants
_LOCK_UNFINISHED: Final = text(LOCK_PENDING.format(which=_OF_PART.format(key="key")))
_COUNT_UNFINISHED: Final = text(f"""
    SELECT
        (SELECT count(*) FROM analysis_jobs WHERE status = 'running'),
        (SELECT count(*) FROM resumable_uploads AS upload JOIN media_files AS file ON file.id = upload.id
            WHERE file.state = 'pending' AND {_OF_PART.format(key="file.key")})
""")  # noqa: S608 - constants
# A put of ours may still arrive; and who began to delete from the source before it was closed says so only later.
_LIST_LATE: Final = text("""
    SELECT stone.category, copy.file_id FROM store_copies AS copy
    JOIN tombstones AS stone ON stone.id = copy.file_id LEFT JOIN purges AS purge ON purge.id = stone.purge_id
    WHERE copy.move_id = :move_id
        AND (copy.deleted_at > now() - CAST(:late_writes AS interval) OR purge.confirmed_at IS NULL)
    ORDER BY stone.category
""").columns(category=CATEGORY)
_LIST_LEFT: Final = text("""
    SELECT copy.key, copy.file_id, file.size_bytes, file.sha256, file.id IS NOT NULL AS is_living,
        coalesce(stone.method = 'overwrite_best_effort', false) AS is_secure
    FROM store_copies AS copy
    LEFT JOIN media_files AS file ON file.key = copy.key
    LEFT JOIN tombstones AS stone ON stone.id = copy.file_id
    WHERE copy.move_id = :move_id AND copy.key > :after ORDER BY copy.key LIMIT :limit
""")
_SUM_LEFT: Final = text("""
    SELECT count(*), coalesce(sum(size_bytes), 0)::bigint FROM store_copies WHERE move_id = :move_id
""")
_DELETE: Final = text("DELETE FROM store_copies WHERE move_id = :move_id AND key = ANY(CAST(:keys AS text[]))")


@dataclass(frozen=True, slots=True)
class SourceObject:
    """An object to be copied; `file_id` is None of what was set aside."""

    file_id: UUID | None
    key: str
    size_bytes: int
    sha256: bytes | None
    is_begun: bool
    """Whether something of it may lie in the target."""


@dataclass(frozen=True, slots=True)
class LeftObject:
    """An object in a place that is no store any more, and what its file is now."""

    key: str
    file_id: UUID | None
    size_bytes: int | None
    sha256: bytes | None
    is_living: bool
    is_secure: bool


@dataclass(frozen=True, slots=True)
class MoveSum:
    """How many objects, of how many bytes; and how many beside them could not be copied."""

    files: int
    size_bytes: int
    failed: int = 0


async def list_to_copy(session: AsyncSession, move: StoreMove, *, after: UUID, limit: int) -> Sequence[SourceObject]:
    """Return files whose bytes are not yet known to be in the target, in the order of their ids."""
    asked = {"move_id": move.id, "part": move.part, "after": after, "limit": limit}
    return [SourceObject(*row) for row in await session.execute(_LIST_TO_COPY, asked)]


async def sum_to_copy(session: AsyncSession, move: StoreMove) -> MoveSum:
    """Return how many files are to be copied, and how many could not be."""
    return MoveSum(*(await session.execute(_SUM_TO_COPY, {"move_id": move.id, "part": move.part})).one())


async def sum_copied(session: AsyncSession, move: StoreMove) -> MoveSum:
    """Return how much was copied."""
    return MoveSum(*(await session.execute(_SUM_COPIED, {"move_id": move.id})).one())


async def list_failed(session: AsyncSession, move: StoreMove) -> Mapping[str, tuple[UUID | None, str]]:
    """Return by key what could not be copied and is still there, and why."""
    rows = await session.execute(_LIST_FAILED, {"move_id": move.id})
    return {row.key: (row.file_id, row.last_error) for row in rows}


async def begin_copies(session: AsyncSession, move: StoreMove, files: Sequence[SourceObject]) -> None:
    """Write down what is about to be put in the target, before it is."""
    columns = {"keys": [file.key for file in files], "ids": [file.file_id for file in files]}
    await session.execute(_BEGIN, {"move_id": move.id, "sizes": [file.size_bytes for file in files], **columns})


async def record_copies(session: AsyncSession, move: StoreMove, outcomes: Mapping[str, str | None]) -> None:
    """Write down what was copied, or why it could not be."""
    given = {"keys": list(outcomes), "errors": list(outcomes.values())}
    await session.execute(_RECORD, {"move_id": move.id, **given})


async def list_gone(session: AsyncSession, move: StoreMove, *, after: str) -> Mapping[str, bool]:
    """Return copies whose bytes are gone from the source, by key in order; True is that they must for good."""
    rows = await session.execute(_LIST_GONE, {"move_id": move.id, "after": after, "limit": AT_ONCE})
    return {row.key: row.is_secure for row in rows}


async def list_known(session: AsyncSession, move: StoreMove, keys: Sequence[str]) -> Mapping[str, bool]:
    """Return those of some objects of which something may be in the target, and whether it is all of them."""
    rows = await session.execute(_LIST_KNOWN, {"move_id": move.id, "keys": list(keys)})
    return {row.key: row.is_copied for row in rows}


async def list_set_aside(session: AsyncSession, move: StoreMove, *, after: str) -> Sequence[str]:
    """Return what of what was set aside may be in the target, in the order of the keys."""
    asked = {"move_id": move.id, "after": after, "limit": AT_ONCE}
    return (await session.scalars(_LIST_SET_ASIDE, asked)).all()


async def mark_deleted(session: AsyncSession, move: StoreMove, keys: Sequence[str]) -> None:
    """Write down that copies were deleted from the target."""
    await session.execute(_MARK_DELETED, {"move_id": move.id, "keys": list(keys)})


async def count_unfinished(session: AsyncSession, move: StoreMove) -> tuple[int, int]:
    """Return how many jobs run, and how many uploads in pieces are not whole."""
    jobs, uploads = (await session.execute(_COUNT_UNFINISHED, {"part": move.part})).one()
    return jobs, uploads


async def leave_unfinished(session: AsyncSession, move: StoreMove) -> int:
    """Write down what is left where it lay, then end what is not whole; return whether there may be more.

    Whoever writes one of them just now hears that it is gone when it is whole.
    """
    await session.execute(_LEAVE, {"move_id": move.id, "part": move.part})
    claims = await delete_pending(session, _LOCK_UNFINISHED, {"part": move.part, "limit": AT_ONCE}, actor="move")
    return sum(len(claim.files) for claim in claims)


async def delete_again(session: AsyncSession, move: StoreMove, *, late_writes: timedelta) -> None:
    """Let what was deleted from the target be deleted there once more, when no request of ours can still arrive."""
    rows = (await session.execute(_LIST_LATE, {"move_id": move.id, "late_writes": late_writes})).all()
    by_category: dict[Category, list[UUID]] = {}
    for category, file_id in rows:
        by_category.setdefault(category, []).append(file_id)
    for ids in by_category.values():
        for start in range(0, len(ids), AT_ONCE):
            await outbox.add_again(session, ids[start : start + AT_ONCE], after=max(late_writes, PURGES_END_AFTER))


async def list_left(session: AsyncSession, move: StoreMove, *, after: str, limit: int) -> Sequence[LeftObject]:
    """Return what a move left in the place that is no store any more, in the order of the keys."""
    asked = {"move_id": move.id, "after": after, "limit": limit}
    return [LeftObject(*row) for row in await session.execute(_LIST_LEFT, asked)]


async def sum_left(session: AsyncSession, move: StoreMove) -> MoveSum:
    """Return how much a move left in the place that is no store any more."""
    return MoveSum(*(await session.execute(_SUM_LEFT, {"move_id": move.id})).one())


async def delete_copies(session: AsyncSession, move: StoreMove, keys: Sequence[str]) -> None:
    """End what is remembered of objects that are gone from where they were left."""
    await session.execute(_DELETE, {"move_id": move.id, "keys": list(keys)})
