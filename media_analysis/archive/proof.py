"""Comparing what was read back from an archive with what our rows say of it."""

from typing import IO
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.archive.found import Found
from media_analysis.archive.inventory import PAGE
from media_analysis.errors import ArchiveDamaged
from media_analysis.files.archived import ArchivedFile


async def require_found(session: AsyncSession, archive_id: UUID, found: IO[bytes]) -> int:
    """Return how many files were read back from a segment, if they are just what our rows say of it.

    Raises:
        ArchiveDamaged: they differ.

    """
    rows = await session.stream(
        select(
            ArchivedFile.file_id,
            ArchivedFile.name,
            ArchivedFile.size_bytes,
            ArchivedFile.sha256,
            ArchivedFile.frame_offset,
            ArchivedFile.skip_bytes,
        )
        .where(ArchivedFile.archive_id == archive_id)
        .order_by(ArchivedFile.frame_offset, ArchivedFile.skip_bytes),
        execution_options={"yield_per": PAGE},
    )
    files = 0
    found.seek(0)
    async for row in rows:
        if found.readline() != Found(*row).line():
            raise ArchiveDamaged("the archive holds something else than its row says", member=row.name)
        files += 1
    if found.readline():
        raise ArchiveDamaged("the archive holds more than our rows say")
    return files
