"""What uploads ask of the jobs they are for: a part of their statements."""

from typing import Final

JOBS_OF_UPLOADS: Final = """
    SELECT id, owner, held_until, deleted_at IS NULL AS is_living, archived_at IS NOT NULL AS is_archived,
        CASE WHEN status = 'running' THEN fence END AS fence
    FROM analysis_jobs
    WHERE id = ANY(CAST(:job_ids AS uuid[])) AND (id, owner) IN (SELECT job_id, owner FROM asked)
    ORDER BY id FOR KEY SHARE
"""
"""The jobs of `:job_ids` that are of who `asked` for them, locked in order: who just ends, holds or deletes one is
waited for and believed."""
