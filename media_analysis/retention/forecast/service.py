"""The forecast: used bytes per day, and when room runs out, from sums per day; files are never looked at."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from media_analysis.db.database import Database
from media_analysis.deletion.strategy import Strategy
from media_analysis.files.ledger import CountedDay, list_days
from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.policy.in_force import get_policy
from media_analysis.retention.forecast.days import (
    TRAILING_DAYS,
    CategoryHistory,
    DueSum,
    Leaving,
    list_accounts,
    list_due_sums,
    list_leaving,
)
from media_analysis.retention.forecast.projection import (
    DAY,
    Day,
    Horizon,
    Projection,
    conclude,
    project,
    redate,
    whole_days,
)
from media_analysis.retention.forecast.request import ForecastRequest
from media_analysis.storage.category import Category
from media_analysis.storage.store import ObjectStore

LEAVING_HOURS: Final = (24, 7 * 24, 30 * 24)
_NO_RULES: Final = Policy({category: CategoryRules() for category in Category})


@dataclass(frozen=True)
class Forecast:
    """What will be if nothing changes, and what would be with the lifetimes that were asked for."""

    request: ForecastRequest
    policy: Policy
    expected: Projection
    what_if: Projection | None
    used_bytes: int
    """What is used now, in the category asked for or in all."""
    room_bytes: int | None
    """How much all categories may grow together before the disk's reserve begins; None in a bucket, that has no end."""
    past: Sequence[CountedDay]
    """What came and went of late, today included."""
    leaving: Sequence[Leaving]
    """What falls due soon of what is stored now, without what is still to come in."""

    @property
    def limit_bytes(self) -> int | None:
        """How much is used when the disk's reserve begins."""
        return None if self.room_bytes is None else self.used_bytes + self.room_bytes


@dataclass(frozen=True)
class _Known:
    """What one snapshot says."""

    accounts: Mapping[Category, CategoryHistory]
    sums: Mapping[Category, Sequence[DueSum]]
    policy: Policy
    past: Sequence[CountedDay]
    leaving: Sequence[Leaving]

    def used_bytes(self, category: Category | None) -> int:
        return sum(account.used_bytes for kind, account in self.accounts.items() if category in {None, kind})


@dataclass(frozen=True)
class ForecastService:
    """Tells how used bytes will develop; reads sums per day, however many files there are."""

    db: Database
    store: ObjectStore
    reserve_bytes: int
    strategy: Strategy

    async def forecast(self, request: ForecastRequest, *, now: datetime | None = None) -> Forecast:
        """Return the days from today on, and beside them the same days under other lifetimes."""
        known = await self.db.retry(lambda: self._read(request, now))
        _, free_bytes = (await self.store.capacity()).told
        room_bytes = None if free_bytes is None else free_bytes - self.reserve_bytes
        used_bytes = sum(account.used_bytes for account in known.accounts.values())
        limit_bytes = None if room_bytes is None else room_bytes + used_bytes
        policy, changed = known.policy, _changed(known.policy, request.lifetimes)
        days_by_category = {category: self._project(known, category, policy, request) for category in Category}
        expected = conclude(days_by_category, policy, category=request.category, limit_bytes=limit_bytes)
        what_if = None
        if request.lifetimes:
            days_by_category |= {
                category: self._project(known, category, changed, request) for category in request.lifetimes
            }
            what_if = conclude(days_by_category, changed, category=request.category, limit_bytes=limit_bytes)
        return Forecast(
            request=request,
            policy=policy,
            expected=expected,
            what_if=what_if,
            used_bytes=known.used_bytes(request.category),
            room_bytes=room_bytes,
            past=known.past,
            leaving=known.leaving,
        )

    async def _read(self, request: ForecastRequest, now: datetime | None) -> _Known:
        async with self.db.read_only() as session:
            accounts = await list_accounts(session, now=now, with_trash=self.strategy.sweeps is not None)
            policy = await get_policy(session)
            today = accounts[0].today
            rows = await list_due_sums(
                session, today=today, before=today + request.days * DAY, told=list(request.lifetimes)
            )
            past = await list_days(session, since=today - TRAILING_DAYS * DAY, category=request.category)
            asked = list(Category) if request.category is None else [request.category]
            leaving = await list_leaving(session, hours=LEAVING_HOURS, categories=asked, now=now)
        sums: dict[Category, list[DueSum]] = {category: [] for category in Category}
        for row in rows:
            sums[row.category].append(row)
        return _Known({account.category: account for account in accounts}, sums, policy or _NO_RULES, past, leaving)

    def _project(self, known: _Known, category: Category, policy: Policy, request: ForecastRequest) -> Sequence[Day]:
        account, sums, rules = known.accounts[category], known.sums[category], policy.of(category)
        if policy is not known.policy:
            sums = redate(sums, known.policy.of(category), rules, account.today)
        trash_days = whole_days(self.strategy.kept_when_swept(category) or timedelta())
        return project(account, sums, rules, Horizon(account.today, request.days, trash_days))


def _changed(policy: Policy, lifetimes: Mapping[Category, timedelta | None]) -> Policy:
    changed = {category: replace(policy.of(category), lifetime=lifetime) for category, lifetime in lifetimes.items()}
    return Policy({**policy.rules, **changed})
