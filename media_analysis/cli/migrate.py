"""`media-analysis migrate`: bring the database to this version's schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

from media_analysis.cli.console import ConfigFile, DataDir, load, report, run

if TYPE_CHECKING:
    from media_analysis.settings import Settings


def migrate(data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Bring the database to this version's schema; safe to repeat, and to run on several machines at once."""
    run(_migrate(load(config, data_dir).settings))


async def _migrate(settings: Settings) -> None:
    from media_analysis.db.migrations import head
    from media_analysis.db.migrations import migrate as migrate_database
    from media_analysis.runtime import database_url

    async with database_url(settings, report=report) as url:
        await migrate_database(url)
    report(f"the schema is at {head()}")
