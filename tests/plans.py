"""Query plans: which indexes PostgreSQL takes, and whether it has to sort or to read whole tables."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Select

from media_analysis.runtime import Runtime

SORTS: Final = frozenset({"Sort", "Incremental Sort"})


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
    def conditions(self) -> str:
        return " ".join(str(node.get("Index Cond", "")) for node in self.nodes)

    @property
    def rows_read(self) -> float:
        """Rows that scans of tables returned or threw away."""
        scans = [node for node in self.nodes if "Relation Name" in node]
        return sum(
            (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"] for node in scans
        )


async def explain(runtime: Runtime, query: Select[Any]) -> Plan:
    """Run a query and return the plan it had."""
    compiled = query.compile(dialect=runtime.db.engine.sync_engine.dialect, compile_kwargs={"literal_binds": True})
    async with runtime.db.engine.connect() as connection:
        told = (await connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {compiled}")).scalar_one()
    return Plan(list(_nodes(told[0]["Plan"])))


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for below in plan.get("Plans", []):
        yield from _nodes(below)
