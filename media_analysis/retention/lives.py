"""What of storage is active, archived or trash: the ledger, with the archives of runs told apart."""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.deletion.selection import Amount

# An owner is a condition only where one is asked for: each form has the plan that suits it.
_ACCOUNTS: Final = """
    SELECT coalesce(sum(files), 0)::bigint AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes,
        coalesce(sum(trashed_files), 0)::bigint AS trashed_files,
        coalesce(sum(trashed_bytes), 0)::bigint AS trashed_bytes
    FROM ledger WHERE {owned}
"""
_SEGMENTS: Final = """
    SELECT count(*) AS files, coalesce(sum(size_bytes), 0)::bigint AS size_bytes
    FROM media_files WHERE category = 'archives' AND state = 'stored' AND role = 'archive' AND {owned}
"""
# A run that was restored has its files again: what its archive still holds of them is counted as active.
_ORIGINALS: Final = """
    SELECT count(*) AS files, coalesce(sum(copy.size_bytes), 0)::bigint AS size_bytes
    FROM archived_files AS copy JOIN analysis_jobs AS job ON job.id = copy.job_id
    WHERE job.archived_at IS NOT NULL AND job.deleted_at IS NULL AND job.{owned}
"""
_ARRIVING: Final = """
    SELECT count(*) AS files, coalesce(sum(arrived_bytes), 0)::bigint AS size_bytes
    FROM media_files WHERE state = 'pending' AND {owned}
"""
_EVERYBODYS: Final = "owner IS NOT NULL"
_OWNED: Final = "owner = :owner"


@dataclass(frozen=True, slots=True)
class Lives:
    """Stored files by where they are in their life, and what the archives hold in the place of files."""

    active: Amount
    """Neither archives of runs nor trash."""
    archived: Amount
    """Archives of runs, as they lie on the disk."""
    originals: Amount
    """The files of archived runs as they were before they were packed."""
    trashed: Amount
    arriving: Amount
    """Files whose bytes still come, by what has arrived; nobody's files yet, and in no account."""


async def sum_lives(session: AsyncSession, *, owner: str | None) -> Lives:
    """Return what one owner has, or everybody; exact as of the session's snapshot."""
    owned = _EVERYBODYS if owner is None else _OWNED
    values = {} if owner is None else {"owner": owner}
    accounts = (await session.execute(text(_ACCOUNTS.format(owned=owned)), values)).one()
    archived = Amount._make((await session.execute(text(_SEGMENTS.format(owned=owned)), values)).one())
    originals = Amount._make((await session.execute(text(_ORIGINALS.format(owned=owned)), values)).one())
    arriving = Amount._make((await session.execute(text(_ARRIVING.format(owned=owned)), values)).one())
    trashed = Amount(accounts.trashed_files, accounts.trashed_bytes)
    return Lives(
        active=Amount(
            accounts.files - archived.files - trashed.files,
            accounts.size_bytes - archived.size_bytes - trashed.size_bytes,
        ),
        archived=archived,
        originals=originals,
        trashed=trashed,
        arriving=arriving,
    )
