"""How results go: with their jobs or the files they are about, or since their time is over; parts of transactions."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, Literal
from uuid import UUID

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncSession

RESULTS_CHUNK: Final = 20_000
"""Results that one statement deletes or hides."""

_DELETE: Final = """
    DELETE FROM analysis_results WHERE id = ANY(ARRAY(
        SELECT id FROM analysis_results WHERE {of} = ANY(CAST(:ids AS uuid[])) ORDER BY id LIMIT :limit FOR UPDATE
    )) RETURNING job_id
"""
_HIDE: Final = """
    UPDATE analysis_results SET published = false WHERE id = ANY(ARRAY(
        SELECT id FROM analysis_results WHERE {of} = ANY(CAST(:ids AS uuid[])) AND published
        ORDER BY id LIMIT :limit FOR UPDATE
    )) RETURNING job_id
"""

HELD: Final = "job.held_until > :now"
ENDED: Final = "job.status NOT IN ('pending', 'running') AND job.deleted_at IS NULL AND job.archived_at IS NULL"

# A hold placed meanwhile locks the job, so the share lock either comes first or finds the hold.
DUE_RESULTS: Final = f"""
    SELECT result.id, result.expires_at FROM analysis_results AS result
    JOIN analysis_jobs AS job ON job.id = result.job_id
    WHERE result.expires_at <= CAST(:now AS timestamptz) - :grace AND result.category = CAST(:category AS category)
        AND (result.expires_at, result.id) > (:after_at, :after_id)
        AND result.published AND {HELD} IS NOT TRUE
    ORDER BY result.expires_at, result.id LIMIT :limit
"""  # noqa: S608 - constants
"""The most overdue results after a position."""
DELETE_DUE: Final = text(f"""
    WITH due AS MATERIALIZED ({DUE_RESULTS} FOR UPDATE OF result SKIP LOCKED FOR SHARE OF job SKIP LOCKED), gone AS (
        DELETE FROM analysis_results WHERE id = ANY(ARRAY(SELECT id FROM due))
    )
    SELECT id, expires_at FROM due ORDER BY expires_at DESC, id DESC
""").bindparams(bindparam("grace", type_=Interval))  # noqa: S608 - constants
"""Takes the most overdue results after a position, passing over what others have locked."""
COUNT_DUE: Final = text(
    f"SELECT count(*) FROM ({DUE_RESULTS}) AS due"  # noqa: S608 - constants
).bindparams(bindparam("grace", type_=Interval))

HIDDEN_RESULTS: Final = f"""
    SELECT result.id FROM analysis_results AS result JOIN analysis_jobs AS job ON job.id = result.job_id
    WHERE NOT result.published AND result.media_file_id IS NOT NULL
        AND result.category = CAST(:category AS category) AND {ENDED} AND {HELD} IS NOT TRUE
        AND NOT EXISTS (SELECT FROM media_files AS file WHERE file.id = result.media_file_id)
    ORDER BY result.id LIMIT :limit
"""  # noqa: S608 - constants
"""Those about files that were trash and are gone now, of jobs that live on."""
DELETE_HIDDEN: Final = text(f"""
    DELETE FROM analysis_results WHERE id = ANY(ARRAY(
        {HIDDEN_RESULTS} FOR UPDATE OF result SKIP LOCKED FOR SHARE OF job SKIP LOCKED
    )) RETURNING id
""")  # noqa: S608 - constants


async def take_results(
    session: AsyncSession, of: Literal["job_id", "media_file_id"], ids: Sequence[UUID], *, for_good: bool
) -> Mapping[UUID, int]:
    """Delete, or hide, all results of jobs, or about files; return how many results of each job went."""
    statement = text((_DELETE if for_good else _HIDE).format(of=of))
    taken: Counter[UUID] = Counter()
    while True:
        rows = (await session.scalars(statement, {"ids": list(ids), "limit": RESULTS_CHUNK})).all()
        taken.update(rows)
        if len(rows) < RESULTS_CHUNK:
            return taken
