"""Query plans: which indexes PostgreSQL takes, and whether it has to sort or to read whole tables."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import asyncpg
from sqlalchemy import ClauseElement, Executable, text
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler

from media_analysis.runtime import Runtime

UNORDERED: Final = frozenset({"Seq Scan", "Sort", "Incremental Sort"})
_ROWS_READ: Final = text("""
    SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) FROM pg_stat_xact_user_tables WHERE schemaname <> 'pg_catalog'
""")


@dataclass(frozen=True)
class Plan:
    """What EXPLAIN ANALYZE told of a query."""

    nodes: list[dict[str, Any]]

    @property
    def kinds(self) -> set[str]:
        return {node["Node Type"] for node in self.nodes}

    @property
    def indexes(self) -> set[str]:
        return {node["Index Name"] for node in self.nodes if "Index Name" in node}

    @property
    def read_whole(self) -> set[str]:
        """The tables of which all rows are read."""
        return {node["Relation Name"] for node in self.nodes if node["Node Type"] == "Seq Scan"}

    @property
    def rows_read(self) -> float:
        """Rows that scans of tables returned or threw away."""
        scans = [node for node in self.nodes if "Relation Name" in node]
        rows = ((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans)
        return float(sum(rows))


class Explain(Executable, ClauseElement):
    """EXPLAIN ANALYZE of a query, with its parameters as they are."""

    inherit_cache = False

    def __init__(self, query: ClauseElement) -> None:
        self.query = query


@compiles(Explain)
def _compile_explain(element: Explain, compiler: SQLCompiler, **about: Any) -> str:
    return f"EXPLAIN (ANALYZE, FORMAT JSON) {compiler.process(element.query, **about)}"


async def explain(runtime: Runtime, query: ClauseElement) -> Plan:
    """Run a query and return the plan it had."""
    async with runtime.db.engine.connect() as connection:
        told = (await connection.execute(Explain(query))).scalar_one()
    return Plan(list(_nodes(told[0]["Plan"])))


async def planned(
    connection: asyncpg.Connection, statement: str, types: Sequence[str], values: Sequence[str], *, plans: str
) -> Plan:
    """Run a statement of the driver's by a `custom` or `generic` plan, take back what it did, and return the plan."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"SET LOCAL plan_cache_mode = force_{plans}_plan")
        await connection.execute(f"PREPARE asked {_listed(types)} AS {statement}")
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) EXECUTE asked {_listed(values)}")
        await connection.execute("DEALLOCATE asked")
    finally:
        await transaction.rollback()
    return Plan(list(_nodes(json.loads(told)[0]["Plan"])))


def _listed(parts: Sequence[str]) -> str:
    return f"({', '.join(parts)})" if parts else ""


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from _nodes(below)


def as_new(*tables: str) -> str:
    """Return the statement after which tables and their indexes are as small as what is in them, and known.

    Indexes keep the pages of all that earlier tests planted, until reading the table seems cheaper.
    """
    return f"VACUUM FULL ANALYZE {', '.join(tables)}"


async def count_rows_read(session: AsyncSession) -> int:
    """Return how many rows of tables this connection has read of late; compare two counts of one transaction."""
    return int((await session.execute(_ROWS_READ)).scalar_one())
