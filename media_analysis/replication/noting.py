"""From the log to what is to be copied: a row for each file of the chosen categories, gone once the file is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.events.following import ENDED, read_files_told
from media_analysis.events.horizon import EventHorizon
from media_analysis.events.types import EventType
from media_analysis.failpoints import failpoint
from media_analysis.storage.category import Category

WALK_PAGE: Final = 1_000
BEFORE_ALL: Final = UUID(int=0)
AFTER_ALL: Final = UUID(int=2**128 - 1)
TOLD: Final = (EventType.FILE_STORED, EventType.FILE_RESTORED, EventType.FILE_ARCHIVED, EventType.FILE_DELETED)
log = structlog.get_logger()

_LOCK: Final = text(f"""
    SELECT categories, logged, walk_after, walked, walk_ended_at IS NULL AS walks, ({ENDED}) AS ended
    FROM replica_places WHERE address = :address FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - constants
_MOVE: Final = text("UPDATE replica_places SET logged = :logged")
_WALK_AGAIN: Final = text("""
    UPDATE replica_places
    SET logged = :logged, walk_after = :logged, since = now(), walked = NULL, walk_ended_at = NULL
""")
_WALKED: Final = text("""
    UPDATE replica_places SET walked = :walked, walk_ended_at = CASE WHEN :ended THEN now() END
""")
_BACKLOG: Final = text("SELECT count(*) FROM (SELECT FROM replicas WHERE due_at <= now() LIMIT :most) AS due")
_NOW: Final = text("SELECT now()")
_PAGE: Final = text("""
    SELECT id FROM media_files WHERE id > :after AND state IN ('stored', 'trashed') ORDER BY id LIMIT :limit
""")
# A file that came back out of an archive has the id that it had, and another key.
_ADD: Final = text("""
    INSERT INTO replicas (file_id, key, size_bytes, noted_at, due_at)
    SELECT file.id, file.key, file.size_bytes, told.at, now()
    FROM unnest(CAST(:ids AS uuid[]), CAST(:instants AS timestamptz[])) AS told(id, at)
    JOIN media_files AS file ON file.id = told.id
    WHERE file.state IN ('stored', 'trashed') AND file.category = ANY(CAST(:categories AS category[]))
    ORDER BY file.id
    ON CONFLICT (file_id) DO UPDATE SET key = excluded.key, size_bytes = excluded.size_bytes,
        noted_at = excluded.noted_at, due_at = now(), attempts = 0, lease_id = NULL, copied_at = NULL,
        heals = false, last_error = NULL
    WHERE replicas.key <> excluded.key
""")
# What is still to be done for a file that is gone, whoever does it finds out, and deletes what he wrote.
_GONE: Final = """replica.due_at IS NULL AND NOT EXISTS (
    SELECT FROM media_files AS file
    WHERE file.id = replica.file_id AND file.key = replica.key AND file.state IN ('stored', 'trashed')
)"""
_END: Final = text(f"DELETE FROM replicas AS replica WHERE file_id = ANY(CAST(:ids AS uuid[])) AND {_GONE}")  # noqa: S608
_END_BETWEEN: Final = text(f"""
    DELETE FROM replicas AS replica WHERE file_id > :after AND file_id <= :until AND {_GONE}
""")  # noqa: S608 - constants


@dataclass(frozen=True)
class ReplicaNoting:
    """Goes through the log, and once through all files, for those who copy; of several processes one at a time."""

    db: Database
    horizon: EventHorizon
    address: str

    async def run(self) -> bool:
        """Note all that settled, and a page of the walk; say whether there may be another at once."""
        settled = await self.horizon.look()
        while await self._page(settled):
            pass
        return await self._walk(settled)

    @retried
    async def _page(self, settled: int) -> bool:
        """Go through one page of the log; say whether there may be another."""
        async with self.db.transaction() as session:
            place = (await session.execute(_LOCK, {"address": self.address})).one_or_none()
            if place is None or place.logged >= settled:
                return False
            if place.logged < place.ended:
                log.warning("replica.events_missed", after=place.logged, until=place.ended)
                await session.execute(_WALK_AGAIN, {"logged": settled})
                return False
            told = await read_files_told(session, TOLD, tuple(Category), after=place.logged, until=settled)
            await _note(session, told.files, place.categories)
            failpoint("replica.noting")
            await session.execute(_MOVE, {"logged": told.through})
        return True

    @retried
    async def _walk(self, settled: int) -> bool:
        """Go through one page of all files, each noted if it was not; say whether there may be another.

        What is due has to be worked off first: what was just stored waits for no more of what is old than that.
        """
        async with self.db.transaction() as session:
            place = (await session.execute(_LOCK, {"address": self.address})).one_or_none()
            if place is None or not place.walks or place.walk_after > settled:
                return False
            if (await session.execute(_BACKLOG, {"most": WALK_PAGE})).scalar_one() >= WALK_PAGE:
                return False
            after = place.walked or BEFORE_ALL
            page = await session.scalars(_PAGE, {"after": after, "limit": WALK_PAGE})
            ids = page.all()
            last = ids[-1] if len(ids) == WALK_PAGE else AFTER_ALL
            now = (await session.execute(_NOW)).scalar_one()
            await _note(session, [(file_id, now) for file_id in ids], place.categories)
            await session.execute(_END_BETWEEN, {"after": after, "until": last})
            failpoint("replica.walking")
            await session.execute(_WALKED, {"walked": last, "ended": last == AFTER_ALL})
        return last != AFTER_ALL


async def _note(session: AsyncSession, files: Sequence[tuple[UUID, datetime]], categories: Sequence[str]) -> None:
    """Write a row for each file that is there, of these categories, and end those of files that are not."""
    first = dict(reversed(files))
    if first:
        asked: dict[str, Any] = {"ids": list(first), "instants": list(first.values()), "categories": categories}
        await session.execute(_ADD, asked)
        await session.execute(_END, {"ids": list(first)})
