"""Whether there is room for what a restore brings back, looked at before its first byte."""

from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import DiskReserveReached, QuotaReached
from media_analysis.files.models import CATEGORY

_SUM: Final = text("""
    SELECT copy.category, sum(copy.size_bytes)::bigint AS size_bytes, min(usage.size_bytes) AS used_bytes,
        min(policy.quota_bytes) AS quota_bytes
    FROM archived_files AS copy JOIN category_usage AS usage USING (category)
    LEFT JOIN category_policies AS policy USING (category)
    WHERE copy.job_id = :job_id AND copy.file_id = coalesce(CAST(:file_id AS uuid), copy.file_id)
        AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = copy.file_id)
    GROUP BY copy.category ORDER BY copy.category
""").columns(category=CATEGORY)


async def require_room(
    session: AsyncSession, job_id: UUID, file_id: UUID | None, *, free_bytes: int, reserve_bytes: int
) -> int:
    """Return how many bytes a restore brings back; nothing is evicted for it.

    Raises:
        QuotaReached: a category has no room for its part.
        DiskReserveReached: the disk has no room for all of it.

    """
    rows = (await session.execute(_SUM, {"job_id": job_id, "file_id": file_id})).all()
    for row in rows:
        if row.quota_bytes is not None and row.used_bytes + row.size_bytes > row.quota_bytes:
            raise QuotaReached(
                row.category.value,
                quota_bytes=row.quota_bytes,
                used_bytes=row.used_bytes,
                needed_bytes=row.size_bytes,
                missing_bytes=row.used_bytes + row.size_bytes - row.quota_bytes,
                space_frees_at=None,
            )
    needed_bytes: int = sum(row.size_bytes for row in rows)
    if free_bytes - needed_bytes < reserve_bytes:
        raise DiskReserveReached(free_bytes=free_bytes, reserve_bytes=reserve_bytes, needed_bytes=needed_bytes)
    return needed_bytes
