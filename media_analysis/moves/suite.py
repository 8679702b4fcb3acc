"""Opens what moves need: the database, and no store."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from media_analysis.db.database import open_database
from media_analysis.db.instance import find_instance
from media_analysis.db.migrations import require_schema
from media_analysis.db.pooling import require_own_sessions
from media_analysis.errors import NoDataDirectory
from media_analysis.errors.moves import MoveRefused
from media_analysis.integrity.inspection import ReadThrottle
from media_analysis.moves.opened import MoveContext
from media_analysis.moves.passes import MoveReport
from media_analysis.replication.opening import require_named
from media_analysis.settings import Settings
from media_analysis.settings.postgres import database_options
from media_analysis.storage.marker import MARKER_NAME, read_marker


@asynccontextmanager
async def open_moves(
    settings: Settings,
    url: str,
    *,
    actor: str,
    tell: Callable[[MoveReport], None],
    bytes_per_second: int | None = None,
) -> AsyncIterator[MoveContext]:
    """Open the database for moves; no store is opened, for a move may have closed the one the settings name.

    Raises:
        NoDataDirectory: the settings name a directory in which no store is, or was.
        MoveRefused: no service was started on this database yet.
        InvalidSettings: there are replicas, and the settings do not name them: nobody could keep apart from those.
        SchemaBehind: the database is not of this version.

    """
    main = settings.sites.main
    if isinstance(main, Path) and await asyncio.to_thread(read_marker, main) is None:
        raise NoDataDirectory(main, f"no store, for it carries no {MARKER_NAME}")
    async with open_database(url, database_options(settings)) as db:
        await require_own_sessions(db)
        async with db.read_only() as session:
            await require_schema(session)
            instance_id = await find_instance(session)
        if instance_id is None:
            raise MoveRefused("no service was started on this database yet, so there is nothing to move")
        await require_named(db, settings)
        yield MoveContext(db, settings, instance_id, actor, ReadThrottle(bytes_per_second), tell)
