"""The ledger: bytes and files per owner and category, moved by the transactions that change them."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import Final, NamedTuple, Self

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.columns import CATEGORY
from media_analysis.db.driver import Executes
from media_analysis.files.models import LedgerDay, LedgerEntry
from media_analysis.storage.category import Category

END_DAYS: Final = "DELETE FROM ledger_days"


class Account(NamedTuple):
    """Whose bytes, for what."""

    owner: str
    category: Category


class Movement(NamedTuple):
    """A change of an account, in files and bytes; each part may be negative."""

    files: int = 0
    size_bytes: int = 0
    reserved_bytes: int = 0
    trashed_files: int = 0
    trashed_bytes: int = 0
    arrived_files: int = 0
    """Those of `files` that are new today, which forecasts count."""
    arrived_bytes: int = 0

    @classmethod
    def arriving(cls, files: int, size_bytes: int, *, reserved_bytes: int = 0) -> Self:
        """Return that of files that are new, and of what was reserved for them."""
        return cls(files, size_bytes, -reserved_bytes, arrived_files=files, arrived_bytes=size_bytes)

    @property
    def used_bytes(self) -> int:
        """What a quota notices of it; the trash is part of `size_bytes`."""
        return self.size_bytes + self.reserved_bytes

    def plus(self, other: "Movement") -> "Movement":
        return Movement(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


Moved = tuple[Account, Movement]


class CountedDay(NamedTuple):
    """What came and what went on one day (UTC)."""

    day: date
    files: int
    size_bytes: int
    gone_files: int
    gone_bytes: int


def sum_movements(moves: Iterable[Moved]) -> dict[Account, Movement]:
    """Return one movement per account."""
    sums: dict[Account, Movement] = {}
    for account, movement in moves:
        known = sums.get(account)
        sums[account] = movement if known is None else known.plus(movement)
    return sums


SUM_MOVED: Final = """
    SELECT owner, category, count(*) AS files, sum(size_bytes)::bigint AS size_bytes,
        coalesce(sum(reserved_bytes), 0)::bigint AS reserved_bytes
    FROM moved GROUP BY owner, category
"""
"""What a statement whose part is named `moved` did to accounts."""

_OPEN = text("""
    INSERT INTO ledger (owner, category, files, size_bytes, reserved_bytes)
    VALUES (:owner, CAST(:category AS category), 0, 0, 0) ON CONFLICT DO NOTHING
""")

# Last in their transactions, and in this order everywhere (docs/decisions/0014): categories, accounts, days.
_USE = text("""
    WITH asked AS (
        SELECT * FROM unnest(CAST(:categories AS category[]), CAST(:sizes AS bigint[])) AS asked(category, size_bytes)
    ), locked AS (
        SELECT asked.* FROM category_usage JOIN asked USING (category) ORDER BY category FOR UPDATE OF category_usage
    )
    UPDATE category_usage SET size_bytes = category_usage.size_bytes + locked.size_bytes
    FROM locked LEFT JOIN category_policies AS policy USING (category)
    WHERE category_usage.category = locked.category
    RETURNING category_usage.category, locked.size_bytes > 0 AND category_usage.size_bytes > policy.quota_bytes AS over
""").columns(category=CATEGORY)

_MOVE = text("""
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:owners AS text[]), CAST(:categories AS category[]),
            CAST(:files AS bigint[]), CAST(:sizes AS bigint[]), CAST(:reserved AS bigint[]),
            CAST(:trashed_files AS bigint[]), CAST(:trashed_sizes AS bigint[]),
            CAST(:arrived_files AS bigint[]), CAST(:arrived_sizes AS bigint[])
        ) AS asked(owner, category, files, size_bytes, reserved_bytes, trashed_files, trashed_bytes,
                   arrived_files, arrived_bytes)
    ), locked AS (
        SELECT asked.* FROM ledger JOIN asked USING (owner, category) ORDER BY owner, category FOR UPDATE OF ledger
    ), counted AS (
        INSERT INTO ledger_days (day, category, files, size_bytes, gone_files, gone_bytes)
        SELECT (coalesce(CAST(:now AS timestamptz), now()) AT TIME ZONE 'UTC')::date, category,
            sum(arrived_files)::bigint, sum(arrived_bytes)::bigint,
            sum(greatest(arrived_files - files, 0))::bigint, sum(greatest(arrived_bytes - size_bytes, 0))::bigint
        FROM locked WHERE arrived_files > 0 OR files < 0 GROUP BY category ORDER BY category
        ON CONFLICT (day, category) DO UPDATE SET
            files = ledger_days.files + excluded.files, size_bytes = ledger_days.size_bytes + excluded.size_bytes,
            gone_files = ledger_days.gone_files + excluded.gone_files,
            gone_bytes = ledger_days.gone_bytes + excluded.gone_bytes
    )
    UPDATE ledger SET
        files = ledger.files + locked.files,
        size_bytes = ledger.size_bytes + locked.size_bytes,
        reserved_bytes = ledger.reserved_bytes + locked.reserved_bytes,
        trashed_files = ledger.trashed_files + locked.trashed_files,
        trashed_bytes = ledger.trashed_bytes + locked.trashed_bytes
    FROM locked LEFT JOIN category_policies AS policy USING (category)
    WHERE ledger.owner = locked.owner AND ledger.category = locked.category
    RETURNING ledger.owner, ledger.category, locked.size_bytes + locked.reserved_bytes > 0
        AND ledger.size_bytes + ledger.reserved_bytes > policy.owner_quota_bytes AS over
""").columns(category=CATEGORY)


ARRIVE: Final = """
    used AS MATERIALIZED (
        SELECT category, asked.size_bytes FROM category_usage JOIN (
            SELECT category, sum(size_bytes)::bigint AS size_bytes FROM sums GROUP BY category
        ) AS asked USING (category) ORDER BY category FOR UPDATE OF category_usage
    ), filled AS (
        UPDATE category_usage SET size_bytes = category_usage.size_bytes + used.size_bytes
        FROM used LEFT JOIN category_policies AS policy USING (category)
        WHERE category_usage.category = used.category
        RETURNING category_usage.category,
            used.size_bytes > 0 AND category_usage.size_bytes > policy.quota_bytes AS over
    ), accounts AS MATERIALIZED (
        SELECT owner, category, sums.files, sums.size_bytes FROM ledger JOIN sums USING (owner, category)
        WHERE (SELECT count(*) FROM filled) >= 0 ORDER BY owner, category FOR UPDATE OF ledger
    ), counted AS (
        UPDATE ledger SET files = ledger.files + accounts.files, size_bytes = ledger.size_bytes + accounts.size_bytes
        FROM accounts LEFT JOIN category_policies AS policy USING (category)
        WHERE ledger.owner = accounts.owner AND ledger.category = accounts.category
        RETURNING accounts.category, accounts.size_bytes > 0
            AND ledger.size_bytes + ledger.reserved_bytes > policy.owner_quota_bytes AS over
    ), arrived AS (
        INSERT INTO ledger_days (day, category, files, size_bytes)
        SELECT (now() AT TIME ZONE 'UTC')::date, category, sum(files)::bigint, sum(size_bytes)::bigint
        FROM accounts WHERE (SELECT count(*) FROM counted) >= 0 GROUP BY category ORDER BY category
        ON CONFLICT (day, category) DO UPDATE SET
            files = ledger_days.files + excluded.files, size_bytes = ledger_days.size_bytes + excluded.size_bytes
    ), passed AS (
        SELECT category FROM filled WHERE over UNION ALL SELECT category FROM counted WHERE over
    )
"""
"""What `move` does, as parts of a statement, for `sums` (owner, category, files, size_bytes) that have just arrived.

Each part waits for the one before: categories are locked before accounts, and those before days, as everywhere.
"""


async def open_account(session: AsyncSession, account: Account) -> None:
    """Make sure that an account is there to be moved."""
    await session.execute(_OPEN, {"owner": account.owner, "category": account.category.value})


async def move(session: Executes, moved: Iterable[Moved], *, now: datetime | None = None) -> Mapping[Account, Movement]:
    """Change accounts that exist, once in a transaction, at its end: every upload opened its own when it began.

    All are locked in one order; who moved them one by one would wait for others in a circle. Returns those that grew
    while they, or their category, passed a quota, and by what: exact, for the rows stay locked.
    """
    sums = sum_movements(moved)
    if not sums:
        return {}
    full = await _use(session, sums)
    rows = await session.execute(
        _MOVE,
        {
            "owners": [account.owner for account in sums],
            "categories": [account.category.value for account in sums],
            "files": [movement.files for movement in sums.values()],
            "sizes": [movement.size_bytes for movement in sums.values()],
            "reserved": [movement.reserved_bytes for movement in sums.values()],
            "trashed_files": [movement.trashed_files for movement in sums.values()],
            "trashed_sizes": [movement.trashed_bytes for movement in sums.values()],
            "arrived_files": [movement.arrived_files for movement in sums.values()],
            "arrived_sizes": [movement.arrived_bytes for movement in sums.values()],
            "now": now,
        },
    )
    over = {Account(row.owner, row.category) for row in rows if row.over}
    return {
        account: movement
        for account, movement in sums.items()
        if account in over or (account.category in full and movement.used_bytes > 0)
    }


async def _use(session: Executes, sums: Mapping[Account, Movement]) -> Collection[Category]:
    """Change what categories use; returns those that grew past their quota."""
    used: dict[Category, int] = {}
    for account, movement in sums.items():
        used[account.category] = used.get(account.category, 0) + movement.used_bytes
    changed = {category: size_bytes for category, size_bytes in used.items() if size_bytes}
    if not changed:
        return ()
    asked = {"categories": [kind.value for kind in changed], "sizes": list(changed.values())}
    return [row.category for row in await session.execute(_USE, asked) if row.over]


async def get_held_bytes(session: AsyncSession, account: Account) -> int:
    """Return what an owner has of a category: stored, in the trash and reserved."""
    held = LedgerEntry.size_bytes + LedgerEntry.reserved_bytes
    query = select(held).where(LedgerEntry.owner == account.owner, LedgerEntry.category == account.category)
    return (await session.scalars(query)).one_or_none() or 0


async def list_entries(session: AsyncSession, *, owner: str | None) -> Sequence[LedgerEntry]:
    """Return the accounts of one owner, or of everybody."""
    query = select(LedgerEntry)
    if owner is not None:
        query = query.where(LedgerEntry.owner == owner)
    return (await session.scalars(query)).all()


async def list_days(session: AsyncSession, *, since: date, category: Category | None = None) -> Sequence[CountedDay]:
    """Return what came and went on each day from `since` on, of one category or of all; quiet days are left out."""
    counts = (LedgerDay.files, LedgerDay.size_bytes, LedgerDay.gone_files, LedgerDay.gone_bytes)
    query = select(LedgerDay.day, *map(func.sum, counts)).where(LedgerDay.day >= since)
    if category is not None:
        query = query.where(LedgerDay.category == category)
    rows = await session.execute(query.group_by(LedgerDay.day).order_by(LedgerDay.day))
    return [CountedDay(day, *map(int, sums)) for day, *sums in rows]
