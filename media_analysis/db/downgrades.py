"""The way back to an earlier schema: what it loses is found out first, in a rehearsal that is rolled back."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from alembic import command
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession, create_async_engine
from sqlalchemy.pool import NullPool

from media_analysis.db.address import Address
from media_analysis.db.connecting import connect
from media_analysis.db.faults import translated_errors
from media_analysis.db.health import get_schema_revision
from media_analysis.db.migrations import alembic_config, revisions
from media_analysis.errors import (
    DowngradeImpossible,
    DowngradeStopped,
    InvalidRequest,
    MediaAnalysisError,
    Misconfigured,
    SchemaInUse,
)

BASE: Final = "base"
"""The schema before the first migration: nothing."""

CONNECT_SECONDS: Final = 60

_OTHERS: Final = text("""
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
        AND (starts_with(application_name, 'media-analysis') OR application_name = current_setting('application_name'))
""")
_COLUMNS: Final = text("""
    SELECT format('%I.%I', table_schema, table_name) AS table, quote_ident(column_name) AS column, enums.words
    FROM information_schema.columns
    JOIN information_schema.tables USING (table_schema, table_name)
    LEFT JOIN (
        SELECT typname, array_agg(enumlabel::text) AS words FROM pg_enum JOIN pg_type ON pg_type.oid = enumtypid
        GROUP BY typname
    ) AS enums ON typname = udt_name
    WHERE table_type = 'BASE TABLE' AND table_name <> 'alembic_version'
        AND table_schema NOT IN ('pg_catalog', 'information_schema')
    ORDER BY table_schema, table_name, ordinal_position
""")

Inventory = Mapping[str, Mapping[str, frozenset[str]]]
"""The columns of every table, with the words of those that are enums."""


@dataclass(frozen=True, slots=True)
class MigrationTarget:
    """Where a migration starts and ends."""

    current: str
    revision: str
    goes_back: bool


async def resolve_revision(url: str, wanted: str) -> MigrationTarget:
    """Return where `head`, `base`, `+1`, `-1`, a revision or the beginning of one leads from where the database is.

    Raises:
        InvalidRequest: there is no such revision; the refusal names those there are.
        Misconfigured: a later version migrated the database.

    """
    current = await _current(url)
    known = [BASE, *revisions()]
    if current not in known:
        raise Misconfigured(
            f"the database is at {current}, which this version does not know; use the version that does"
        )
    place = known.index(current)
    found = _find(known, place, wanted)
    if found is None:
        raise InvalidRequest("--to", f"head, base, a step such as -1 or +1, or one of {', '.join(known[1:])}")
    return MigrationTarget(current, known[found], goes_back=found < place)


async def list_losses(url: str, revision: str) -> Sequence[str]:
    """Rehearse a downgrade and return what it would lose, one phrase for everything that has rows.

    Raises:
        DowngradeImpossible: something in the database cannot be said in the earlier schema.

    """
    with _impossible_in_words(revision):
        async with _connected(url) as connection:
            before = await _inventory(connection)
            await connection.run_sync(_rehearse, url, revision)
            after = await _inventory(connection)
        # What was not committed went with the connection.
        async with _connected(url) as connection:
            return [loss async for loss in _losses(connection, before, after)]


async def migrate_back(url: str, revision: str) -> None:
    """Downgrade the database at `url`: what the earlier schema has no place for is lost.

    Raises:
        SchemaInUse: other processes of the service have the database open.
        DowngradeStopped: a step failed, such as one that waited too long for a lock.

    """
    await require_nobody_else(url)
    try:
        with translated_errors():
            # Alembic's environment runs an event loop of its own, hence the thread.
            await asyncio.to_thread(command.downgrade, alembic_config(url), revision)
    except (MediaAnalysisError, DBAPIError) as error:
        reason = _reason(error) if isinstance(error, DBAPIError) else str(error)
        raise DowngradeStopped(revision, await _current(url), reason) from error


async def require_nobody_else(url: str) -> None:
    """Refuse while other processes of the service have the database open.

    Raises:
        SchemaInUse: they have.

    """
    async with _connected(url) as connection:
        connections = (await connection.execute(_OTHERS)).scalar_one()
    if connections:
        raise SchemaInUse(connections)


async def _current(url: str) -> str:
    async with _connected(url) as connection, AsyncSession(connection) as session:
        return await get_schema_revision(session) or BASE


def _find(known: Sequence[str], place: int, wanted: str) -> int | None:
    if re.fullmatch(r"[+-]\d{1,9}", wanted):
        step = place + int(wanted)
        return step if 0 <= step < len(known) else None
    if wanted == "head":
        return len(known) - 1
    matching = [index for index, revision in enumerate(known) if revision.startswith(wanted)] if wanted else []
    return matching[0] if len(matching) == 1 else None


@asynccontextmanager
async def _connected(url: str) -> AsyncIterator[AsyncConnection]:
    opened = partial(
        connect,
        Address.parse(url),
        "media-analysis migrate",
        timeout_seconds=CONNECT_SECONDS,
        command_timeout_seconds=None,
        settings={"lock_timeout": "5s", "timezone": "UTC"},
    )
    engine = create_async_engine("postgresql+asyncpg://", async_creator=opened, poolclass=NullPool)
    try:
        with translated_errors():
            async with engine.connect() as connection:
                yield connection
    finally:
        await engine.dispose()


@contextmanager
def _impossible_in_words(revision: str) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        raise DowngradeImpossible(revision, _reason(error)) from error


def _reason(error: DBAPIError) -> str:
    return str(error.orig.__cause__ or error.orig).partition("\n")[0] if error.orig else str(error)


def _rehearse(connection: Connection, url: str, revision: str) -> None:
    config = alembic_config(url)
    config.attributes["connection"] = connection
    command.downgrade(config, revision)


async def _inventory(connection: AsyncConnection) -> Inventory:
    tables: dict[str, dict[str, frozenset[str]]] = {}
    for table, column, words in await connection.execute(_COLUMNS):
        tables.setdefault(table, {})[column] = frozenset(words or ())
    return tables


async def _losses(connection: AsyncConnection, before: Inventory, after: Inventory) -> AsyncIterator[str]:
    for table, columns in before.items():
        if table not in after:
            if rows := await _count(connection, table, "true"):
                yield f"{_shown(table)} ({_rows(rows)})"
            continue
        for column, words in columns.items():
            gone = column not in after[table]
            lost = sorted(words - after[table].get(column, frozenset()))
            if not gone and not lost:
                continue
            what = f"{column} IS NOT NULL" if gone else f"{column}::text = ANY(:words)"
            if rows := await _count(connection, table, what, words=lost):
                named = "" if gone else f", where it is {' or '.join(lost)}"
                yield f"{_shown(table)}.{column} ({_rows(rows)}{named})"


async def _count(connection: AsyncConnection, table: str, condition: str, **values: Any) -> int:
    # Both are quoted by the database itself.
    statement = text(f"SELECT count(*) FROM {table} WHERE {condition}")  # noqa: S608
    used = {name: value for name, value in values.items() if f":{name}" in condition}
    rows: int = (await connection.execute(statement, used)).scalar_one()
    return rows


def _shown(table: str) -> str:
    return table.removeprefix("public.")


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
