"""Whatever a test left is gone before the next one."""

from tests.conftest import fetch
from tests.emptying import SEEDED, TABLES

_ALL = "SELECT schemaname || '.' || tablename AS name FROM pg_tables WHERE schemaname NOT LIKE ALL ('{pg\\_%,info%}')"


async def test_all_tables_there_are_are_emptied(database: str) -> None:
    there = {row["name"].removeprefix("public.") for row in await fetch(database, _ALL)}

    assert there - {"alembic_version"} == {*TABLES, *SEEDED}
