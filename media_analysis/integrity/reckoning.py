"""Proof that the sums are the sums: ledger, usage and days against the rows, on one snapshot."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database

PAGE_ROWS: Final = 100_000
"""Rows summed by one statement, so that none of them runs into its time limit however many there are."""

Sums = Mapping[tuple[Any, ...], tuple[int, ...]]
"""Sums by what they are summed up for."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One sum that is not what the rows add up to."""

    table: str
    of: str
    column: str
    told: int
    truth: int


@dataclass(frozen=True, slots=True)
class Reckoning:
    """How many rows were added up, and every sum they contradict."""

    files: int
    differences: Sequence[Difference]


_LEDGER_COLUMNS: Final = ("files", "size_bytes", "reserved_bytes", "trashed_files", "trashed_bytes")
_DAY_COLUMNS: Final = ("files", "size_bytes")

_PAGE_END = text("SELECT id FROM media_files WHERE id > :after ORDER BY id OFFSET :skipped LIMIT 1")
_ACCOUNTS = text("""
    SELECT owner, category::text,
        count(*) FILTER (WHERE state <> 'pending'),
        coalesce(sum(size_bytes) FILTER (WHERE state <> 'pending'), 0)::bigint,
        coalesce(sum(reserved_bytes) FILTER (WHERE state = 'pending'), 0)::bigint,
        count(*) FILTER (WHERE state = 'trashed'),
        coalesce(sum(size_bytes) FILTER (WHERE state = 'trashed'), 0)::bigint
    FROM media_files WHERE id > :after AND id <= :last GROUP BY 1, 2
""")
# The same expressions as in the trigger of migration 0003.
_DAYS = text("""
    SELECT category::text,
        CASE WHEN state = 'stored' AND NOT expiry_explicit THEN (stored_at AT TIME ZONE 'UTC')::date END,
        CASE WHEN isfinite(due_at) THEN (due_at AT TIME ZONE 'UTC')::date END,
        count(*), coalesce(sum(size_bytes), 0)::bigint
    FROM media_files WHERE id > :after AND id <= :last AND state <> 'pending' GROUP BY 1, 2, 3
""")
_LEDGER_TOLD = text(f"SELECT owner, category::text, {', '.join(_LEDGER_COLUMNS)} FROM ledger")  # noqa: S608
_USAGE_TOLD = text("SELECT category::text, size_bytes FROM category_usage")
_DAYS_TOLD = text("""
    SELECT category::text, stored_on, due_on, sum(files)::bigint, sum(size_bytes)::bigint FROM due_days GROUP BY 1, 2, 3
""")
_LAST: Final = UUID(int=2**128 - 1)


async def reckon(db: Database, *, page_rows: int = PAGE_ROWS) -> Reckoning:
    """Add up every row and compare, all of it in one read-only snapshot: uploads and sweeps go on meanwhile."""
    async with db.read_only() as session:
        accounts, days = await _add_up(session, page_rows)
        ledger = await _read(session, _LEDGER_TOLD, 2)
        told_usage = await _read(session, _USAGE_TOLD, 1)
        told_days = await _read(session, _DAYS_TOLD, 3)
    usage = _sum_by_category(accounts)
    differences = [
        *_compare("ledger", _LEDGER_COLUMNS, ledger, accounts),
        *_compare("category_usage", ("size_bytes",), told_usage, usage),
        *_compare("due_days", _DAY_COLUMNS, told_days, days),
    ]
    return Reckoning(sum(sums[0] for sums in accounts.values()), differences)


async def _add_up(session: AsyncSession, page_rows: int) -> tuple[Sums, Sums]:
    accounts: dict[tuple[Any, ...], tuple[int, ...]] = {}
    days: dict[tuple[Any, ...], tuple[int, ...]] = {}
    after: UUID | None = UUID(int=0)
    while after is not None:
        end = (await session.execute(_PAGE_END, {"after": after, "skipped": page_rows - 1})).scalar_one_or_none()
        page = {"after": after, "last": end or _LAST}
        _add(accounts, await _read(session, _ACCOUNTS, 2, page))
        _add(days, await _read(session, _DAYS, 3, page))
        after = end
    return accounts, days


async def _read(session: AsyncSession, query: Any, width: int, values: Mapping[str, object] | None = None) -> Sums:
    rows = await session.execute(query, values or {})
    return {tuple(row[:width]): tuple(row[width:]) for row in rows}


def _add(sums: dict[tuple[Any, ...], tuple[int, ...]], more: Sums) -> None:
    for of, values in more.items():
        known = sums.get(of)
        sums[of] = values if known is None else tuple(a + b for a, b in zip(known, values, strict=True))


def _sum_by_category(accounts: Sums) -> Sums:
    used: defaultdict[tuple[Any, ...], int] = defaultdict(int)
    for (_, category), (_, size_bytes, reserved_bytes, *_) in accounts.items():
        used[category,] += size_bytes + reserved_bytes
    return {of: (size_bytes,) for of, size_bytes in used.items()}


def _compare(table: str, columns: Sequence[str], told: Sums, truth: Sums) -> Iterator[Difference]:
    nothing = (0,) * len(columns)
    for of in sorted(told.keys() | truth.keys(), key=str):
        for column, says, is_ in zip(columns, told.get(of, nothing), truth.get(of, nothing), strict=True):
            if says != is_:
                yield Difference(table, "/".join(str(part or "-") for part in of), column, says, is_)
