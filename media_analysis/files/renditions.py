"""Pictures of files that are kept as files: found by what they show, and never there without it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.driver import Reads
from media_analysis.errors import UploadLeaseLost
from media_analysis.files.expiry import Expiry
from media_analysis.files.indexes import RENDERED_INTO
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.storing import WrittenUpload, store_all

CATEGORY: Final = RENDERED_INTO
"""Scratch: nobody misses what can be made again, and it goes first when room is short."""
SHARE: Final = 0.75
"""Of the category's quota, and of its owner's: what is full to there takes no more renditions."""
_FIND: Final = """
    SELECT id, key, size_bytes, state = 'pending' AND due_at > now() AS is_pending,
        state = 'pending' AND due_at <= now() AS is_abandoned,
        state = 'stored' AND last_error IS NULL AND (expires_at IS NULL OR expires_at > now()) AS is_whole
    FROM media_files WHERE parent_id = $1 AND rendition = $2
"""
_RELEASE_PLACE = text("""
    UPDATE media_files SET rendition = rendition || ' ' || id, version = version + 1
    WHERE id = :id AND state <> 'pending' AND (expires_at <= now() OR last_error IS NOT NULL)
""")
_NO_JOBS: Final = "SELECT CAST(NULL AS uuid) AS id, CAST(NULL AS timestamptz) AS held_until WHERE false"
"""Renditions belong to none, and jobs would be locked before what they show."""
# Whoever deletes what it shows waits for this, or is waited for; then the rendition ends with it.
_LOCK_PARENT = text("""
    SELECT parent.expires_at, coalesce(parent.expires_at <= now() + make_interval(secs => policy.lifetime_seconds),
        policy.lifetime_seconds IS NULL AND parent.expires_at IS NOT NULL) AS ends_first
    FROM media_files AS parent LEFT JOIN category_policies AS policy ON policy.category = CAST(:category AS category)
    WHERE parent.id = :parent_id AND parent.state = 'stored'
        AND (parent.expires_at IS NULL OR parent.expires_at > now())
    FOR SHARE OF parent
""")
_HAS_ROOM: Final = f"""
    SELECT coalesce(bool_and(
        (policy.quota_bytes IS NULL OR usage.size_bytes < policy.quota_bytes * {SHARE})
        AND (policy.owner_quota_bytes IS NULL
            OR coalesce(mine.size_bytes + mine.reserved_bytes, 0) < policy.owner_quota_bytes * {SHARE})
    ), true) AS has_room
    FROM category_policies AS policy JOIN category_usage AS usage USING (category)
    LEFT JOIN ledger AS mine ON mine.category = policy.category AND mine.owner = $1
    WHERE policy.category = '{CATEGORY}'
"""  # noqa: S608 - constants


@dataclass(frozen=True, slots=True)
class Rendition:
    """A picture of a file, as far as it is kept."""

    id: UUID
    key: str
    size_bytes: int | None
    is_pending: bool
    """Whether somebody makes it."""
    is_abandoned: bool
    """Whether somebody was making it, and is gone; the sweep takes what they began."""
    is_whole: bool


async def find_rendition(reads: Reads, parent_id: UUID, name: str) -> Rendition | None:
    """Return what is kept of a file under a name."""
    rows = await reads.fetch(_FIND, parent_id, name)
    return Rendition(*rows[0].values()) if rows else None


async def has_room(reads: Reads, owner: str) -> bool:
    """Say whether a rendition may be kept: what else its category is for is not to be short of room for it."""
    (row,) = await reads.fetch(_HAS_ROOM, owner)
    return bool(row["has_room"])


async def release_place(session: AsyncSession, rendition: Rendition) -> None:
    """Let another one be kept instead of one that is over, or damaged."""
    await session.execute(_RELEASE_PLACE, {"id": rendition.id})


async def store_rendition(session: AsyncSession, written: WrittenUpload) -> None:
    """Store a pending rendition, which ends with its category's lifetime or with what it shows, whichever is sooner.

    Raises:
        UploadLeaseLost: what it shows is gone, or the sweep took its row; nothing may be kept.
        QuotaPassed: others took the room meanwhile; the transaction must be rolled back.

    """
    asked = written.registration
    parent = await _lock_parent(session, asked)
    if parent is None:
        raise UploadLeaseLost(asked.id)
    expires_at, ends_first = parent
    expiry = Expiry(at=expires_at) if ends_first else None
    ending = WrittenUpload(registration=asked, size_bytes=written.size_bytes, sha256=written.sha256, expiry=expiry)
    if asked.id not in await store_all(session, [ending], jobs=_NO_JOBS):
        raise UploadLeaseLost(asked.id)


async def _lock_parent(session: AsyncSession, asked: Registration) -> tuple[datetime | None, bool] | None:
    given = {"parent_id": asked.parent_id, "category": asked.category.value}
    row = (await session.execute(_LOCK_PARENT, given)).one_or_none()
    return None if row is None else (row.expires_at, row.ends_first)
