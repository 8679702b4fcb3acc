"""Bringing a database to the schema this version needs."""

import asyncio
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.ext.asyncio import AsyncSession

import media_analysis
from media_analysis.db.database import DatabaseOptions, open_database
from media_analysis.db.faults import translated_errors
from media_analysis.db.health import get_schema_revision
from media_analysis.db.pooling import require_own_sessions
from media_analysis.errors import Misconfigured, SchemaBehind


async def migrate(url: str, revision: str = "head") -> None:
    """Upgrade the database at `url`; safe to run again after a crash, and by many at once.

    Raises:
        DatabaseUnavailable, Misconfigured: it cannot be reached or entered, or a later version migrated it.

    """
    async with open_database(url, DatabaseOptions()) as db:
        await require_own_sessions(db)
    with translated_errors():
        # Alembic's environment runs an event loop of its own, hence the thread.
        try:
            await asyncio.to_thread(command.upgrade, alembic_config(url), revision)
        except CommandError as error:
            raise Misconfigured(f"the database cannot be migrated by this version: {error}") from error


async def require_schema(session: AsyncSession) -> None:
    """Refuse a database whose schema is not this version's.

    Raises:
        SchemaBehind: says what to run.

    """
    current = await get_schema_revision(session)
    if current != head():
        raise SchemaBehind(current=current, needed=head())


@cache
def revisions() -> Sequence[str]:
    """Return all revisions in the order they are applied."""
    scripts = ScriptDirectory.from_config(alembic_config("")).walk_revisions()
    return tuple(reversed([script.revision for script in scripts]))


@cache
def head() -> str:
    """Return the revision this version needs."""
    revision = ScriptDirectory.from_config(alembic_config("")).get_current_head()
    if revision is None:
        raise RuntimeError("no migrations were shipped")
    return revision


def alembic_config(url: str) -> Config:
    """Return what Alembic needs to know to migrate the database at `url`."""
    config = Config()
    config.set_main_option("script_location", str(_scripts()).replace("%", "%%"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


def _scripts() -> Path:
    package = Path(media_analysis.__file__).parent
    shipped = package / "migrations"
    return shipped if shipped.is_dir() else package.parent / "migrations"
