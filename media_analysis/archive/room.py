"""Whether there is room for what a restore brings back, looked at before its first byte."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.files.upload.room import QuotaUse, require_reserve, require_within
from media_analysis.storage.store import Capacity

_SUM: Final = text("""
    SELECT copy.category, sum(copy.size_bytes)::bigint AS size_bytes, min(usage.size_bytes) AS used_bytes,
        min(policy.quota_bytes) AS quota_bytes, coalesce(min(held.size_bytes + held.reserved_bytes), 0) AS owned_bytes,
        min(policy.owner_quota_bytes) AS owner_quota_bytes
    FROM archived_files AS copy JOIN category_usage AS usage USING (category)
    LEFT JOIN category_policies AS policy USING (category)
    LEFT JOIN ledger AS held USING (owner, category)
    WHERE copy.job_id = :job_id AND copy.file_id = coalesce(CAST(:file_id AS uuid), copy.file_id)
        AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = copy.file_id)
    GROUP BY copy.category ORDER BY copy.category
""").columns(category=CATEGORY)


async def require_room(
    session: AsyncSession, job_id: UUID, file_id: UUID | None, *, capacity: Capacity, reserve_bytes: int
) -> int:
    """Return how many bytes a restore brings back; nothing is evicted for it.

    Raises:
        QuotaReached, OwnerQuotaReached: a category has no room for its part.
        DiskReserveReached: the disk has no room for all of it.

    """
    rows = (await session.execute(_SUM, {"job_id": job_id, "file_id": file_id})).all()
    for row in rows:
        everybody = QuotaUse(row.used_bytes, row.quota_bytes)
        owner = QuotaUse(row.owned_bytes, row.owner_quota_bytes)
        require_within(row.category, row.size_bytes, everybody=everybody, owner=owner)
    needed_bytes: int = sum(row.size_bytes for row in rows)
    require_reserve(capacity, needed_bytes, reserve_bytes=reserve_bytes)
    return needed_bytes
