"""Migrations: up, no difference to the models, down, up; after kill -9; by two at once."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import CheckConstraint, Enum, Table

from media_analysis.db.base import Base
from media_analysis.db.migrations import head, migrate
from media_analysis.errors import DatabaseUnavailable, Misconfigured
from tests.conftest import execute, fetch, with_database
from tests.processes import ROOT, Process, start

TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'alembic_version'"
TYPES = "SELECT typname FROM pg_type WHERE typtype = 'e'"
CHECKS = """
    SELECT conname FROM pg_constraint JOIN pg_namespace ON pg_namespace.oid = connamespace
    WHERE nspname = 'public' AND contype = 'c'
"""


@pytest.fixture
async def empty(server_url: str) -> AsyncIterator[str]:
    """The URL of a database without anything in it."""
    name = f"empty_{os.getpid()}"
    await execute(server_url, f'CREATE DATABASE "{name}"')
    yield with_database(server_url, name)
    await execute(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


def alembic(url: str) -> Config:
    """Return the configuration a developer's `alembic` uses."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.set_main_option("sqlalchemy.url", url.replace("%", "%%"))
    return config


async def revision_of(url: str) -> str:
    revision: str = (await fetch(url, "SELECT version_num FROM alembic_version"))[0][0]
    return revision


def migration_of(url: str) -> Process:
    return start("migrate", environment={**os.environ, "DATABASE_URL": url})


def checks_of(table: Table) -> list[CheckConstraint]:
    return [constraint for constraint in table.constraints if isinstance(constraint, CheckConstraint)]


async def names(url: str, query: str) -> set[str]:
    return {row[0] for row in await fetch(url, query)}


async def test_up_check_down_and_up_again(empty: str) -> None:
    await migrate(empty)
    await asyncio.to_thread(command.check, alembic(empty))
    tables = await names(empty, TABLES)
    await asyncio.to_thread(command.downgrade, alembic(empty), "base")
    left = await names(empty, f"{TABLES} UNION ALL {TYPES}")
    await migrate(empty)

    assert tables == set(Base.metadata.tables)
    assert left == set()
    assert await names(empty, TABLES) == tables
    assert await revision_of(empty) == head()


async def test_the_words_of_every_enum_are_those_of_the_models(database: str) -> None:
    rows = await fetch(
        database,
        "SELECT typname::text AS name, array_agg(enumlabel::text ORDER BY enumsortorder) AS words "
        "FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid "
        "WHERE typnamespace = 'public'::regnamespace GROUP BY typname",
    )

    kinds = [column.type for table in Base.metadata.tables.values() for column in table.columns]
    modelled = {kind.name: kind.enums for kind in kinds if isinstance(kind, Enum)}
    assert {row["name"]: row["words"] for row in rows} == modelled


async def test_every_check_of_the_models_is_in_the_database(database: str) -> None:
    found = await names(database, CHECKS)

    modelled = {str(check.name) for table in Base.metadata.tables.values() for check in checks_of(table)}
    assert found == modelled


async def test_migrating_again_changes_nothing(database: str) -> None:
    await migrate(database)

    assert await revision_of(database) == head()


@pytest.mark.crash
async def test_a_migration_killed_in_the_middle_leaves_nothing_and_runs_again(empty: str) -> None:
    blocker = await asyncpg.connect(empty)
    transaction = blocker.transaction()
    await transaction.start()
    # The last table of the first migration cannot be created while another transaction may create it.
    await blocker.execute("CREATE TABLE instance ()")
    with migration_of(empty) as migrating:
        await _until_somebody_waits(empty)
        migrating.send_signal(signal.SIGKILL)
    await transaction.rollback()
    await blocker.close()

    await migrate(empty)

    assert migrating.returncode == -signal.SIGKILL
    assert await names(empty, TABLES) == set(Base.metadata.tables)
    assert await revision_of(empty) == head()


async def test_two_processes_that_migrate_at_once_both_succeed(empty: str) -> None:
    with migration_of(empty) as one, migration_of(empty) as other:
        codes = [one.wait(120), other.wait(120)]

    assert codes == [0, 0]
    assert await names(empty, TABLES) == set(Base.metadata.tables)
    assert len(await fetch(empty, "SELECT * FROM alembic_version")) == 1


async def test_a_schema_of_a_later_version_is_refused_in_words(own_database: str) -> None:
    await execute(own_database, "UPDATE alembic_version SET version_num = '9999'")

    with pytest.raises(Misconfigured, match="9999"):
        await migrate(own_database)

    assert await revision_of(own_database) == "9999"
    await _until_nobody_migrates(own_database)


async def test_a_database_that_does_not_exist_is_refused_in_words(server_url: str) -> None:
    with pytest.raises(Misconfigured, match='"missing" does not exist'):
        await migrate(with_database(server_url, "missing"))


async def test_a_server_nobody_listens_at_is_unavailable() -> None:
    with pytest.raises(DatabaseUnavailable) as refusal:
        await migrate("postgresql://someone:secret@127.0.0.1:1/any")

    assert "secret" not in str(refusal.value)


async def _until_nobody_migrates(url: str) -> None:
    migrating = "SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name ~ 'migrate'"
    async with asyncio.timeout(60):
        while await fetch(url, migrating):  # noqa: ASYNC110 - rows set no Event
            await asyncio.sleep(0.02)


async def _until_somebody_waits(url: str) -> None:
    waiting = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    async with asyncio.timeout(60):
        while not await fetch(url, waiting):  # noqa: ASYNC110 - rows set no Event
            await asyncio.sleep(0.02)
