"""Taking all rows out of the database that the tests of a process use one after another."""

import asyncpg

import media_analysis.moves.models  # noqa: F401 - no service of a process knows these tables
from media_analysis.db.base import Base
from media_analysis.db.migrations import head
from tests.reused import CONNECTIONS

SEEDED = {"category_usage"}
"""Whose rows are made by the migrations, once."""
TABLES = sorted(table.fullname for table in Base.metadata.tables.values() if table.name not in SEEDED)
EMPTYING = "; ".join(
    (
        # Neither foreign keys nor triggers: all goes, also what is append-only for everybody else. For these statements
        # alone, which are one transaction: their connection may be used on.
        "SET LOCAL session_replication_role = replica",
        *(f"DELETE FROM {table}" for table in TABLES),
        "UPDATE category_usage SET size_bytes = 0 WHERE size_bytes <> 0",
    )
)


async def emptied(url: str) -> bool:
    """Delete all rows, which takes milliseconds where copying or truncating takes hundreds; False if tables changed."""
    try:
        async with CONNECTIONS.lend(url) as connection:
            await connection.execute(EMPTYING)
            revision = await connection.fetch("SELECT version_num FROM alembic_version")
    except asyncpg.UndefinedTableError:
        return False
    return [row["version_num"] for row in revision] == [head()]
