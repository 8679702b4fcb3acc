"""Whose job is begun next: owners take turns, and each has its own most urgent job begun (docs/decisions/0023)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Index
from sqlalchemy.orm import Mapped, mapped_column

from media_analysis.db.base import Base

END_TURNS: Final = "DELETE FROM queue_turns"


class QueueTurn(Base):
    """When a job of an owner and a kind was last begun; who waited longest is next among equals."""

    __tablename__ = "queue_turns"
    __table_args__ = (Index("ix_queue_turns_served", "served_at"),)

    owner: Mapped[str] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    """Of external jobs `external:` and the analyser: one that serves others takes no turn from them."""
    served_at: Mapped[datetime]


@dataclass(frozen=True, kw_only=True, slots=True)
class WaitingLine:
    """Where jobs wait, in SQL; an index over `condition` holds kind, owner, `line`, due and id in this order."""

    table: str
    condition: str
    kind: str
    owner: str
    ordinary: str
    """False goes before all owners' turns."""
    rank: str
    """A bigint; the least is the most urgent."""
    fresh: str
    """False was begun before, and need not stand in line again."""
    due: str
    """The instant from which on it may be begun."""


# One step reads one row: the head of a line, which are an owner's jobs of one kind and urgency by when they are due.
# A head that is due ends the look at its owner. Heads are locked last, where nobody else took them.
_CHOICE: Final = """
    head AS (
        SELECT head.* FROM unnest({kinds}) AS asked(kind) CROSS JOIN LATERAL (
            {read} AND {kind} = asked.kind {only} {by}
        ) AS head
        UNION ALL
        SELECT next.* FROM head CROSS JOIN LATERAL (
            {read} AND {kind} = head.kind {only} AND ({owner}, {ordinary}, {rank}, {fresh}) > (
                head.owner,
                head.ordinary OR head.is_due,
                CASE WHEN head.is_due THEN 9223372036854775807 ELSE head.rank END,
                head.fresh OR head.is_due
            ) {by}
        ) AS next
    ), running AS (
        {running}
    ), candidate AS (
        SELECT DISTINCT ON (owner) * FROM head WHERE is_due ORDER BY owner, ordinary, rank, fresh, due, id
    ), turn AS MATERIALIZED (
        SELECT candidate.* FROM candidate LEFT JOIN running ON running.owner = candidate.owner LEFT JOIN LATERAL (
            SELECT max(served_at) AS at FROM queue_turns AS turn
            WHERE turn.owner = candidate.owner AND turn.kind = ANY({kinds})
        ) AS served ON true
        ORDER BY ordinary, CASE WHEN NOT ordinary THEN rank END, coalesce(running.jobs, 0), served.at NULLS FIRST,
            due, id
    ), chosen AS (
        SELECT waiting.id, turn.owner, turn.kind FROM turn CROSS JOIN LATERAL (
            SELECT id FROM {table}
            WHERE {condition} AND {kind} = turn.kind AND {owner} = turn.owner AND {ordinary} = turn.ordinary
                AND {rank} = turn.rank AND {fresh} = turn.fresh AND {due} <= {now}
            ORDER BY {due}, id LIMIT 1 FOR UPDATE SKIP LOCKED
        ) AS waiting LIMIT 1
    )
"""
_READ: Final = """
            SELECT {kind} AS kind, {owner} AS owner, {ordinary} AS ordinary, {rank} AS rank, {fresh} AS fresh,
                {due} AS due, {due} <= {now} AS is_due, id
            FROM {table} WHERE {condition}
"""
_BY: Final = "ORDER BY {kind}, {owner}, {ordinary}, {rank}, {fresh}, {due}, id LIMIT 1"
SERVED: Final = """
    INSERT INTO queue_turns (owner, kind, served_at) {served}
    ON CONFLICT (owner, kind) DO UPDATE SET served_at = excluded.served_at
"""
"""Notes that a job was begun, of the owner, kind and instant that a query returns."""


def choice(waiting: WaitingLine, *, kinds: str, now: str, running: str, owner: str | None = None) -> str:
    """Return the queries, to follow WITH RECURSIVE, of which `chosen` locks the next job: its id, owner and kind.

    First goes what is lifted, the most urgent of all; then the owner with the fewest jobs running, and of those the
    one whose last began longest ago. Rows read grow with the owners that wait, not with their jobs.

    Args:
        waiting: Where jobs wait.
        kinds: The kinds that may be begun, as text[].
        now: The instant of the choice.
        running: A query of how many `jobs` of these kinds an `owner` has running.
        owner: The one owner whose jobs are looked at; None is all.

    """
    parts = {name: getattr(waiting, name) for name in WaitingLine.__slots__} | {"kinds": kinds, "now": now}
    only = "" if owner is None else f"AND {waiting.owner} = {owner}"
    about = {"read": _READ.format(**parts), "by": _BY.format(**parts), "only": only}
    return _CHOICE.format(**parts, **about, running=running)
