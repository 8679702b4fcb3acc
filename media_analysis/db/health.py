"""Is PostgreSQL there, safe to trust, and at the schema this version needs?"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import UnsafeDatabase

_UNSAFE: Final = text("""
    SELECT name, current_setting(name) FROM unnest(ARRAY['fsync', 'full_page_writes', 'synchronous_commit']) AS name
    WHERE current_setting(name) = 'off'
""")


async def list_unsafe_settings(session: AsyncSession) -> Sequence[tuple[str, str]]:
    """Return the (setting, value) pairs under which a crash can lose acknowledged data."""
    return [(name, setting) for name, setting in await session.execute(_UNSAFE)]


async def require_safe_settings(session: AsyncSession) -> None:
    """Refuse a server that can lose acknowledged data.

    Raises:
        UnsafeDatabase: names the first such setting.

    """
    for setting, value in await list_unsafe_settings(session):
        raise UnsafeDatabase(setting, value)


async def describe_server(session: AsyncSession) -> str:
    """Return in a few words which server this is and at which schema."""
    version = (await session.execute(text("SHOW server_version"))).scalar_one()
    return f"PostgreSQL {version}, schema {await get_schema_revision(session)}"


async def get_schema_revision(session: AsyncSession) -> str | None:
    """Return the Alembic revision the database is at, None when it was never migrated."""
    known = (await session.execute(text("SELECT to_regclass('alembic_version')"))).scalar_one()
    if known is None:
        return None
    revision: str | None = (await session.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
    return revision
