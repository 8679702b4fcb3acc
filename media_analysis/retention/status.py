"""How storage stands: used and free bytes, quotas, what is overdue, and whether all is well."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

from sqlalchemy import text

from media_analysis.columns import CATEGORY
from media_analysis.db.database import Database
from media_analysis.db.health import list_unsafe_settings
from media_analysis.deletion.models import Pause
from media_analysis.deletion.pauses import list_pauses
from media_analysis.deletion.selection import Amount
from media_analysis.errors import MediaAnalysisError
from media_analysis.files import ledger
from media_analysis.files.damage import count_damaged
from media_analysis.files.labelled import count_labelled
from media_analysis.files.models import LedgerEntry
from media_analysis.labels import LabelFilter
from media_analysis.policy.decision import Policy
from media_analysis.policy.in_force import get_policy
from media_analysis.retention.duties import DutyService, Punctuality
from media_analysis.retention.guard.probe import WriteProbe
from media_analysis.retention.lives import Lives, sum_lives
from media_analysis.storage.category import Category
from media_analysis.storage.store import Capacity, ObjectStore
from media_analysis.units import format_instant, round_size

Quotas = Mapping[Category, int | None]


@dataclass(frozen=True, slots=True)
class Usage:
    """One category's stored bytes and files, with what running uploads have reserved."""

    files: int = 0
    size_bytes: int = 0
    reserved_bytes: int = 0


@dataclass(frozen=True)
class StorageStats:
    """The medium's capacity and what the ledger says lies on it."""

    capacity: Capacity
    usage: Mapping[Category, Usage]
    policy: Policy | None
    """The policy in force; None before the first start."""

    @property
    def quotas(self) -> Quotas:
        if self.policy is None:
            return {}
        return {category: rules.quota_bytes for category, rules in self.policy.rules.items()}

    @property
    def owner_quotas(self) -> Quotas:
        """Of those categories whose owners have a part each."""
        rules = {} if self.policy is None else self.policy.rules
        return {category: one.owner_quota_bytes for category, one in rules.items() if one.owner_quota_bytes is not None}

    @property
    def used_bytes(self) -> int:
        return sum(usage.size_bytes for usage in self.usage.values())


class RequestedDeletions(NamedTuple):
    """What was deleted by requests within the last hour, of what there was."""

    files: int
    of_files: int


@dataclass(frozen=True, slots=True)
class Backlog:
    """What deletion has before it: the oldest due file's lag, open and dead outbox entries."""

    lag_seconds: Mapping[Category, float]
    open_purges: int
    dead_letters: int
    damaged: int = 0
    """Files whose objects are not what their rows say, as far as a scrub or a reader found them."""
    requested: Mapping[Category, RequestedDeletions] = field(default_factory=dict)


@dataclass(frozen=True)
class StatusService:
    """Answers how storage stands from the ledger and the due index, never from a walk."""

    db: Database
    store: ObjectStore
    reserve_bytes: int
    alert_free_percent: float
    """The free share of the disk below which something is wrong."""
    not_evicting: str | None = None
    """Why nothing is evicted whatever is too full; None if it is."""

    async def stats(self, *, owner: str | None) -> StorageStats:
        """Return usage per category of one owner, or of everybody."""

        async def read() -> tuple[Sequence[LedgerEntry], Policy | None]:
            async with self.db.read_only() as session:
                return await ledger.list_entries(session, owner=owner), await get_policy(session)

        usage = {category: Usage() for category in Category}
        entries, policy = await self.db.retry(read)
        for entry in entries:
            known = usage[entry.category]
            usage[entry.category] = Usage(
                known.files + entry.files,
                known.size_bytes + entry.size_bytes,
                known.reserved_bytes + entry.reserved_bytes,
            )
        return StorageStats(await self.store.capacity(), usage, policy)

    async def lives(self, *, owner: str | None) -> Lives:
        """Return what of one owner's storage, or everybody's, is active, archived or trash."""

        async def read() -> Lives:
            async with self.db.read_only() as session:
                return await sum_lives(session, owner=owner)

        return await self.db.retry(read)

    async def trashed(self, *, owner: str | None) -> Amount:
        """Return what of one owner's storage, or everybody's, lies in the trash."""

        async def read() -> Sequence[LedgerEntry]:
            async with self.db.read_only() as session:
                return await ledger.list_entries(session, owner=owner)

        entries = await self.db.retry(read)
        return Amount(sum(entry.trashed_files for entry in entries), sum(entry.trashed_bytes for entry in entries))

    async def labelled(self, labels: Sequence[LabelFilter], *, owner: str | None) -> Mapping[Category, Amount]:
        """Return how much of one owner's files, or everybody's, meets filters, of which one at least is wanted."""
        counted = await self.db.retry(lambda: count_labelled(self.db.driver.reads, labels, owner=owner))
        return {category: Amount(*sums) for category, sums in sorted(counted.items())}

    @cached_property
    def write_probe(self) -> WriteProbe:
        """What says whether database and store take changes."""
        return WriteProbe(self.db, self.store)

    async def backlog(self, *, now: datetime | None = None) -> Backlog:
        """Return how late deletion is, in seconds per category, and what it could not finish."""
        async with self.db.read_only() as session:
            rows = await session.execute(_OLDEST_DUE, {"now": now})
            lags = {Category(row.category): max(0.0, row.lag_seconds) for row in rows if row.lag_seconds is not None}
            counts = (await session.execute(_OUTBOX)).one()
            damaged = await count_damaged(session)
            hour = await session.execute(_REQUESTED, {"now": now})
            requested = {category: RequestedDeletions(*files) for category, *files in hour}
        return Backlog(lags, counts.open, counts.dead, damaged, requested)

    async def problems(self) -> Sequence[str]:
        """Return what is wrong, each in a sentence an operator can act on; empty when all is well."""
        parts = (self._marker_problems, self._database_problems, self._space_problems, self._writing_problems)
        found: list[str] = []
        for part in parts:
            try:
                found += await part()
            except MediaAnalysisError as error:
                found.append(str(error))
        return list(dict.fromkeys(found))

    async def _marker_problems(self) -> Sequence[str]:
        await self.store.require_marker()
        return await self.store.warnings()

    async def _writing_problems(self) -> Sequence[str]:
        await self.write_probe.require_database()
        await self.write_probe.require_store()
        return []

    async def _database_problems(self) -> Sequence[str]:
        async with self.db.read_only() as session:
            unsafe = await list_unsafe_settings(session)
            pauses = await list_pauses(session, is_open=True)
        backlog = await self.backlog()
        found = [f"PostgreSQL runs with {name}={value}, which can lose acknowledged files" for name, value in unsafe]
        found += map(_paused, pauses)
        if backlog.dead_letters:
            found.append(
                f"{backlog.dead_letters} deletions were given up after repeated failures; see media-analysis purge list"
            )
        found += [_late(duty) for duty in await DutyService(self.db).list() if duty.is_late]
        if backlog.damaged:
            found.append(
                f"the store does not hold {backlog.damaged} files as they were stored; media-analysis verify names them"
            )
        return found

    async def _space_problems(self) -> Sequence[str]:
        stats = await self.stats(owner=None)
        found: list[str] = []
        free, total = stats.capacity.free_bytes, stats.capacity.total_bytes
        if free < self.reserve_bytes:
            reserve = round_size(self.reserve_bytes)
            found.append(f"the disk has {round_size(free)} free, less than the reserve of {reserve}: no uploads")
        elif total and 100 * free < self.alert_free_percent * total:
            found.append(f"less than {self.alert_free_percent:g} % of the disk is free")
        if self.not_evicting is not None:
            found.append(f"nothing is evicted, however full it gets: {self.not_evicting}")
        return [*found, *_usage_problems(stats)]


def _usage_problems(stats: StorageStats) -> Iterator[str]:
    if stats.policy is None:
        return
    for category, usage in stats.usage.items():
        rules, holds = stats.policy.of(category), f"{category.value} holds {usage.size_bytes} bytes, over its"
        if rules.quota_bytes is not None and usage.size_bytes > rules.quota_bytes:
            yield f"{holds} quota of {rules.quota_bytes}"
        elif rules.high_water_bytes is not None and usage.size_bytes > rules.high_water_bytes:
            yield f"{holds} high-water mark of {rules.high_water_bytes}"


def _late(duty: Punctuality) -> str:
    last = "never" if duty.succeeded_at is None else f"{duty.succeeded_at:%Y-%m-%d %H:%M} UTC"
    why = "" if duty.error is None else f", its last attempt failed ({duty.error})"
    hours = round(duty.late_seconds / 3600)
    return f"the scheduled duty {duty.name} has been due for {hours} hours: last done {last}{why}"


def _paused(pause: Pause) -> str:
    where = "everywhere" if pause.category is None else f"in {pause.category.value}"
    what = "eviction" if pause.cause.stops_evictions_only else "deletion"
    return (
        f"{what} is paused {where} since {format_instant(pause.paused_at)}: {pause.reason}; if that is well, "
        f"resume it with: media-analysis resume {pause.id} --confirm {pause.files}"
    )


# What went into the trash counts from then on, and is still among what there is until the trash ends.
_REQUESTED = text("""
    WITH clock AS (
        SELECT coalesce(CAST(:now AS timestamptz), now()) - interval '1 hour' AS since
    ), thrown AS (
        SELECT category, count(*) AS files FROM media_files, clock
        WHERE category = ANY(enum_range(NULL::category)) AND state = 'trashed' AND trashed_at > since
            AND trash_rule = 'requested' GROUP BY category
    ), gone AS (
        SELECT category, count(*) AS files FROM tombstones, clock
        WHERE rule = 'requested' AND deleted_at > since AND coalesce(trashed_at, deleted_at) > since GROUP BY category
    ), there AS (
        SELECT category, sum(files) AS files FROM ledger GROUP BY category
    )
    SELECT kinds.category, (coalesce(thrown.files, 0) + coalesce(gone.files, 0))::bigint,
        (coalesce(there.files, 0) + coalesce(gone.files, 0))::bigint
    FROM unnest(enum_range(NULL::category)) AS kinds(category) LEFT JOIN thrown USING (category)
    LEFT JOIN gone USING (category) LEFT JOIN there USING (category)
""").columns(category=CATEGORY)

_OLDEST_DUE = text("""
    SELECT kinds.category::text,
        extract(epoch FROM coalesce(CAST(:now AS timestamptz), now()) - oldest.due_at)::float8 AS lag_seconds
    FROM unnest(enum_range(NULL::category)) AS kinds(category)
    LEFT JOIN LATERAL (
        SELECT due_at FROM media_files
        WHERE category = kinds.category AND due_at <= coalesce(CAST(:now AS timestamptz), now())
        ORDER BY due_at, id LIMIT 1
    ) AS oldest ON true
""")

_OUTBOX = text("""
    SELECT
        (SELECT count(*) FROM purges WHERE due_at IS NOT NULL AND NOT (again AND due_at > now())) AS open,
        (SELECT count(*) FROM purges WHERE dead_at IS NOT NULL) AS dead
""")
