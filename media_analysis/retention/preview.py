"""What another policy would do to what is stored, before it does it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database
from media_analysis.files.dates import held_until
from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.policy.in_force import InForce, dates_differ, get_in_force, list_undated, marks_differ
from media_analysis.retention.guard.breaker import BreakerLimits
from media_analysis.retention.guard.evictions import EvictionBreaker
from media_analysis.retention.pressure.changes import foresee_marks
from media_analysis.retention.pressure.outcome import ReliefBlocker
from media_analysis.storage.category import Category

LARGEST: Final = 20


@dataclass(frozen=True, slots=True)
class Change:
    """One rule before and after; spans are seconds."""

    before: float | str | None
    after: float | str | None


class OwnerLoss(NamedTuple):
    """What changed marks would evict of one owner."""

    owner: str
    files: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Impact:
    """What becomes of one category's stored files."""

    files: int = 0
    """How many get another expiry or another minimum."""
    size_bytes: int = 0
    owners: int = 0
    earliest_deletion: datetime | None = None
    """When the first of them falls due, in the past if it is due at once; None if none ever does."""
    newly_due_files: int = 0
    """How many of them are due at once, and were not."""
    newly_due_bytes: int = 0
    held_files: int = 0
    """How many of them move and yet stay: they are held."""
    evicted_files: int = 0
    """How many changed marks would evict at once, whatever their dates."""
    evicted_bytes: int = 0
    evicted_owners: Sequence[OwnerLoss] = ()
    """Who loses most, most first."""
    passed_over_files: int = 0
    """How many those evictions pass over because they are held."""
    passes_share: bool = False
    """Whether they are more than the breaker of evictions lets go unasked."""
    changes: Mapping[str, Change] = field(default_factory=dict)


class MovedFile(NamedTuple):
    """A file that gets another date."""

    file_id: UUID
    owner: str
    category: Category
    filename: str
    size_bytes: int
    expires_at: datetime | None
    new_expires_at: datetime | None


@dataclass(frozen=True, kw_only=True)
class PolicyPreview:
    """What a policy would do, by one snapshot."""

    policy_version: str
    in_force_version: str
    categories: Mapping[Category, Impact]
    largest: Sequence[MovedFile]
    needs_confirmation: bool
    """Whether more than the usual share of a category would fall due, or be evicted, at once."""

    @property
    def files(self) -> int:
        return sum(impact.files for impact in self.categories.values())

    @property
    def newly_due_files(self) -> int:
        return sum(impact.newly_due_files for impact in self.categories.values())

    @property
    def evicted_files(self) -> int:
        return sum(impact.evicted_files for impact in self.categories.values())

    @property
    def confirm(self) -> int:
        """The number that confirms it."""
        return self.newly_due_files + self.evicted_files


ENDS_AT: Final = """
    CASE WHEN expiry_explicit THEN expires_at ELSE stored_at + make_interval(secs => CAST(:lifetime AS float8)) END
"""
KEPT_UNTIL: Final = "stored_at + make_interval(secs => CAST(:minimum AS float8))"
"""The dates a stored file gets by other rules, as the end of an upload (T2) gives them."""
DIFFERS: Final = f"({ENDS_AT}, {KEPT_UNTIL}) IS DISTINCT FROM (expires_at, min_retain_until)"

_MOVED: Final = f"FROM media_files WHERE category = CAST(:category AS category) AND state = 'stored' AND {DIFFERS}"
# One pass over the rows, each of them judged once: what is told apart is a group, not a filter of every sum.
_IMPACT = text(f"""
    WITH moved AS (
        SELECT owner, size_bytes, coalesce({held_until()} > :now, false) AS held,
            coalesce(leased_until > :now, false) AS leased, expires_at, min_retain_until,
            CASE WHEN {ENDS_AT} IS NOT NULL THEN greatest({ENDS_AT}, {KEPT_UNTIL}) END AS due_at
        {_MOVED}
    ), owned AS (
        SELECT owner, held,
            due_at <= :now AND NOT (
                held OR leased OR coalesce(greatest(expires_at, min_retain_until) <= :now AND expires_at <= :now, false)
            ) AS newly_due,
            count(*) AS files, sum(size_bytes) AS size_bytes, min(due_at) AS due_at
        FROM moved GROUP BY 1, 2, 3
    )
    SELECT coalesce(sum(files), 0)::bigint AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes,
        count(DISTINCT owner) AS owners, min(due_at) FILTER (WHERE NOT held) AS earliest_deletion,
        coalesce(sum(files) FILTER (WHERE newly_due), 0)::bigint AS newly_due_files,
        coalesce(sum(size_bytes) FILTER (WHERE newly_due), 0)::bigint AS newly_due_bytes,
        coalesce(sum(files) FILTER (WHERE held), 0)::bigint AS held_files
    FROM owned
""")  # noqa: S608 - constants
# The largest of a sample are no larger than the largest of all, so that most rows are passed over by their size alone,
# without the dates that lie behind it in every row; OFFSET 0 keeps the two looks apart.
_LARGEST_MOVED = text(f"""
    SELECT id, owner, category::text, filename, size_bytes, expires_at, {ENDS_AT}
    FROM (
        SELECT * FROM media_files
        WHERE category = CAST(:category AS category) AND state = 'stored' AND size_bytes >= coalesce((
            SELECT min(size_bytes) FROM (
                SELECT size_bytes {_MOVED.replace("media_files", "media_files TABLESAMPLE SYSTEM (2)")}
                ORDER BY size_bytes DESC LIMIT :limit
            ) AS sampled HAVING count(*) = :limit
        ), 0)
        OFFSET 0
    ) AS large
    WHERE {DIFFERS} ORDER BY size_bytes DESC, id LIMIT :limit
""")  # noqa: S608 - constants
_STORED = text("""
    SELECT category::text, sum(files - trashed_files)::bigint, sum(size_bytes - trashed_bytes)::bigint
    FROM ledger GROUP BY category
""")


@dataclass(frozen=True)
class PolicyService:
    """Says which policy is in force, and what another one would do."""

    db: Database
    limits: BreakerLimits
    """What may fall due at once unconfirmed."""
    evictions: EvictionBreaker

    async def in_force(self) -> InForce:
        """Return the policy in force.

        Raises:
            PolicyMissing: there is none yet.

        """

        async def read() -> InForce:
            async with self.db.read_only() as session:
                return await get_in_force(session)

        return await self.db.retry(read)

    async def preview(self, policy: Policy, *, now: datetime | None = None) -> PolicyPreview:
        """Say what applying a policy would do, without doing it.

        Reads the stored files of categories whose lifetime or minimum changes, or changed since files were re-dated,
        and whom evictions would take where marks change.
        """
        async with self.db.read_only() as session:
            now = now or (await session.execute(text("SELECT now()"))).scalar_one()
            in_force = (await get_in_force(session)).policy
            undated = set(await list_undated(session))
            impacts: dict[Category, Impact] = {}
            largest: list[MovedFile] = []
            for category in Category:
                old, new = in_force.of(category), policy.of(category)
                if category in undated or dates_differ(old, new):
                    impacts[category] = await _impact(session, category, old, new, now)
                    largest += await _list_largest(session, category, new)
                else:
                    impacts[category] = Impact(changes=_changes(old, new))
                if marks_differ(old, new):
                    impacts[category] = await self._with_evictions(session, category, policy, impacts[category], now)
            return PolicyPreview(
                policy_version=policy.version,
                in_force_version=in_force.version,
                categories=impacts,
                largest=sorted(largest, key=lambda file: -file.size_bytes)[:LARGEST],
                needs_confirmation=await self._needs_confirmation(session, impacts),
            )

    async def _with_evictions(
        self, session: AsyncSession, category: Category, policy: Policy, impact: Impact, now: datetime
    ) -> Impact:
        foreseen = await foresee_marks(session, category, policy, now=now)
        going = foreseen.of(category)
        allowance = await self.evictions.read_allowance(session, category, policy.of(category), now=now)
        losses = [OwnerLoss(account.owner, *amount) for account, amount in foreseen.losses.items()]
        return replace(
            impact,
            evicted_files=going.files,
            evicted_bytes=going.size_bytes,
            evicted_owners=sorted(losses, key=lambda loss: -loss.size_bytes)[:LARGEST],
            passed_over_files=foreseen.blocked.amounts[ReliefBlocker.HOLD].files,
            passes_share=allowance is not None and not allowance.covers(going),
        )

    async def _needs_confirmation(self, session: AsyncSession, impacts: Mapping[Category, Impact]) -> bool:
        stored = {name: (files, size_bytes) for name, files, size_bytes in await session.execute(_STORED)}
        return any(
            self._passes_share(category, impact, *stored.get(category.value, (0, 0)))
            for category, impact in impacts.items()
        )

    def _passes_share(self, category: Category, impact: Impact, files: int, size_bytes: int) -> bool:
        if impact.passes_share:
            return True
        percent = self.limits.share_percent.get(category)
        if percent is None or impact.newly_due_files < max(1, self.limits.min_files):
            return False
        return impact.newly_due_files * 100 > files * percent or impact.newly_due_bytes * 100 > size_bytes * percent


def dates_of(category: Category, rules: CategoryRules) -> dict[str, Any]:
    """Return what the statements above want to know of a category's rules."""
    spans = {"lifetime": rules.lifetime, "minimum": rules.minimum}
    seconds = {name: None if span is None else span.total_seconds() for name, span in spans.items()}
    return {"category": category.value, **seconds}


async def _impact(
    session: AsyncSession, category: Category, old: CategoryRules, new: CategoryRules, now: datetime
) -> Impact:
    row = (await session.execute(_IMPACT, {**dates_of(category, new), "now": now})).mappings().one()
    return Impact(**row, changes=_changes(old, new))


async def _list_largest(session: AsyncSession, category: Category, new: CategoryRules) -> Sequence[MovedFile]:
    rows = await session.execute(_LARGEST_MOVED, {**dates_of(category, new), "limit": LARGEST})
    return [MovedFile(file_id, owner, Category(name), *facts) for file_id, owner, name, *facts in rows]


def _changes(old: CategoryRules, new: CategoryRules) -> Mapping[str, Change]:
    before, after = old.document(), new.document()
    names = dict.fromkeys([*before, *after])
    return {name: Change(before.get(name), after.get(name)) for name in names if before.get(name) != after.get(name)}
