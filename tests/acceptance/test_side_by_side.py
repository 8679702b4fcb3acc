"""Uploads and ending jobs side by side on one real `serve` (promise 32)."""

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from itertools import count

import httpx
import pytest

from tests.acceptance.service import Service
from tests.conftest import fetch
from tests.media import clips

SECONDS = 25.0
UPLOADERS = 4
JOBS_AT_ONCE = 3
CATEGORIES = ("frames", "contact_sheets", "outputs", "uploads")
DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
ENDED = {"completed", "failed", "cancelled"}


@dataclass
class Tally:
    """What was answered, and how jobs ended."""

    answers: Counter[int] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)


async def drive(address: str, token: str, *, seconds: float) -> Tally:
    """Upload into the categories that jobs fill, while jobs end as fast as they can."""
    tally, ends_at, film = Tally(), time.monotonic() + seconds, clips.sample("carphone_pristine").read_bytes()
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=f"{address}/api/v1", headers=headers, timeout=60) as http:
        source = (await http.post("/files?category=uploads&filename=a.mp4", content=film)).json()["id"]

        async def upload() -> None:
            for number in count():
                if time.monotonic() > ends_at:
                    return
                path = f"/files?category={CATEGORIES[number % len(CATEGORIES)]}&filename=b"
                tally.answers[(await http.post(path, content=b"some bytes")).status_code] += 1

        async def analyse() -> None:
            while time.monotonic() < ends_at:
                asked = {"name": "n", "kind": "frames", "source_file_ids": [source], "parameters": {"every_seconds": 1}}
                job = (await http.post("/jobs", json=asked)).json()
                while job["status"] not in ENDED:
                    await asyncio.sleep(0.05)
                    job = (await http.get(f"/jobs/{job['id']}")).json()
                tally.jobs[job["status"]] += 1

        await asyncio.gather(*(upload() for _ in range(UPLOADERS)), *(analyse() for _ in range(JOBS_AT_ONCE)))
    return tally


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"WORKER_CONCURRENCY": "2"}


@pytest.mark.large
def test_uploads_and_ending_jobs_never_deadlock(service: Service, database: str) -> None:
    (before,) = asyncio.run(fetch(database, DEADLOCKS))

    tally = asyncio.run(drive(service.address, service.token, seconds=SECONDS))

    (after,) = asyncio.run(fetch(database, DEADLOCKS))
    assert after["deadlocks"] == before["deadlocks"]
    assert set(tally.answers) == {201}
    assert set(tally.jobs) == {"completed"}
    assert tally.jobs.total() > 0
