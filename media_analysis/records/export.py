"""What must outlive the records of the service itself, written out before it ends: one JSON object a line."""

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text

from media_analysis.db.database import Database
from media_analysis.db.ids import MOST_SKEW, first_id
from media_analysis.errors import InvalidRequest

PAGE: Final = 1_000
SETTLED: Final = timedelta(minutes=5)
"""How old a record is before it is sure that none which is older is still to come."""
FIRST: Final = datetime.fromisoformat("2000-01-01T00:00:00+00:00")


class Exportable(StrEnum):
    """What may have to be kept for longer than the service keeps it."""

    TOMBSTONES = "tombstones"
    """Each deletion: the file, the facts it was decided by, the rule, who asked and why."""
    AUDIT = "audit"
    """Who did what."""
    JOBS = "jobs"
    """What stays of each deleted run."""


# The order of an index, so that a page costs a page wherever it begins.
_PAGES: Final[dict[Exportable, TextClause]] = {
    Exportable.TOMBSTONES: text("""
        SELECT deleted_at AS at, id,
            to_jsonb(record) - 'purge_id' || jsonb_build_object('sha256', encode(sha256, 'hex')) AS document
        FROM tombstones AS record
        WHERE (deleted_at, id) > (:at, :id) AND deleted_at >= :since AND deleted_at < :before
        ORDER BY deleted_at, id LIMIT :limit
    """),
    Exportable.AUDIT: text("""
        SELECT record.at, id, to_jsonb(record) AS document FROM audit_events AS record
        WHERE id > :id AND id >= :first AND id < :last AND record.at >= :since AND record.at < :before
        ORDER BY id LIMIT :limit
    """),
    Exportable.JOBS: text("""
        SELECT deleted_at AS at, job_id AS id, to_jsonb(record) AS document FROM job_audit AS record
        WHERE (deleted_at, job_id) > (:at, :id) AND deleted_at >= :since AND deleted_at < :before
        ORDER BY deleted_at, job_id LIMIT :limit
    """),
}


@dataclass(frozen=True)
class ExportService:
    """Reads records of one kind, oldest first, in pages that each are a snapshot of their own."""

    db: Database

    async def range(self, since: datetime | None, before: datetime | None) -> tuple[datetime, datetime]:
        """Return the half-open range of instants that is meant, by default all that nothing older can come to.

        Raises:
            InvalidRequest: it is empty, or reaches where records may still come to it.

        """
        settled = await self.db.now() - SETTLED
        first, last = since or FIRST, before or settled
        if last > settled:
            raise InvalidRequest("before", "at least 5 minutes ago, for what happens now may be written down late")
        if first >= last:
            raise InvalidRequest("since", "earlier than the end of the range")
        return first, last

    async def pages(
        self, kind: Exportable, since: datetime, before: datetime
    ) -> AsyncGenerator[Sequence[dict[str, Any]]]:
        """Yield the records of a range, `PAGE` at a time, as the rows they are; hashes are hexadecimal."""
        place: dict[str, Any] = {"at": FIRST, "id": UUID(int=0)}
        bounds = {"first": first_id(since - MOST_SKEW), "last": first_id(before + MOST_SKEW)}
        asked = {"since": since, "before": before, "limit": PAGE, **bounds}
        while True:
            rows = await self._page(_PAGES[kind], asked | place)
            if rows:
                yield [row.document for row in rows]
            if len(rows) < PAGE:
                return
            place = {"at": rows[-1].at, "id": rows[-1].id}

    async def _page(self, statement: TextClause, asked: dict[str, Any]) -> Sequence[Any]:
        wanted = {name: asked[name] for name in statement.compile().params}

        async def read() -> Sequence[Any]:
            async with self.db.read_only() as session:
                return (await session.execute(statement, wanted)).all()

        return await self.db.retry(read)
