"""What the tests of turns share: jobs of several owners, and who is served in which order."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from media_analysis.jobs.attempts.attempt import Attempt
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob
from media_analysis.runtime import Runtime
from tests.conftest import execute, fetch

WORDS: dict[str, Any] = {"kind": "external", "parameters": {"analyser": "words"}}
SOUNDS: dict[str, Any] = {"kind": "external", "parameters": {"analyser": "sounds"}}


@dataclass(frozen=True)
class Line:
    """Jobs that wait, and one who begins and ends them."""

    runtime: Runtime
    database: str

    async def put(
        self, owner: str, times: int = 1, *, lifted: bool = False, delay: timedelta | None = None, **about: Any
    ) -> list[AnalysisJob]:
        """Create jobs without sources."""
        asked: dict[str, Any] = {"name": "n", "kind": "tiny", "source_file_ids": [], "by_administrator": lifted} | about
        jobs = [await self.runtime.jobs.control.create(NewJob(owner=owner, **asked)) for _ in range(times)]
        if delay is not None:
            ids = ", ".join(f"'{job.id}'" for job in jobs)
            seconds = delay.total_seconds()
            await execute(
                self.database,
                f"UPDATE analysis_jobs SET retry_at = now() + interval '{seconds} s' WHERE id IN ({ids})",
            )
        return jobs

    async def claim(
        self, lines: Sequence[str] = ("tiny",), *, limit: int = 1, owner: str | None = None
    ) -> list[Attempt]:
        return list((await self.runtime.jobs.claims.claim(lines, worker="w", limit=limit, owner=owner)).attempts)

    async def begin(self, lines: Sequence[str] = ("tiny",), *, owner: str | None = None) -> Attempt:
        (attempt,) = await self.claim(lines, owner=owner)
        return attempt

    async def end(self, *attempts: Attempt) -> None:
        for attempt in attempts:
            await self.runtime.jobs.attempts.complete(attempt.job_id, fence=attempt.fence)

    async def serve(self, times: int, *, running: int = 0, lines: Sequence[str] = ("tiny",)) -> list[str]:
        """Begin so many jobs, each once no more than `running` others run, and return owner and priority of each."""
        attempts: list[Attempt] = []
        for number in range(times):
            attempts.append(await self.begin(lines))
            if number >= running:
                await self.end(attempts[number - running])
        return await self.told(attempts)

    async def told(self, attempts: Sequence[Attempt]) -> list[str]:
        """Return owner and priority of each job."""
        rows = await fetch(self.database, "SELECT id, owner, nullif(priority, 0) AS priority FROM analysis_jobs")
        found = {row["id"]: f"{row['owner']}{row['priority'] or ''}" for row in rows}
        return [found[attempt.job_id] for attempt in attempts]
