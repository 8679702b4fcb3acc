"""The three transactions of an upload as set-based statements, so that many uploads share each of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.errors import QuotaPassed, UploadLeaseLost
from media_analysis.files import ledger
from media_analysis.files.expiry import Expiry
from media_analysis.files.ledger import Account, Movement
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What is known of a file before its first byte is stored."""

    id: UUID
    owner: str
    category: Category
    key: str
    filename: str
    media_type: str
    job_id: UUID | None
    parent_id: UUID | None
    reserved_bytes: int
    idempotency_key: str | None
    fingerprint: bytes | None

    @property
    def account(self) -> Account:
        return Account(self.owner, self.category)


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a registration went: `refused` names the field that stands against it, `added` whether a row was made.

    `fits` is false where its category's quota would be passed: such a transaction must be rolled back.
    """

    refused: str | None
    added: bool
    fits: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Settlement:
    """What is known once all bytes are durable."""

    registration: Registration
    size_bytes: int
    sha256: bytes
    expiry: Expiry | None
    """None is what the policy in force says of the category at the moment of the commit."""
    reserved_bytes: int


@dataclass(frozen=True, slots=True)
class Settled:
    """The instants the database gave to a stored file."""

    created_at: datetime
    stored_at: datetime
    expires_at: datetime | None


IDEMPOTENCY_HOURS: Final = 24

_REGISTER = text("""
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:owners AS text[]), CAST(:categories AS category[]), CAST(:keys AS text[]),
            CAST(:filenames AS text[]), CAST(:media_types AS text[]), CAST(:job_ids AS uuid[]),
            CAST(:parent_ids AS uuid[]), CAST(:reserved AS bigint[]), CAST(:idempotency_keys AS text[]),
            CAST(:fingerprints AS bytea[])
        ) AS asked(id, owner, category, key, filename, media_type, job_id, parent_id, reserved_bytes,
                   idempotency_key, fingerprint)
    ), judged AS (
        SELECT asked.*, CASE
            WHEN job_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM analysis_jobs AS job
                WHERE job.id = asked.job_id AND job.owner = asked.owner AND job.deleted_at IS NULL
            ) THEN 'job_id'
            WHEN parent_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM media_files AS parent
                WHERE parent.id = asked.parent_id AND parent.owner = asked.owner AND parent.state <> 'pending'
            ) THEN 'parent_id'
        END AS refused
        FROM asked
    ), keyed AS (
        INSERT INTO idempotency_keys (owner, key, file_id, fingerprint, expires_at)
        SELECT owner, idempotency_key, id, fingerprint, now() + make_interval(hours => :idempotency_hours)
        FROM judged WHERE refused IS NULL AND idempotency_key IS NOT NULL
        ORDER BY owner, idempotency_key
        ON CONFLICT (owner, key) DO UPDATE
            SET file_id = excluded.file_id, fingerprint = excluded.fingerprint, answer = NULL,
                expires_at = excluded.expires_at
            WHERE idempotency_keys.expires_at <= now()
        RETURNING file_id
    ), added AS (
        INSERT INTO media_files (id, owner, category, state, key, filename, media_type, job_id, parent_id,
                                 reserved_bytes, expiry_explicit, due_at)
        SELECT id, owner, category, 'pending', key, filename, media_type, job_id, parent_id,
               reserved_bytes, false, now() + make_interval(secs => :lease_seconds)
        FROM judged
        WHERE refused IS NULL AND (idempotency_key IS NULL OR id IN (SELECT file_id FROM keyed))
        ON CONFLICT (id) DO NOTHING
        RETURNING id, owner, category, reserved_bytes
    ), sums AS (
        SELECT category, sum(reserved_bytes)::bigint AS size_bytes FROM added GROUP BY category
    ), locked AS MATERIALIZED (
        SELECT category, sums.size_bytes FROM category_usage JOIN sums USING (category)
        ORDER BY category FOR UPDATE OF category_usage
    ), fitting AS (
        UPDATE category_usage SET size_bytes = category_usage.size_bytes + locked.size_bytes
        FROM locked LEFT JOIN category_policies AS policy USING (category)
        WHERE category_usage.category = locked.category AND (
            policy.quota_bytes IS NULL OR category_usage.size_bytes + locked.size_bytes <= policy.quota_bytes
        )
        RETURNING category_usage.category
    ), reserved AS (
        INSERT INTO ledger (owner, category, files, size_bytes, reserved_bytes)
        SELECT owner, category, 0, 0, sum(reserved_bytes) FROM added
        WHERE category IN (SELECT category FROM fitting)  -- usage is locked before accounts, as everywhere
        GROUP BY owner, category ORDER BY owner, category
        ON CONFLICT (owner, category) DO UPDATE SET reserved_bytes = ledger.reserved_bytes + excluded.reserved_bytes
    )
    SELECT judged.id, judged.refused, added.id IS NOT NULL AS added,
        added.id IS NULL OR added.category IN (SELECT category FROM fitting) AS fits
    FROM judged LEFT JOIN added USING (id)
""")

_EXTEND = text("""
    WITH mine AS (
        UPDATE media_files SET reserved_bytes = reserved_bytes + :more WHERE id = :id AND state = 'pending'
        RETURNING owner, category
    ), fitting AS (
        UPDATE category_usage SET size_bytes = size_bytes + :more
        FROM mine LEFT JOIN category_policies AS policy USING (category)
        WHERE category_usage.category = mine.category
            AND (policy.quota_bytes IS NULL OR category_usage.size_bytes + :more <= policy.quota_bytes)
        RETURNING category_usage.category
    ), reserved AS (
        UPDATE ledger SET reserved_bytes = reserved_bytes + :more
        FROM mine JOIN fitting USING (category)
        WHERE ledger.owner = mine.owner AND ledger.category = mine.category
    )
    SELECT EXISTS (SELECT FROM mine) AS pending, EXISTS (SELECT FROM fitting) AS fitting
""").bindparams(bindparam("more", type_=BigInteger))

_LOCK_PENDING = text("""
    SELECT id FROM media_files WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'pending' ORDER BY id FOR UPDATE
""")

_SETTLE = text("""
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:sizes AS bigint[]), CAST(:hashes AS bytea[]), CAST(:explicit AS boolean[]),
            CAST(:instants AS timestamptz[]), CAST(:lifetimes AS float8[]),
            CAST(:owners AS text[]), CAST(:idempotency_keys AS text[]),
            CAST(:categories AS category[]), CAST(:job_ids AS uuid[])
        ) AS asked(id, size_bytes, sha256, explicit, expires_at, lifetime_seconds, owner, idempotency_key,
                   category, job_id)
    ), jobs AS MATERIALIZED (
        -- Locked, so that no hold of a job comes or goes between reading it here and copying it to its file.
        SELECT id, held_until FROM analysis_jobs WHERE id = ANY(CAST(:job_ids AS uuid[])) ORDER BY id FOR KEY SHARE
    ), timed AS (
        SELECT asked.*, job.held_until AS job_held_until,
            now() + make_interval(secs => policy.minimum_seconds) AS minimum_ends_at,
            CASE WHEN explicit THEN coalesce(asked.expires_at, now() + make_interval(secs => asked.lifetime_seconds))
                ELSE now() + make_interval(secs => policy.lifetime_seconds) END AS ends_at
        FROM asked LEFT JOIN category_policies AS policy USING (category)
        LEFT JOIN jobs AS job ON job.id = asked.job_id
    ), held AS MATERIALIZED (
        SELECT asked.id FROM asked JOIN idempotency_keys AS known
            ON known.owner = asked.owner AND known.key = asked.idempotency_key AND known.file_id = asked.id
        ORDER BY known.owner, known.key FOR UPDATE OF known
    ), settled AS (
        UPDATE media_files AS file SET
            state = 'stored', size_bytes = timed.size_bytes, sha256 = timed.sha256, reserved_bytes = 0,
            stored_at = now(), expires_at = timed.ends_at, expiry_explicit = timed.explicit,
            min_retain_until = timed.minimum_ends_at,
            job_held_until = greatest(file.job_held_until, timed.job_held_until),
            due_at = CASE WHEN timed.ends_at IS NOT NULL THEN nullif(
                greatest(timed.ends_at, timed.minimum_ends_at, file.job_held_until, timed.job_held_until), 'infinity'
            ) END
        FROM timed
        WHERE file.id = timed.id AND file.state = 'pending'
            AND (timed.idempotency_key IS NULL OR file.id IN (SELECT id FROM held))
        RETURNING file.*
    ), ingested AS (
        INSERT INTO ledger_days (day, category, files, size_bytes)
        SELECT (now() AT TIME ZONE 'UTC')::date, category, count(*), sum(size_bytes) FROM settled
        GROUP BY category ORDER BY category
        ON CONFLICT (day, category) DO UPDATE SET
            files = ledger_days.files + excluded.files, size_bytes = ledger_days.size_bytes + excluded.size_bytes
    ), answered AS (
        UPDATE idempotency_keys AS known SET answer = to_jsonb(settled)
        FROM settled JOIN asked USING (id)
        WHERE known.owner = settled.owner AND known.key = asked.idempotency_key
    )
    SELECT id, created_at, stored_at, expires_at FROM settled
""")

_ALREADY_SETTLED = text("""
    SELECT id, created_at, stored_at, expires_at FROM media_files
    WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'stored'
""")


async def add_pending(
    session: AsyncSession, asked: Sequence[Registration], *, lease_seconds: float
) -> Mapping[UUID, Receipt]:
    """Insert pending rows (T0) and reserve their bytes; safe to repeat after a lost COMMIT answer."""
    rows = await session.execute(
        _REGISTER,
        {
            "ids": [item.id for item in asked],
            "owners": [item.owner for item in asked],
            "categories": [item.category.value for item in asked],
            "keys": [item.key for item in asked],
            "filenames": [item.filename for item in asked],
            "media_types": [item.media_type for item in asked],
            "job_ids": [item.job_id for item in asked],
            "parent_ids": [item.parent_id for item in asked],
            "reserved": [item.reserved_bytes for item in asked],
            "idempotency_keys": [item.idempotency_key for item in asked],
            "fingerprints": [item.fingerprint for item in asked],
            "idempotency_hours": IDEMPOTENCY_HOURS,
            "lease_seconds": lease_seconds,
        },
    )
    return {file_id: Receipt(refused, added, fits) for file_id, refused, added, fits in rows}


async def extend(session: AsyncSession, asked: Registration, more_bytes: int) -> None:
    """Reserve more for a pending upload.

    Raises:
        UploadLeaseLost: it is pending no more.
        QuotaPassed: there is no room; the transaction must be rolled back.

    """
    found = (await session.execute(_EXTEND, {"id": asked.id, "more": more_bytes})).one()
    if not found.pending:
        raise UploadLeaseLost(asked.id)
    if not found.fitting:
        raise QuotaPassed(asked.category, more_bytes)


async def lock_pending(session: AsyncSession, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Lock the rows that are still pending (T1); the lock lasts until the transaction ends."""
    return frozenset((await session.execute(_LOCK_PENDING, {"ids": ids})).scalars())


async def settle(session: AsyncSession, asked: Sequence[Settlement]) -> Mapping[UUID, Settled]:
    """Turn pending rows into stored ones (T2) and settle the ledger; a missing id lost its lease.

    Safe to repeat after a lost COMMIT answer: what is stored already is returned as it was stored.
    """
    rows = await session.execute(
        _SETTLE,
        {
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
        },
    )
    settled = {row.id: Settled(row.created_at, row.stored_at, row.expires_at) for row in rows}
    await ledger.move(
        session,
        ledger.sum_movements(
            (item.registration.account, Movement(1, item.size_bytes, -item.reserved_bytes))
            for item in asked
            if item.registration.id in settled
        ),
    )
    missing = [item.registration.id for item in asked if item.registration.id not in settled]
    if missing:
        rows = await session.execute(_ALREADY_SETTLED, {"ids": missing})
        settled |= {row.id: Settled(row.created_at, row.stored_at, row.expires_at) for row in rows}
    return settled
