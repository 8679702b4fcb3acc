"""What people and external analysers do to jobs: created, held, claimed, finished, extended, cancelled, retried."""

from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.conftest import fetch

_JOBS: Final = """
    SELECT id::text, status::text, held_until > now() AS held, expires_at IS NOT NULL AS ends,
           deleted_at IS NOT NULL AS deleted,
           EXISTS (SELECT FROM analysis_results WHERE job_id = analysis_jobs.id) AS result
    FROM analysis_jobs
"""
FRESH: Final = {"status": "pending", "held": None, "ends": False, "deleted": False, "result": False}


@dataclass
class JobScenario:
    """Plays the lives of four jobs over HTTP, remembering what was told of each."""

    http: httpx.AsyncClient
    told: dict[str, dict[str, set[Any]]] = field(default_factory=dict)
    """What each fact about a job may be; while somebody waits for an answer, what it was and what it becomes."""

    async def play(self) -> bool:
        """Return whether the service survived to the end."""
        try:
            await self._finish(await self._create())
            await self._cancel_and_delete(await self._create())
            await self._cancel_waiting(await self._create())
            await self._try_again(await self._create())
        except httpx.TransportError:
            return False
        return True

    async def broken(self, database: str) -> list[str]:
        """Return what of a job is not as it was told; of jobs nobody was told of, there is at most the last one."""
        rows = {row["id"]: dict(row) for row in await fetch(database, _JOBS)}
        unknown = [rows.pop(job) for job in rows.keys() - self.told.keys()]
        return [
            *(f"{job} is lost" for job in self.told.keys() - rows.keys()),
            *(
                f"{name} of {job} is {row[name]}, not {allowed}"
                for job, row in rows.items()
                for name, allowed in self.told[job].items()
                if row[name] not in allowed
            ),
            *(f"{len(unknown)} jobs nobody was told of" for _ in unknown[1:]),
        ]

    async def _create(self) -> str:
        asked = {"name": "n", "kind": "external", "parameters": {"analyser": "x"}}
        job: str = (await self._send("POST", "/jobs", json=asked))["id"]
        self.told[job] = {name: {value} for name, value in FRESH.items()}
        return job

    async def _finish(self, job: str) -> None:
        await self._change(job, {"held": True}, "PUT", "/hold", json={"reason": "evidence"})
        await self._change(job, {"held": None}, "DELETE", "/hold")
        fence = await self._claim(job)
        await self._change(job, {"result": True}, "PUT", "/results/x", params={"fence": fence}, json={"a": 1})
        await self._change(job, {"status": "completed"}, "POST", "/finish", json={"fence": fence})
        await self._change(job, {"ends": True}, "PATCH", "", json={"ttl_seconds": 3600})

    async def _cancel_and_delete(self, job: str) -> None:
        await self._change(job, {"status": "cancelled"}, "POST", "/cancel")
        await self._change(job, {"deleted": True}, "DELETE", "", params={"strategy": "soft"})

    async def _cancel_waiting(self, job: str) -> None:
        self.told[job]["status"] = {"pending", "cancelled"}
        assert await self._send("DELETE", "/jobs", params={"status": "pending", "everyone": True}) == {"cancelled": 1}
        self.told[job]["status"] = {"cancelled"}

    async def _try_again(self, job: str) -> None:
        fence = await self._claim(job)
        failure = {"fence": fence, "code": "corrupt_media", "detail": "noise"}
        await self._change(job, {"status": "failed"}, "POST", "/fail", json=failure)
        await self._change(job, {"status": "pending"}, "POST", "/retry")

    async def _claim(self, job: str) -> int:
        self.told[job]["status"] = {"pending", "running"}
        claim = await self._send("POST", "/jobs/claims", json={"analysers": ["x"], "worker": "w"})
        assert claim["job_id"] == job
        self.told[job]["status"] = {"running"}
        fence: int = claim["fence"]
        return fence

    async def _change(self, job: str, after: dict[str, Any], method: str, path: str, **about: Any) -> None:
        told = self.told[job]
        told.update({name: told[name] | {value} for name, value in after.items()})
        await self._send(method, f"/jobs/{job}{path}", **about)
        told.update({name: {value} for name, value in after.items()})

    async def _send(self, method: str, path: str, **about: Any) -> Any:
        answer = await self.http.request(method, path, **about)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None
