"""Another day in the life of the service, one in which what goes may come back."""

import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.conftest import execute
from tests.crash.scenario import clean_up

KIB: Final = 1024
SETTINGS: Final = {
    "DELETION_STRATEGY": "soft",
    "TRASH_RETENTION": "1h",
    "STORAGE_QUOTA_CLIPS": "300KiB",
    "STORAGE_HIGH_WATER_CLIPS": "250KiB",
    "STORAGE_LOW_WATER_CLIPS": "130KiB",
    "STORAGE_DISK_HIGH_WATER_PERCENT": "100",
}
"""Two clips of 120 KiB fit; a third one makes the eldest go, and a small one beside two makes them go at relief."""
READABLE: Final = {200}
GONE: Final = {410}
EITHER: Final = READABLE | GONE
PAST: Final = "now() - interval '1 second'"


@dataclass
class Told:
    """What a client was told, and may therefore rely on."""

    kept: dict[str, str] = field(default_factory=dict)
    """SHA-256 in hexadecimal by id, of every file answered 201."""
    content: dict[str, set[int]] = field(default_factory=dict)
    """How each of them may answer who reads it."""
    held: dict[str, set[bool]] = field(default_factory=dict)
    """Whether a file may be held, and whether it may not be."""
    jobs: dict[str, set[int]] = field(default_factory=dict)
    """How each job may answer who reads it."""
    overwritten: set[str] = field(default_factory=set)


@dataclass
class RetentionScenario:
    """Trash, restoration, purge, a hold, a secure deletion, a plan, its undoing, a whole job, a filter and pressure."""

    http: httpx.AsyncClient
    database: str
    told: Told = field(default_factory=Told)

    async def play(self) -> bool:
        """Return whether the service survived to the end."""
        try:
            await self._change_ones_mind()
            await self._hold_and_release()
            await self._delete_securely()
            await self._plan_and_undo()
            await self._delete_a_job_twice()
            await self._delete_by_filter()
            await self._fill_clips()
        except httpx.TransportError:
            return False
        return True

    async def _change_ones_mind(self) -> None:
        file_id = await self._upload(b"thrown away twice")
        await self._change(file_id, GONE, "DELETE", f"/files/{file_id}")
        await self._change(file_id, READABLE, "POST", f"/files/{file_id}/restore")
        await self._change(file_id, GONE, "DELETE", f"/files/{file_id}")
        ends = f"trashed_at = {PAST}, trash_ends_at = {PAST}, due_at = {PAST}"
        await execute(self.database, f"UPDATE media_files SET {ends} WHERE id = '{file_id}'")
        await clean_up(self.http)

    async def _hold_and_release(self) -> None:
        file_id = await self._upload(b"evidence")
        self.told.held[file_id] = {True, False}
        await self._send("PUT", f"/files/{file_id}/hold", json={"reason": "evidence"})
        self.told.held[file_id] = {True}
        refused = await self.http.delete(f"/files/{file_id}")
        assert refused.status_code == 409, refused.text
        self.told.held[file_id] = {True, False}
        await self._send("DELETE", f"/files/{file_id}/hold")
        self.told.held[file_id] = {False}

    async def _delete_securely(self) -> None:
        file_id = await self._upload(b"a secret")
        await self._change(file_id, GONE, "DELETE", f"/files/{file_id}", params={"secure": "true"})
        self.told.overwritten.add(file_id)

    async def _plan_and_undo(self) -> None:
        file_id = await self._upload(b"planned", category="frames", ttl_seconds="3600")
        self.told.content[file_id] = GONE
        await execute(
            self.database, f"UPDATE media_files SET expires_at = {PAST}, due_at = {PAST} WHERE id = '{file_id}'"
        )
        plan = await self._send("POST", "/storage/plans")
        sweep = await self._send("POST", f"/storage/plans/{plan['id']}/apply", json={"hash": plan["hash"]})
        await self._change(file_id, READABLE, "POST", f"/storage/sweeps/{sweep['id']}/undo")

    async def _delete_a_job_twice(self) -> None:
        asked = {"name": "n", "kind": "external", "parameters": {"analyser": "x"}}
        job = f"/jobs/{(await self._send('POST', '/jobs', json=asked))['id']}"
        file_id = await self._upload(b"of a job", job_id=job.removeprefix("/jobs/"))
        await self._change_job(job, file_id, GONE, "DELETE", job)
        await self._change_job(job, file_id, READABLE, "POST", f"{job}/restore")
        await self._change_job(job, file_id, GONE, "DELETE", job, params={"strategy": "hard"})

    async def _delete_by_filter(self) -> None:
        source = await self._upload(b"named", category="outputs")
        derived = await self._upload(b"derived", category="contact_sheets", parent_id=source)
        self.told.content[source] = self.told.content[derived] = EITHER
        await self._send("DELETE", "/files", params={"category": "outputs", "dry_run": "false"})
        self.told.content[source] = self.told.content[derived] = GONE

    async def _change_job(self, job: str, file_id: str, after: set[int], method: str, path: str, **about: Any) -> None:
        self.told.jobs[job] = EITHER
        await self._change(file_id, after, method, path, **about)
        self.told.jobs[job] = after

    async def _fill_clips(self) -> None:
        eldest = await self._upload(bytes(120 * KIB), category="clips")
        elder = await self._upload(bytes(120 * KIB), category="clips")
        self.told.content[eldest] = EITHER
        large = await self._upload(bytes(120 * KIB), category="clips")
        self.told.content[eldest] = GONE
        self.told.content[elder] = self.told.content[large] = EITHER
        await self._upload(bytes(20 * KIB), category="clips")
        await self._send("POST", "/storage/pressure/relieve")
        self.told.content[elder] = self.told.content[large] = GONE

    async def _upload(self, content: bytes, **query: str) -> str:
        params = {"category": "uploads", "filename": "a", **query}
        file_id: str = (await self._send("POST", "/files", params=params, content=content))["id"]
        self.told.kept[file_id] = hashlib.sha256(content).hexdigest()
        self.told.content[file_id] = READABLE
        return file_id

    async def _change(self, file_id: str, after: set[int], method: str, path: str, **about: Any) -> None:
        """Ask for something; before it is answered, it may have happened or not."""
        self.told.content[file_id] = EITHER
        await self._send(method, path, **about)
        self.told.content[file_id] = after

    async def _send(self, method: str, path: str, **about: Any) -> Any:
        answer = await self.http.request(method, path, **about)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None
