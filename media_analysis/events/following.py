"""The log as those follow it who act on what happens to files, page by page, behind a place of their own."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.events.types import EventType
from media_analysis.storage.category import Category

PAGE: Final = 100
"""Events; each may tell of some hundred files."""
ENDED: Final = "SELECT coalesce(max(through), 0) FROM event_ends WHERE owner = ''"
"""Up to which event the log has ended; what is behind a place before that was missed."""
_PAGE: Final = text("""
    SELECT id, at, file_ids FROM events
    WHERE id > :after AND id <= :until AND type = ANY(CAST(:types AS text[]))
        AND category = ANY(CAST(:categories AS category[]))
    ORDER BY id LIMIT :limit
""")


@dataclass(frozen=True, slots=True)
class FilesTold:
    """What a page tells of: files, each with the instant of its event, and up to where the page goes."""

    files: Sequence[tuple[UUID, datetime]]
    through: int


async def read_files_told(
    session: AsyncSession, types: Sequence[EventType], categories: Sequence[Category], *, after: int, until: int
) -> FilesTold:
    """Read the next page of events of some types and categories, up to a settled id."""
    asked = {
        "after": after,
        "until": until,
        "types": [each.value for each in types],
        "categories": [category.value for category in categories],
        "limit": PAGE,
    }
    events = (await session.execute(_PAGE, asked)).all()
    files = [(file_id, event.at) for event in events for file_id in event.file_ids]
    return FilesTold(files, events[-1].id if len(events) == PAGE else until)
