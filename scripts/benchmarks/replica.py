"""How soon a replica follows an upload, on a disk and in a bucket: what may be lost with the primary."""

import argparse
import asyncio
import os
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx

from media_analysis.storage.remote.address import RemoteAddress
from scripts.benchmarks.serving import Service, serving
from scripts.benchmarks.stage import Stage, open_stage
from scripts.benchmarks.store import by_callers, new_address

OWNER: Final = "bench"
CALLERS: Final = 4
UPLOAD_BYTES: Final = 2**20
LAGS: Final = """
    SELECT percentile_cont(ARRAY[0.5, 0.95, 1.0]) WITHIN GROUP (
        ORDER BY extract(epoch FROM replica.copied_at - file.stored_at)
    ) AS lags, count(*) FILTER (WHERE replica.copied_at IS NULL) AS waiting,
        count(*) / extract(epoch FROM max(file.stored_at) - min(file.stored_at)) AS rate
    FROM media_files AS file LEFT JOIN replicas AS replica ON replica.file_id = file.id WHERE file.state = 'stored'
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Let the command line say so."""
    parser.add_argument("--uploads", type=int, default=400, help="of 1 MiB, by 4 callers")
    parser.add_argument("--seconds-between", type=float, default=0.0, help="how long each caller waits between two")
    parser.add_argument("--to", nargs="+", choices=["disk", "bucket"], default=["disk", "bucket"])


async def run(options: argparse.Namespace, directory: Path) -> dict[str, Any]:
    """Measure each on a stage of its own, whose primaries lie on the disk."""
    found = {}
    for to in options.to:
        address: str | RemoteAddress = (directory / "second").as_uri() if to == "disk" else await new_address()
        async with (
            open_stage(directory / to) as stage,
            serving(stage, OWNER, STORAGE_REPLICA_URL=str(address)) as service,
        ):
            found[to] = await _lags(stage, service, options.uploads, options.seconds_between)
        print(f"replicas in a {to}: {found[to]}")
    return found


async def _lags(stage: Stage, service: Service, uploads: int, pause: float) -> dict[str, float]:
    headers, content = {"Authorization": f"Bearer {service.token}"}, os.urandom(UPLOAD_BYTES)
    async with httpx.AsyncClient(base_url=service.url, headers=headers, timeout=120) as client:

        async def upload(_: int) -> None:
            answer = await client.post("/api/v1/files?category=uploads&filename=a", content=content)
            answer.raise_for_status()
            await asyncio.sleep(pause)

        await by_callers(upload, uploads, CALLERS)
    connection = await asyncpg.connect(stage.url)
    try:
        while (row := await connection.fetchrow(LAGS))["waiting"]:  # noqa: ASYNC110 - what is awaited lies in PostgreSQL
            await asyncio.sleep(0.2)
    finally:
        await connection.close()
    p50, p95, most = row["lags"]
    return {"uploads_per_second": float(row["rate"]), "p50_seconds": p50, "p95_seconds": p95, "longest_seconds": most}
