"""Every screen of the page at a million rows, in process, against the 100 ms it may take; and what takes longer."""

import statistics
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import asyncpg
import httpx

from media_analysis.app import create_app
from media_analysis.sessions.models import Role
from scripts.benchmarks.page_crowds import plant_crowds
from scripts.benchmarks.retention import fold, plant
from scripts.benchmarks.stage import Stage, settle

ORIGIN: Final = "http://bench"
MOST_MILLISECONDS: Final = 100
PREVIEW_SECONDS: Final = 2
SCREENS: Final = (
    *("/", "/files", "/files?view=list", "/files?category=frames", "/files?name=file", "/upload", "/jobs"),
    *("/archives", "/trash", "/deletions", "/audit", "/policy", "/sessions", "/webhooks", "/settings"),
)
PREVIEWS: Final = ("/policy/preview?retention.frames=5d", "/policy/preview?quotas.uploads=1MiB")
SUMMED: Final = ("a run with its frames", "an archived run", "an archive")


async def page(stage: Stage, *, files: int, repeats: int) -> dict[str, Any]:
    """Ask for every screen `repeats` times, after a first time that warms up."""
    _, token = await stage.runtime.sessions.create(owner="bench", role=Role.ADMIN, ttl=timedelta(hours=1))
    async with asyncpg.create_pool(stage.url, min_size=1, max_size=2) as pool:
        await plant(pool, files)
        crowds = await plant_crowds(pool, files // 10)
        await fold(stage)
        await settle(stage.url)
        file_id = await pool.fetchval("SELECT id FROM media_files WHERE category = 'frames' LIMIT 1")
    transport = httpx.ASGITransport(create_app(stage.runtime))
    async with httpx.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as browser:
        entered = await browser.post("/sign-in", data={"token": token})
        assert entered.is_redirect, entered.text
        soon = f"/files?expires_before={datetime.now(UTC) + timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}"
        screens = {path: await _ask(browser, path, repeats) for path in (*SCREENS, soon, f"/files/{file_id}")}
        of_crowds = {name: await _ask(browser, path, repeats) for name, path in crowds.items()}
        sums = {name: await _ask(browser, f"{crowds[name]}?whole=true", max(3, repeats // 10)) for name in SUMMED}
        previews = {path: await _ask(browser, path, max(3, repeats // 10)) for path in PREVIEWS}
    return {
        "files": files,
        "screens": {path.partition("T")[0]: _told(seconds, MOST_MILLISECONDS) for path, seconds in screens.items()},
        "crowds": {name: _told(seconds, MOST_MILLISECONDS) for name, seconds in of_crowds.items()},
        "sums": {name: _told(seconds, 1000 * PREVIEW_SECONDS) for name, seconds in sums.items()},
        "previews": {path: _told(seconds, 1000 * PREVIEW_SECONDS) for path, seconds in previews.items()},
    }


async def _ask(browser: httpx.AsyncClient, path: str, repeats: int) -> Sequence[float]:
    seconds = []
    for _ in range(repeats + 1):
        begun = time.perf_counter()
        (await browser.get(path)).raise_for_status()
        seconds.append(time.perf_counter() - begun)
    return seconds[1:]


def _told(seconds: Sequence[float], most_milliseconds: float) -> dict[str, float]:
    p95 = 1000 * sorted(seconds)[int(0.95 * (len(seconds) - 1))]
    return {
        "median_milliseconds": 1000 * statistics.median(seconds),
        "p95_milliseconds": p95,
        "p95_ratio_to_limit": p95 / most_milliseconds,
    }
