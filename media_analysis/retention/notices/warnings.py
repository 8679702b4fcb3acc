"""Warning owners once before a file expires, and again only if its date moves."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.retention.notices.service import add_notices
from media_analysis.storage.category import Category

PAGE: Final = 1_000

# Files that never live as long as the warning runs ahead would be announced at their upload: they are left out.
_EXPIRING = text("""
    SELECT id, owner, filename, size_bytes, expires_at, due_at FROM media_files
    WHERE category = CAST(:category AS category) AND due_at > :now AND due_at <= :horizon
        AND (due_at, id) > (:after_at, :after_id)
        AND state = 'stored' AND expires_at - stored_at > :ahead
    ORDER BY due_at, id LIMIT :limit
""")


@dataclass(frozen=True)
class WarningService:
    """Puts a notice on the list for every file whose end comes near; held files have none in sight."""

    db: Database
    ahead: timedelta | None
    """How long before the end; None warns of nothing."""

    async def warn(self, *, now: datetime | None = None) -> int:
        """Add the warnings that are new, one per file and date, and return how many."""
        if self.ahead is None:
            return 0
        moment = now or await self.db.now()
        return sum([await self._warn_of(category, self.ahead, moment) for category in Category])

    async def _warn_of(self, category: Category, ahead: timedelta, now: datetime) -> int:
        added, after = 0, (now, UUID(int=0))
        while True:
            async with self.db.transaction() as session:
                count, last = await _add_page(session, category, ahead=ahead, now=now, after=after)
            added += count
            if last is None:
                return added
            after = last


async def _add_page(
    session: AsyncSession, category: Category, *, ahead: timedelta, now: datetime, after: tuple[datetime, UUID]
) -> tuple[int, tuple[datetime, UUID] | None]:
    asked = {"category": category.value, "now": now, "horizon": now + ahead, "ahead": ahead, "limit": PAGE}
    rows = (await session.execute(_EXPIRING, {**asked, "after_at": after[0], "after_id": after[1]})).all()
    told = {
        f"expiry:{row.id}:{row.expires_at.isoformat()}": {
            "kind": "file_expiring",
            "file_id": str(row.id),
            "owner": row.owner,
            "category": category.value,
            "filename": row.filename,
            "size_bytes": row.size_bytes,
            "expires_at": row.expires_at.isoformat(),
        }
        for row in rows
    }
    added = await add_notices(session, told, now=now)
    return added, (rows[-1].due_at, rows[-1].id) if len(rows) == PAGE else None
