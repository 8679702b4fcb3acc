"""What archived and active runs answer over HTTP beside a million files: the slowest of a hundred counts."""

import asyncio
import random
import socket
import statistics
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import uvicorn

from media_analysis.app import create_app
from media_analysis.sessions.models import Role
from scripts.benchmarks.stage import FILE_BYTES, OWNERS, Stage, settle

FILES_EACH = 100
CHUNK = 200
"""Runs in one statement."""
WARM = 50
JOBS = "/api/v1/jobs"

# Ids in the order of time, as the service makes them; the same number always is the same run.
ADD_JOBS = f"""
    INSERT INTO analysis_jobs (id, owner, name, kind, status, progress, priority, attempts, folder_name, category,
        created_at, started_at, completed_at, archived_at, expires_at, archive_file_id)
    SELECT id, 'owner-' || number % {OWNERS}, 'run ' || number, 'analyze', 'completed', 1, 0, 1,
        to_char(made, 'YYYYMMDD_HH24MISS_') || id, 'outputs', made, made, made,
        CASE WHEN archived THEN made + interval '7 days' END, CASE WHEN archived THEN made + interval '30 days' END,
        CASE WHEN archived THEN gen_random_uuid() END
    FROM (
        SELECT number, number % 2 = 0 AS archived, gen_random_uuid() AS id,
            now() - interval '20 days' + number * interval '1 second' AS made
        FROM generate_series($1::int, $2::int) AS series(number)
    ) AS runs
    RETURNING id, archive_file_id
"""
ADD_SEGMENTS = f"""
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
        created_at, stored_at, expires_at, expiry_explicit, due_at, job_id, role, ordinal)
    SELECT archive_file_id, owner, 'archives', 'stored', 'archives/bench/' || folder_name || '.tar.gz',
        folder_name || '.tar.gz', 'application/gzip', {FILE_BYTES * FILES_EACH}, 0, decode(repeat('00', 32), 'hex'),
        archived_at, archived_at, expires_at, true, expires_at, id, 'archive', 0
    FROM analysis_jobs WHERE id = ANY($1::uuid[]) AND archive_file_id IS NOT NULL
"""
ADD_COPIES = f"""
    INSERT INTO archived_files (file_id, archive_id, job_id, owner, name, category, filename, media_type, size_bytes,
        sha256, role, ordinal, created_at, stored_at, expires_at, expiry_explicit, frame_offset, skip_bytes)
    SELECT gen_random_uuid(), archive_file_id, id, owner, 'frames/frame-' || number || '.jpg', 'frames',
        'frame-' || number || '.jpg', 'image/jpeg', {FILE_BYTES}, decode(repeat('00', 32), 'hex'), 'frame', number,
        created_at, created_at, expires_at, false, number * {FILE_BYTES}, 0
    FROM analysis_jobs CROSS JOIN generate_series(0, {FILES_EACH - 1}) AS series(number)
    WHERE id = ANY($1::uuid[]) AND archive_file_id IS NOT NULL
"""
ADD_FILES = f"""
    INSERT INTO media_files (id, owner, category, state, key, filename, media_type, size_bytes, reserved_bytes, sha256,
        created_at, stored_at, expires_at, expiry_explicit, due_at, job_id, role, ordinal)
    SELECT gen_random_uuid(), owner, 'frames', 'stored', 'frames/' || id || '/' || number || '.jpg',
        'frame-' || number || '.jpg', 'image/jpeg', {FILE_BYTES}, 0, decode(repeat('00', 32), 'hex'), created_at,
        created_at, now() + interval '30 days', false, now() + interval '30 days', id, 'frame', number
    FROM analysis_jobs CROSS JOIN generate_series(0, {2 * FILES_EACH - 1}) AS series(number)
    WHERE id = ANY($1::uuid[]) AND archive_file_id IS NULL
"""


async def answers(stage: Stage, *, files: int, requests: int) -> dict[str, Any]:
    """Ask a served application, one question after the other, each of a run chosen at random."""
    archived, active = await plant(stage.url, files)
    await settle(stage.url)
    chance = random.Random(7)
    asked: dict[str, Callable[[], str]] = {
        "archived_list": lambda: f"{JOBS}/archived",
        "archived_list_of_an_owner": lambda: f"{JOBS}/archived?owner=owner-{chance.randrange(0, OWNERS, 2)}",
        "archive": lambda: f"{JOBS}/{chance.choice(archived)}/archive",
        "archived_job": lambda: f"{JOBS}/{chance.choice(archived)}",
        "active_list": lambda: JOBS,
        "active_job": lambda: f"{JOBS}/{chance.choice(active)}",
    }
    async with served(stage) as client:
        milliseconds = {name: await ask(client, path, requests) for name, path in asked.items()}
    return {"runs": len(archived) + len(active), "files": files, "archived_files": files // 2} | {
        "milliseconds": milliseconds
    }


async def plant(url: str, files: int) -> tuple[Sequence[UUID], Sequence[UUID]]:
    """Insert runs, every other one archived; `files` rows of files, and half as many of archived ones."""
    archived: list[UUID] = []
    active: list[UUID] = []
    runs = files // FILES_EACH
    connection = await asyncpg.connect(url)
    try:
        for first in range(0, runs, CHUNK):
            added = await connection.fetch(ADD_JOBS, first, min(first + CHUNK, runs) - 1)
            ids = [row["id"] for row in added]
            for statement in (ADD_SEGMENTS, ADD_COPIES, ADD_FILES):
                await connection.execute(statement, ids)
            archived += [row["id"] for row in added if row["archive_file_id"] is not None]
            active += [row["id"] for row in added if row["archive_file_id"] is None]
    finally:
        await connection.close()
    return archived, active


@asynccontextmanager
async def served(stage: Stage) -> AsyncIterator[httpx.AsyncClient]:
    """Serve the application on a socket of this machine, and yield an administrator's client."""
    _, token = await stage.runtime.sessions.create(owner="bench", role=Role.ADMIN, ttl=timedelta(hours=1))
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(stage.runtime), log_config=None, access_log=False, lifespan="off", ws="none")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    try:
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{listening.getsockname()[1]}", headers=headers
        ) as client:
            yield client
    finally:
        server.should_exit = True
        await serving


async def ask(client: httpx.AsyncClient, path: Callable[[], str], requests: int) -> dict[str, float]:
    """Return how long an answer took in the middle, of the slowest hundredth the quickest, and of all the slowest."""
    taken: list[float] = []
    for _ in range(WARM + requests):
        asked = path()
        began = time.perf_counter()
        answer = await client.get(asked)
        taken.append(1000 * (time.perf_counter() - began))
        answer.raise_for_status()
    measured = sorted(taken[WARM:])
    return {
        "p50": statistics.median(measured),
        "p99": measured[min(len(measured) - 1, len(measured) * 99 // 100)],
        "most": measured[-1],
    }
