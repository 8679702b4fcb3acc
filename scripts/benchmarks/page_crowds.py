"""Very many of one thing below another: a run's frames, an archive's files, what a file became, a sweep's trash."""

from collections.abc import Mapping
from typing import Final
from uuid import uuid4

import asyncpg

from scripts.benchmarks.stage import FILE_BYTES, OWNERS

_RUN: Final = """
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category,
        created_at, started_at, completed_at, archived_at, expires_at, archive_file_id)
    SELECT id, 'owner-0', 'a large run', 'analyze', 'completed', 1, 0, 1, '20260101_000000_' || id, 'outputs',
        made, made, made, CASE WHEN archive_id IS NOT NULL THEN made END,
        CASE WHEN archive_id IS NOT NULL THEN made + interval '30 days' END, archive_id
    FROM (SELECT $1::uuid AS id, $2::uuid AS archive_id, now() - interval '1 day' AS made) AS run
"""
_FILES: Final = f"""
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
        created_at, stored_at, expires_at, expiry_explicit, due_at, job_id, parent_id, role, ordinal, instant_seconds,
        trashed_at, trash_ends_at, trash_rule, trashed_by, trash_sweep_id)
    SELECT gen_random_uuid(), 'owner-' || number % {OWNERS}, 'frames', state, 'frames/' || asked || '/' || number,
        'frame-' || number || '.jpg', 'image/jpeg', {FILE_BYTES}, 0, decode(repeat('00', 32), 'hex'), now(), now(),
        now() + interval '20 days', false, now() + interval '20 days', job_id, parent_id, 'frame', number,
        number / 25.0,
        trashed_at, trashed_at + interval '7 days', CASE WHEN trashed_at IS NOT NULL THEN rule END,
        CASE WHEN trashed_at IS NOT NULL THEN 'sweep' END, sweep_id
    FROM generate_series(1, $1::int) AS series(number), (
        SELECT $2::uuid AS job_id, $3::uuid AS parent_id, $4::uuid AS sweep_id, gen_random_uuid() AS asked,
            (CASE WHEN $4::uuid IS NULL THEN 'stored' ELSE 'trashed' END)::file_state AS state,
            CASE WHEN $4::uuid IS NOT NULL THEN now() END AS trashed_at, 'category_lifetime'::retention_rule AS rule
    ) AS given
"""
_SEGMENT: Final = f"""
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
        created_at, stored_at, expires_at, expiry_explicit, due_at, job_id, role, ordinal)
    SELECT $1::uuid, 'owner-0', 'archives', 'stored', 'archives/' || $1, 'run.tar.gz', 'application/gzip', {FILE_BYTES},
        0, decode(repeat('00', 32), 'hex'), now(), now(), now() + interval '29 days', true,
        now() + interval '29 days', $2::uuid, 'archive', 0
"""
_COPIES: Final = f"""
    INSERT INTO archived_files (file_id, archive_id, job_id, owner, name, category, filename, media_type, size_bytes,
        sha256, role, ordinal, created_at, stored_at, expires_at, expiry_explicit, frame_offset, skip_bytes)
    SELECT gen_random_uuid(), $2::uuid, $3::uuid, 'owner-0', 'frames/frame-' || number || '.jpg', 'frames',
        'frame-' || number || '.jpg', 'image/jpeg', {FILE_BYTES}, decode(repeat('00', 32), 'hex'), 'frame', number,
        now(), now(), NULL, false, number * {FILE_BYTES}, 0
    FROM generate_series(1, $1::int) AS series(number)
"""
_SWEEP: Final = """
    INSERT INTO sweeps (id, kind, trigger, requested_by, dry_run, status, started_at, ended_at, files,
        size_bytes, errors)
    VALUES ($1, 'cleanup:frames', 'schedule', 'scheduler', false, 'completed', now(), now(), $2, 0, 0)
"""
_CHILDREN: Final = """
    INSERT INTO user_sessions (id, owner, role, parent_id, token_hash, expires_at)
    SELECT gen_random_uuid(), 'owner-0', 'user', $2::uuid, sha256(number::text::bytea), now() + interval '1 day'
    FROM generate_series(1, $1::int) AS series(number)
"""
_ACTS: Final = """
    INSERT INTO audit_events (id, actor, action, owner, file_id)
    SELECT gen_random_uuid(), 'owner-' || number % 16, 'held', 'owner-0', gen_random_uuid()
    FROM generate_series(1, $1::int) AS series(number)
"""


async def plant_crowds(pool: asyncpg.Pool, many: int) -> Mapping[str, str]:
    """Add `many` of each, and return the addresses of the screens that tell of them, by what they tell."""
    run, archived, archive, sweep, trashed = (uuid4() for _ in range(5))
    await pool.execute(_RUN, run, None)
    await pool.execute(_FILES, many, run, None, None)
    await pool.execute(_RUN, archived, archive)
    await pool.execute(_SEGMENT, archive, archived)
    await pool.execute(_COPIES, many, archive, archived)
    source = await pool.fetchval("SELECT id FROM media_files WHERE category = 'uploads' AND owner = 'owner-0' LIMIT 1")
    await pool.execute(_FILES, many, None, source, None)
    await pool.execute(_RUN, trashed, None)
    await pool.execute(_SWEEP, sweep, many)
    await pool.execute(_FILES, many, trashed, None, sweep)
    await pool.execute(_CHILDREN, many, await pool.fetchval("SELECT id FROM user_sessions LIMIT 1"))
    await pool.execute(_ACTS, many)
    frame = await pool.fetchval("SELECT id FROM media_files WHERE job_id = $1 LIMIT 1", run)
    return {
        "a run with its frames": f"/jobs/{run}",
        "one of its frames": f"/files/{frame}",
        "an archived run": f"/jobs/{archived}",
        "an archive": f"/archives/{archived}",
        "what a file became": f"/files/{source}",
        "a sweep": f"/deletions/sweeps/{sweep}",
        "a run in the trash": f"/jobs/{trashed}",
        "its files there": f"/trash?job_id={trashed}",
        "acts of nobody": "/audit?actor=nobody",
        "acts that nobody did": "/audit?action=imported",
    }
