"""The first two transactions of an upload as set-based statements, so that many uploads share each of them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final
from uuid import UUID

from sqlalchemy import TextClause, text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.driver import Executes
from media_analysis.errors import InvalidRequest, UploadLeaseLost
from media_analysis.files.ledger import Account
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """What a file is to the run that makes it; (role, ordinal) is unique within a job."""

    role: str
    ordinal: int
    fence: int
    """The claim it is made under; a run that was taken over may register nothing more (promise 21)."""
    instant_seconds: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Registration:
    """What is known of a file before its first byte is stored."""

    id: UUID
    owner: str
    category: Category
    key: str
    filename: str
    media_type: str
    job_id: UUID | None = None
    parent_id: UUID | None = None
    labels: Mapping[str, str] | None = None
    reserved_bytes: int = 0
    """What this service is about to write; nothing is reserved for what a client only announces."""
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    place: Place | None = None
    over_quota: bool = False
    """Whether its category's quota may be passed."""
    exclusive: bool = False
    """Whether its id is one that others may choose too: only who adds the row has it."""
    session_id: UUID | None = None
    """The session that must still be good, where nobody has looked since its token was last seen."""
    link_id: UUID | None = None
    """The link it comes by, which is used once it is stored."""
    rendition: str | None = None
    """Which picture of its parent it is, where it is kept as one; only who adds the row has that."""

    @property
    def account(self) -> Account:
        return Account(self.owner, self.category)

    @property
    def labels_text(self) -> str | None:
        """The labels as JSON, None for none."""
        return json.dumps(self.labels) if self.labels else None


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a registration went: `refused` names the field that stands against it, `added` whether a row was made.

    `fits` is false where its category's quota would be passed: such a transaction must be rolled back.
    """

    refused: str | None
    added: bool
    fits: bool


IDEMPOTENCY_HOURS: Final = 24
NO_SUCH_OBJECT: Final = "no such object of this owner"

_ADD: Final = """
    WITH asked AS (
        SELECT * FROM unnest(
            CAST(:ids AS uuid[]), CAST(:owners AS text[]), CAST(:categories AS category[]), CAST(:keys AS text[]),
            CAST(:filenames AS text[]), CAST(:media_types AS text[]), CAST(:job_ids AS uuid[]),
            CAST(:parent_ids AS uuid[]), CAST(:reserved AS bigint[]), CAST(:idempotency_keys AS text[]),
            CAST(:fingerprints AS bytea[]), CAST(:roles AS text[]), CAST(:ordinals AS bigint[]),
            CAST(:instants AS float8[]), CAST(:fences AS bigint[]),
            CAST(:over_quota AS boolean[]), CAST(:session_ids AS uuid[]), CAST(:labels AS text[]),
            CAST(:renditions AS text[])
        ) AS asked(id, owner, category, key, filename, media_type, job_id, parent_id, reserved_bytes,
                   idempotency_key, fingerprint, role, ordinal, instant_seconds, job_fence, over_quota, session_id,
                   labels, rendition)
    ), jobs AS MATERIALIZED ({jobs}  -- locked before anything else, as everywhere
    ), judged AS (
        SELECT asked.*, CASE
            WHEN session_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM user_sessions AS session
                WHERE session.id = asked.session_id AND session.revoked_at IS NULL AND session.expires_at > now()
            ) THEN 'session'
            WHEN role IS NOT NULL AND NOT EXISTS (
                SELECT FROM jobs AS job
                WHERE job.id = asked.job_id AND job.fence = asked.job_fence
            ) THEN 'fence'
            WHEN job_id IS NOT NULL AND NOT EXISTS (
                SELECT FROM jobs AS job
                WHERE job.id = asked.job_id AND job.owner = asked.owner AND job.is_living
            ) THEN 'job_id'
            WHEN job_id IS NOT NULL AND EXISTS (
                SELECT FROM jobs AS job WHERE job.id = asked.job_id AND job.is_archived
            ) THEN 'archived'
            WHEN role IS NOT NULL AND EXISTS (
                SELECT FROM media_files AS other
                WHERE other.job_id = asked.job_id AND other.job_fence = asked.job_fence
                    AND other.role = asked.role AND other.ordinal = asked.ordinal AND other.id <> asked.id
            ) THEN 'place'
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
                                 reserved_bytes, expiry_explicit, role, ordinal, instant_seconds, job_fence, labels,
                                 rendition, due_at)
        SELECT id, owner, category, 'pending', key, filename, media_type, job_id, parent_id,
               reserved_bytes, false, role, ordinal, instant_seconds, job_fence, CAST(labels AS jsonb),
               rendition, now() + make_interval(secs => :lease_seconds)
        FROM judged
        WHERE refused IS NULL AND (idempotency_key IS NULL OR id IN (SELECT file_id FROM keyed))
        ON CONFLICT DO NOTHING
        RETURNING id, owner, category, reserved_bytes
    )
"""

# What an upload announces is not reserved: only its account is opened, if it is not open already.
_OPEN: Final = """, opened AS (
        INSERT INTO ledger (owner, category, files, size_bytes, reserved_bytes)
        SELECT DISTINCT owner, category, 0, 0, 0 FROM added
        WHERE NOT EXISTS (SELECT FROM ledger WHERE ledger.owner = added.owner AND ledger.category = added.category)
        ORDER BY owner, category
        ON CONFLICT DO NOTHING
    )
    SELECT judged.id, judged.refused, added.id IS NOT NULL AS added, true AS fits FROM judged LEFT JOIN added USING (id)
"""
_RESERVE: Final = """, sums AS (
        SELECT added.category, sum(added.reserved_bytes)::bigint AS size_bytes, bool_and(over_quota) AS over_quota
        FROM added JOIN asked USING (id) GROUP BY added.category
    ), locked AS MATERIALIZED (
        SELECT category, sums.size_bytes, over_quota FROM category_usage JOIN sums USING (category)
        ORDER BY category FOR UPDATE OF category_usage
    ), fitting AS (
        UPDATE category_usage SET size_bytes = category_usage.size_bytes + locked.size_bytes
        FROM locked LEFT JOIN category_policies AS policy USING (category)
        WHERE category_usage.category = locked.category AND (
            over_quota OR policy.quota_bytes IS NULL
            OR category_usage.size_bytes + locked.size_bytes <= policy.quota_bytes
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
"""

_NOTE_ARRIVED = text("""
    UPDATE media_files SET arrived_bytes = :arrived WHERE id = :id AND state = 'pending' RETURNING id
""")

_FIND_PARENT = text("""
    SELECT id FROM media_files WHERE id = :parent_id AND owner = :owner AND state <> 'pending'
""")

_COMPLETE = text("""
    UPDATE media_files SET filename = :filename, parent_id = :parent_id, media_type = :media_type,
        labels = CAST(CAST(:labels AS text) AS jsonb)
    WHERE id = :id AND state = 'pending' RETURNING id
""")

_LOCK_PENDING = text("""
    SELECT id FROM media_files WHERE id = ANY(CAST(:ids AS uuid[])) AND state = 'pending' ORDER BY id FOR UPDATE
""")


@cache
def _registering(jobs: str, *, reserves: bool) -> TextClause:
    return text(f"{_ADD.format(jobs=jobs)}{_RESERVE if reserves else _OPEN}")


async def add_pending(
    session: Executes, asked: Sequence[Registration], *, jobs: str, lease_seconds: float
) -> Mapping[UUID, Receipt]:
    """Insert pending rows (T0) and reserve their bytes; safe to repeat after a lost COMMIT answer.

    `jobs` is SQL that selects the jobs of `:job_ids` that belong to who `asked`, and locks them: their id, owner,
    held_until, is_living, is_archived, and the fence under which each runs.
    """
    rows = await session.execute(
        _registering(jobs, reserves=any(item.reserved_bytes for item in asked)),
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
            "roles": [item.place and item.place.role for item in asked],
            "ordinals": [item.place and item.place.ordinal for item in asked],
            "instants": [item.place and item.place.instant_seconds for item in asked],
            "fences": [item.place and item.place.fence for item in asked],
            "over_quota": [item.over_quota for item in asked],
            "session_ids": [item.session_id for item in asked],
            "labels": [item.labels_text for item in asked],
            "renditions": [item.rendition for item in asked],
            "idempotency_hours": IDEMPOTENCY_HOURS,
            "lease_seconds": lease_seconds,
        },
    )
    return {file_id: Receipt(refused, added, fits) for file_id, refused, added, fits in rows}


async def note_arrived(session: AsyncSession, asked: Registration, arrived_bytes: int) -> None:
    """Note how much of a pending upload has arrived.

    Raises:
        UploadLeaseLost: it is pending no more.

    """
    noted = await session.execute(_NOTE_ARRIVED, {"id": asked.id, "arrived": arrived_bytes})
    if noted.one_or_none() is None:
        raise UploadLeaseLost(asked.id)


async def complete_pending(session: AsyncSession, asked: Registration) -> None:
    """Give a pending row what was said after its bytes: name, parent, labels; and the type that all of them tell.

    Raises:
        InvalidRequest: there is no such parent of its owner's.
        UploadLeaseLost: it is pending no more.

    """
    parent_id = asked.parent_id
    if parent_id is not None:
        found = await session.execute(_FIND_PARENT, {"parent_id": parent_id, "owner": asked.owner})
        if found.one_or_none() is None:
            raise InvalidRequest("parent_id", NO_SUCH_OBJECT)
    told = {"id": asked.id, "filename": asked.filename, "parent_id": parent_id, "media_type": asked.media_type}
    told |= {"labels": asked.labels_text}
    if (await session.execute(_COMPLETE, told)).one_or_none() is None:
        raise UploadLeaseLost(asked.id)


async def lock_pending(session: Executes, ids: Sequence[UUID]) -> frozenset[UUID]:
    """Lock the rows that are still pending (T1); the lock lasts until the transaction ends."""
    return frozenset(row.id for row in await session.execute(_LOCK_PENDING, {"ids": ids}))
