"""The last transaction of an upload, set-based: pending rows become stored ones, or a run's staged products."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.driver import Executes
from media_analysis.errors import QuotaPassed
from media_analysis.files import ledger
from media_analysis.files.expiry import Expiry
from media_analysis.files.ledger import Moved, Movement
from media_analysis.files.links.claims import mark_used
from media_analysis.files.models import MediaFile
from media_analysis.files.transitions import STORE
from media_analysis.files.upload.pending import Registration
from media_analysis.states import FileState


@dataclass(frozen=True, kw_only=True, slots=True)
class WrittenUpload:
    """What is known once all bytes are durable."""

    registration: Registration
    size_bytes: int
    sha256: bytes
    expiry: Expiry | None
    """None is what the policy in force says of the category at the moment of the commit."""
    modified_at: datetime | None = None
    """As old as this its file is, and its lifetime counts from here; None is from the commit on."""

    def as_stored(self, settled: "StoredUpload") -> MediaFile:
        """Return the row as it is now."""
        return MediaFile(
            **self._facts(),
            state=FileState.STORED,
            created_at=settled.created_at,
            stored_at=settled.stored_at,
            expires_at=settled.expires_at,
            expiry_explicit=self.expiry is not None,
        )

    def as_staged(self) -> MediaFile:
        """Return the row of a product whose job has not ended."""
        return MediaFile(**self._facts(), state=FileState.PENDING, expiry_explicit=False)

    def _facts(self) -> dict[str, Any]:
        asked, place = self.registration, self.registration.place
        names = ("id", "owner", "category", "key", "filename", "media_type", "job_id", "parent_id", "labels")
        facts = {name: getattr(asked, name) for name in names}
        if place is not None:
            facts |= {"role": place.role, "ordinal": place.ordinal, "instant_seconds": place.instant_seconds}
        return {**facts, "size_bytes": self.size_bytes, "sha256": self.sha256}


@dataclass(frozen=True, slots=True)
class StoredUpload:
    """The instants the database gave to a stored file."""

    created_at: datetime
    stored_at: datetime
    expires_at: datetime | None
    is_due: bool
    """Whether the next sweep takes it: what was imported may be older than its lifetime."""


_STORE: Final = f"""
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:sizes AS bigint[]), CAST(:hashes AS bytea[]), CAST(:explicit AS boolean[]),
            CAST(:instants AS timestamptz[]), CAST(:lifetimes AS float8[]),
            CAST(:owners AS text[]), CAST(:idempotency_keys AS text[]),
            CAST(:categories AS category[]), CAST(:job_ids AS uuid[]), CAST(:media_types AS text[]),
            CAST(:modified AS timestamptz[])
        ) AS asked(id, size_bytes, sha256, explicit, expires_at, lifetime_seconds, owner, idempotency_key,
                   category, job_id, media_type, modified_at)
    ), jobs AS MATERIALIZED (
        -- Locked, so that no hold of a job comes or goes between reading it here and copying it to its file.
        {{jobs}}
    ), aged AS (
        SELECT asked.*, coalesce(least(modified_at, now()), now()) AS stored_at FROM asked
    ), timed AS (
        SELECT aged.*, job.held_until AS job_held_until,
            stored_at + make_interval(secs => policy.minimum_seconds) AS minimum_ends_at,
            CASE WHEN explicit THEN coalesce(aged.expires_at, stored_at + make_interval(secs => aged.lifetime_seconds))
                ELSE stored_at + make_interval(secs => policy.lifetime_seconds) END AS ends_at
        FROM aged LEFT JOIN category_policies AS policy USING (category)
        LEFT JOIN jobs AS job ON job.id = aged.job_id
    ), locked AS MATERIALIZED (
        SELECT id FROM media_files
        WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'pending'
            AND (SELECT count(*) FROM jobs) >= 0  -- whatever the plan, jobs are locked first, as everywhere
        ORDER BY id FOR UPDATE
    ), held AS MATERIALIZED (
        SELECT asked.id FROM locked JOIN asked USING (id) JOIN idempotency_keys AS known
            ON known.owner = asked.owner AND known.key = asked.idempotency_key AND known.file_id = asked.id
        ORDER BY known.owner, known.key FOR UPDATE OF known
    ), settled AS (
        {STORE}, size_bytes = timed.size_bytes, sha256 = timed.sha256, media_type = timed.media_type,
            created_at = CASE WHEN timed.modified_at IS NULL THEN file.created_at ELSE timed.stored_at END
        FROM timed JOIN locked USING (id)
        WHERE file.id = timed.id AND (timed.idempotency_key IS NULL OR file.id IN (SELECT id FROM held))
        RETURNING file.*
    ), answered AS (
        UPDATE idempotency_keys AS known SET answer = to_jsonb(settled)
        FROM settled JOIN asked USING (id)
        WHERE known.owner = settled.owner AND known.key = asked.idempotency_key
    )
"""  # noqa: S608 - fragments of ours

_TOLD: Final = "id, created_at, stored_at, expires_at, coalesce(due_at <= now(), false) AS is_due"

_ALREADY_STORED = text(f"""
    SELECT {_TOLD} FROM media_files
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'stored'
""")  # noqa: S608 - a constant

# In the order of ids: a deletion of the job locks the same rows.
_STAGE = text("""
    WITH locked AS MATERIALIZED (
        SELECT id, reserved_bytes FROM media_files
        WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'pending' ORDER BY id FOR UPDATE
    )
    UPDATE media_files AS file SET
        size_bytes = asked.size_bytes, sha256 = asked.sha256, due_at = now() + make_interval(secs => :lease_seconds),
        reserved_bytes = asked.size_bytes, arrived_bytes = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:sizes AS bigint[]), CAST(:hashes AS bytea[]))
        AS asked(id, size_bytes, sha256) JOIN locked USING (id)
    WHERE file.id = asked.id
    RETURNING file.id, locked.reserved_bytes
""")


@cache
def _storing(jobs: str) -> TextClause:
    return text(f"{_STORE.format(jobs=jobs)} SELECT {_TOLD} FROM settled")  # noqa: S608 - constants


@cache
def _storing_and_counting(jobs: str) -> TextClause:
    """Return all of the last transaction as one statement, which fails where a quota is passed."""
    return text(f"""
        {_STORE.format(jobs=jobs)}, sums AS (
            SELECT owner, category, count(*) AS files, sum(size_bytes)::bigint AS size_bytes
            FROM settled GROUP BY owner, category
        ), {ledger.ARRIVE}
        SELECT {_TOLD}, (  -- no number where there is one: it fails, and all of it with it
            SELECT CAST('the quota of ' || min(category) || ' is passed' AS integer) FROM passed
        ) FROM settled
    """)  # noqa: S608 - constants


async def store_all(session: Executes, asked: Sequence[WrittenUpload], *, jobs: str) -> Mapping[UUID, StoredUpload]:
    """Turn pending rows into stored ones (T2) and settle the ledger; a missing id lost its lease.

    Safe to repeat after a lost COMMIT answer: what is stored already is returned as it was stored.

    Raises:
        QuotaPassed: some do not fit; the transaction must be rolled back.

    """
    settled, moved = await mark_or_find_stored(session, asked, jobs=jobs)
    await require_fitting(session, moved)
    return settled


async def require_fitting(session: Executes, moved: Iterable[Moved]) -> None:
    """Change the ledger, once a transaction.

    Raises:
        QuotaPassed: a quota is passed by it; the transaction must be rolled back.

    """
    passed = await ledger.move(session, moved)
    for account, movement in passed.items():
        raise QuotaPassed(account.category, movement.used_bytes, passed)


async def mark_or_find_stored(
    session: Executes, asked: Sequence[WrittenUpload], *, jobs: str
) -> tuple[Mapping[UUID, StoredUpload], Sequence[Moved]]:
    """Turn pending rows into stored ones, as `mark_stored` does, and return those stored before as they were."""
    settled, moved = await mark_stored(session, asked, jobs=jobs)
    missing = [item.registration.id for item in asked if item.registration.id not in settled]
    if not missing:
        return settled, moved
    rows = await session.execute(_ALREADY_STORED, {"ids": missing})
    return {**settled, **_by_id(rows)}, moved


async def mark_stored(
    session: Executes, asked: Sequence[WrittenUpload], *, jobs: str
) -> tuple[Mapping[UUID, StoredUpload], Sequence[Moved]]:
    """Turn pending rows into stored ones and return what the ledger, changed once a transaction, has yet to be told.

    `jobs` is what `pending.add_pending` takes.
    """
    rows = await session.execute(_storing(jobs), _given(asked))
    settled = _by_id(rows)
    came = [item.registration for item in asked if item.registration.link_id and item.registration.id in settled]
    if came:
        await mark_used(session, {one.link_id: one.id for one in came if one.link_id is not None})
    moved = [(item.registration.account, _arrival(item)) for item in asked if item.registration.id in settled]
    return settled, moved


async def store_arrived(session: Executes, asked: Sequence[WrittenUpload], *, jobs: str) -> Mapping[UUID, StoredUpload]:
    """Do as `store_all` in one statement, for uploads that reserved nothing.

    Raises:
        asyncpg.InvalidTextRepresentationError: a quota is passed, by whomever; nothing of it has happened.

    """
    return _by_id(await session.execute(_storing_and_counting(jobs), _given(asked)))


def _given(asked: Sequence[WrittenUpload]) -> Mapping[str, object]:
    return {
        "ids": [item.registration.id for item in asked],
        "sizes": [item.size_bytes for item in asked],
        "hashes": [item.sha256 for item in asked],
        "explicit": [item.expiry is not None for item in asked],
        "instants": [item.expiry.at if item.expiry else None for item in asked],
        "lifetimes": [item.expiry.lifetime_seconds if item.expiry else None for item in asked],
        "owners": [item.registration.owner for item in asked],
        "idempotency_keys": [item.registration.idempotency_key for item in asked],
        "categories": [item.registration.category.value for item in asked],
        "job_ids": [item.registration.job_id for item in asked],
        "media_types": [item.registration.media_type for item in asked],
        "modified": [item.modified_at for item in asked],
    }


def _by_id(rows: Iterable[Any]) -> Mapping[UUID, StoredUpload]:
    return {row.id: StoredUpload(row.created_at, row.stored_at, row.expires_at, row.is_due) for row in rows}


def _arrival(item: WrittenUpload) -> Movement:
    return Movement.arriving(1, item.size_bytes, reserved_bytes=item.registration.reserved_bytes)


async def stage_all(session: AsyncSession, done: Sequence[WrittenUpload], *, lease_seconds: float) -> frozenset[UUID]:
    """Note that the bytes of pending products are durable; their job's end stores them. A missing id lost its lease.

    Raises:
        QuotaPassed: some do not fit; the transaction must be rolled back.

    """
    staged, moved = await mark_staged(session, done, lease_seconds=lease_seconds)
    await require_fitting(session, moved)
    return staged


async def mark_staged(
    session: AsyncSession, done: Sequence[WrittenUpload], *, lease_seconds: float
) -> tuple[frozenset[UUID], Sequence[Moved]]:
    """Note it, and return what the ledger has yet to be told: whole products are reserved until their job's end."""
    rows = await session.execute(
        _STAGE,
        {
            "ids": [item.registration.id for item in done],
            "sizes": [item.size_bytes for item in done],
            "hashes": [item.sha256 for item in done],
            "lease_seconds": lease_seconds,
        },
    )
    before = {row.id: row.reserved_bytes for row in rows}
    moved = [
        (item.registration.account, Movement(reserved_bytes=item.size_bytes - before[item.registration.id]))
        for item in done
        if item.registration.id in before
    ]
    return frozenset(before), moved
