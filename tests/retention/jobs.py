"""Jobs with files, before anything can create jobs."""

from typing import Any
from uuid import UUID

import asyncpg
from uuid_utils.compat import uuid7

from tests.conftest import execute, fetch

_FACTS = """
    id, version, state::text, due_at, expires_at, held_until, job_held_until, min_retain_until, trash_ends_at,
    expiry_explicit, hold_reason, held_by
"""


async def add_job(database: str, *, owner: str = "alice") -> UUID:
    job_id: UUID = uuid7()
    await execute(
        database,
        "INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category)"
        f" VALUES ('{job_id}', '{owner}', 'n', 'probe', 'completed', 1, 0, 1, '{job_id}', 'outputs')",
    )
    return job_id


async def add_result(database: str, job_id: UUID, *, expires_at: str = "NULL") -> UUID:
    """Give a job a result that ends at an instant, an SQL expression."""
    result_id: UUID = uuid7()
    await execute(
        database,
        "INSERT INTO analysis_results (id, owner, job_id, published, kind, data, category, expires_at)"
        f" VALUES ('{result_id}', 'alice', '{job_id}', true, 'probe', '{{}}', 'outputs', {expires_at})",
    )
    return result_id


async def assign(database: str, job_id: UUID, *file_ids: UUID) -> None:
    """Make files a job's own."""
    ids = ", ".join(f"'{file_id}'" for file_id in file_ids)
    await execute(database, f"UPDATE media_files SET job_id = '{job_id}' WHERE id IN ({ids})")


async def facts_of(database: str, file_id: UUID) -> asyncpg.Record:
    (row,) = await fetch(database, f"SELECT {_FACTS} FROM media_files WHERE id = $1", file_id)
    return row


async def events(database: str, **about: Any) -> list[asyncpg.Record]:
    """Return audit events, the eldest first."""
    found = await fetch(database, "SELECT *, details::text AS told FROM audit_events ORDER BY id")
    return [event for event in found if all(event[name] == value for name, value in about.items())]
