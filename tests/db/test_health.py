"""A database that can lose data, or is not at our schema, is refused by name."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from media_analysis.db.database import Database, DatabaseOptions, open_database
from media_analysis.db.health import get_schema_revision, list_unsafe_settings, require_safe_settings
from media_analysis.db.migrations import head, require_schema
from media_analysis.errors import SchemaBehind, UnsafeDatabase
from media_analysis.runtime import open_runtime
from media_analysis.settings import Settings
from tests.conftest import execute, fetch
from tests.db.power import Power


@pytest.fixture
def database(own_database: str) -> str:
    """One that tests may spoil."""
    return own_database


@pytest.fixture
async def db(database: str) -> AsyncIterator[Database]:
    async with open_database(database, DatabaseOptions()) as opened:
        yield opened


@asynccontextmanager
async def server_wide(url: str, name: str, value: str) -> AsyncIterator[None]:
    """Set what only a whole server has, and take it back."""
    await execute(url, f"ALTER SYSTEM SET {name} = {value}", "SELECT pg_reload_conf()")
    try:
        async with asyncio.timeout(40):
            while (await fetch(url, f"SHOW {name}"))[0][0] != value:
                pass
        yield
    finally:
        await execute(url, f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")


@pytest.mark.parametrize("name", ["fsync", "full_page_writes"])
async def test_a_server_that_can_lose_data_in_a_crash_is_refused_at_start(
    settings: Settings, own_server: Power, database: str, name: str
) -> None:
    async with server_wide(own_server.url, name, "off"):
        with pytest.raises(UnsafeDatabase, match=f"{name}=off"):
            async with open_runtime(settings, database):
                pass

    assert not (settings.store_path / ".media-analysis").exists()


async def test_a_database_that_acknowledges_before_writing_is_refused(settings: Settings, database: str) -> None:
    name = database.rpartition("/")[2].partition("?")[0]
    await execute(database, f'ALTER DATABASE "{name}" SET synchronous_commit = off')

    with pytest.raises(UnsafeDatabase, match="synchronous_commit=off"):
        async with open_runtime(settings, database):
            pass


async def test_a_safe_server_is_accepted(db: Database) -> None:
    async with db.read_only() as session:
        await require_safe_settings(session)
        unsafe = await list_unsafe_settings(session)

    assert unsafe == []


async def test_the_revision_of_a_migrated_database_is_the_newest(db: Database) -> None:
    async with db.read_only() as session:
        await require_schema(session)
        revision = await get_schema_revision(session)

    assert revision == head()


@pytest.mark.parametrize(
    ("change", "revision"),
    [
        ("DROP TABLE alembic_version", None),
        ("DELETE FROM alembic_version", None),
        ("UPDATE alembic_version SET version_num = '0000'", "0000"),
    ],
)
async def test_another_schema_is_refused_with_what_to_run(
    settings: Settings, db: Database, database: str, change: str, revision: str | None
) -> None:
    await execute(database, change)

    with pytest.raises(SchemaBehind, match="run: media-analysis migrate") as refusal:
        async with open_runtime(settings, database):
            pass

    assert (refusal.value.current, refusal.value.needed) == (revision, head())
    assert not settings.store_path.exists()
