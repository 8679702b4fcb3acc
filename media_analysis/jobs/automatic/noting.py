"""From events to what is to run: a row for each kind and file that was stored, written once."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.analysis.kinds import Kind
from media_analysis.db.database import Database, retried
from media_analysis.events.following import ENDED, read_files_told
from media_analysis.events.horizon import EventHorizon
from media_analysis.events.types import EventType
from media_analysis.failpoints import failpoint
from media_analysis.jobs.automatic.models import AnalysisReason
from media_analysis.storage.category import Category

KindsOnUpload = Mapping[Category, Sequence[Kind]]
log = structlog.get_logger()

_BEGIN: Final = text("""
    INSERT INTO analysis_places (name, logged) VALUES ('uploads', :given) ON CONFLICT DO NOTHING
""")
_LOCK: Final = text(f"""
    SELECT logged, ({ENDED}) AS ended FROM analysis_places WHERE name = 'uploads' FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - constants
_MOVE: Final = text("UPDATE analysis_places SET logged = :logged WHERE name = 'uploads'")
# What was made of another file, or belongs to a job, nobody brought.
_BROUGHT: Final = text("""
    SELECT id, owner, category::text AS category, media_type FROM media_files
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'stored'
        AND role IS NULL AND parent_id IS NULL AND job_id IS NULL
    ORDER BY id
""")
_ADD: Final = text("""
    INSERT INTO upload_analyses (file_id, kind, owner, job_id, due_at, ended_at, reason)
    SELECT file_id, kind, owner, job_id, CASE WHEN reason IS NULL THEN now() END,
        CASE WHEN reason IS NOT NULL THEN now() END, reason
    FROM unnest(CAST(:file_ids AS uuid[]), CAST(:kinds AS text[]), CAST(:owners AS text[]),
        CAST(:job_ids AS uuid[]), CAST(:reasons AS text[])) AS noted(file_id, kind, owner, job_id, reason)
    ORDER BY file_id, kind
    ON CONFLICT DO NOTHING
""")


@dataclass(frozen=True)
class NotingService:
    """Goes through the log behind the last event it went through; of several processes one at a time."""

    db: Database
    horizon: EventHorizon
    on_upload: KindsOnUpload

    @retried
    async def begin(self) -> None:
        """Let everything that is stored from now on be noted, unless it was begun before: then from there on."""
        await self.horizon.look()
        async with self.db.transaction() as session:
            await session.execute(_BEGIN, {"given": self.horizon.given})

    async def run(self) -> int:
        """Note all that settled; return how many rows that gave."""
        settled, total = await self.horizon.look(), 0
        while (noted := await self._page(settled)) is not None:
            total += noted
        return total

    @retried
    async def _page(self, settled: int) -> int | None:
        """Go through one page; return how many rows that gave, None where nothing is left."""
        async with self.db.transaction() as session:
            place = (await session.execute(_LOCK)).one_or_none()
            if place is None or place.logged >= settled:
                return None
            if place.logged < place.ended:
                log.warning("analyses.events_missed", after=place.logged, until=place.ended)
            told = await read_files_told(
                session, [EventType.FILE_STORED], sorted(self.on_upload), after=place.logged, until=settled
            )
            rows = await self._rows(session, [file_id for file_id, _ in told.files])
            await _add(session, rows)
            failpoint("analyses.noting")
            await session.execute(_MOVE, {"logged": told.through})
        return len(rows)

    async def _rows(self, session: AsyncSession, ids: Sequence[Any]) -> Sequence[Mapping[str, Any]]:
        files = (await session.execute(_BROUGHT, {"ids": ids})).all() if ids else []
        return [row for file in files for row in self._of_file(file)]

    def _of_file(self, file: Any) -> Iterator[Mapping[str, Any]]:
        for kind in self.on_upload[Category(file.category)]:
            reason = None if kind.suits(file.media_type) else AnalysisReason.MEDIA_TYPE_UNSUITABLE.value
            yield {"file_id": file.id, "kind": kind.name, "owner": file.owner, "job_id": uuid7(), "reason": reason}


async def _add(session: AsyncSession, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        asked = {f"{name}s": [row[name] for row in rows] for name in ("file_id", "kind", "owner", "job_id", "reason")}
        await session.execute(_ADD, asked)
