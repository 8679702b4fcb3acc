"""The lives of two runs: archived, restored, archived again and over; and deleted while it lay in an archive."""

import asyncio
import hashlib
from dataclasses import dataclass, field
from typing import Any, Final

import httpx

from tests.conftest import execute, fetch
from tests.crash.scenario import clean_up

CONTENTS: Final = {"frame.jpg": b"\xff\xd8\xff\xe0" + bytes(range(256)) * 1000, "run.log": b"a line\n" * 9000, "": b""}
LONGEST_SECONDS: Final = 60
LOOK_SECONDS: Final = 0.03
"""To look takes a tenth of that, of a core on which what is waited for would run."""
PAST: Final = "now() - interval '1 second'"
_OPEN: Final = "SELECT FROM archive_tasks WHERE status IN ('pending', 'running')"


@dataclass
class ArchiveScenario:
    """Plays the lives over HTTP, remembering what was told of the files."""

    http: httpx.AsyncClient
    database: str
    job: str = ""
    kept: dict[str, str] = field(default_factory=dict)
    """SHA-256 in hexadecimal by id, of every file that must be readable somewhere."""
    doubtful: set[str] = field(default_factory=set)
    """Files whose deletion was asked for."""
    over: set[str] = field(default_factory=set)
    """Files whose end has come, in the trash or not."""

    async def play(self) -> bool:
        """Return whether the service survived to the end."""
        try:
            await self._begin()
            await self._archive()
            await self._restore()
            await self._upload("more.txt", b"came later\n" * 100)
            await self._archive()
            await self._restore(file_id=next(iter(self.kept)))
            await self._restore()
            await self._delete(list(self.kept)[1])
            await self._archive()
            await self._end()
            await self._begin()
            await self._archive()
            await self._throw_away()
        except httpx.TransportError:
            return False
        return True

    async def _begin(self) -> None:
        """Make a run that has ended, with files."""
        asked = {"name": "n", "kind": "external", "parameters": {"analyser": "x"}}
        self.job = (await self._send("POST", "/jobs", json=asked))["id"]
        for name, content in CONTENTS.items():
            await self._upload(name or "empty.bin", content)
        await execute(
            self.database,
            f"UPDATE analysis_jobs SET status = 'completed', completed_at = now() WHERE id = '{self.job}'",
        )

    async def settle(self) -> None:
        """Wait until no archive task is open."""
        async with asyncio.timeout(LONGEST_SECONDS):
            open_tasks = await fetch(self.database, _OPEN)
            while open_tasks:
                await asyncio.sleep(LOOK_SECONDS)
                open_tasks = await fetch(self.database, _OPEN)

    async def read(self, file_id: str) -> bytes | None:
        """Return a file's content wherever it is; None where it was deleted."""
        answer = await self.http.get(f"/files/{file_id}/content")
        if answer.status_code == 409:
            answer = await self.http.get(answer.json()["archive"].removeprefix("/api/v1"))
        if answer.status_code in {404, 410}:
            assert answer.status_code == 410, answer.text
            return None
        assert answer.status_code == 200, answer.text
        return answer.content

    async def _archive(self) -> None:
        await self._send("POST", f"/jobs/{self.job}/archive")
        await self._until_ended()

    async def _restore(self, **query: str) -> None:
        await self._send("POST", f"/jobs/{self.job}/restore", params=query)
        await self._until_ended()

    async def _delete(self, file_id: str) -> None:
        self.doubtful.add(file_id)
        await self._send("DELETE", f"/files/{file_id}")

    async def _end(self) -> None:
        self.doubtful |= self.kept.keys()
        await execute(
            self.database,
            f"UPDATE analysis_jobs SET expires_at = {PAST} WHERE id = '{self.job}'",
            f"UPDATE media_files SET expires_at = {PAST}, due_at = {PAST} WHERE job_id = '{self.job}'",
        )
        self.over |= self.kept.keys()
        await clean_up(self.http)

    async def _throw_away(self) -> None:
        """Delete an archived run, and let its time in the trash end."""
        self.doubtful |= self.kept.keys()
        await self._send("DELETE", f"/jobs/{self.job}", params={"strategy": "soft"})
        ends = f"trashed_at = {PAST}, trash_ends_at = {PAST}, due_at = {PAST}"
        await execute(
            self.database,
            f"UPDATE analysis_jobs SET restorable_until = {PAST} WHERE id = '{self.job}'",
            f"UPDATE media_files SET {ends} WHERE state = 'trashed'",
        )
        self.over |= self.kept.keys()
        await clean_up(self.http)

    async def _until_ended(self) -> None:
        async with asyncio.timeout(LONGEST_SECONDS):
            task = await self._task()
            while task["ended_at"] is None:
                await asyncio.sleep(LOOK_SECONDS)
                task = await self._task()
        assert task["status"] == "completed", task

    async def _task(self) -> dict[str, Any]:
        task: dict[str, Any] = (await self._send("GET", f"/jobs/{self.job}/archive"))["task"]
        return task

    async def _upload(self, name: str, content: bytes) -> None:
        query = {"category": "outputs", "filename": name, "job_id": self.job}
        file_id: str = (await self._send("POST", "/files", params=query, content=content))["id"]
        self.kept[file_id] = hashlib.sha256(content).hexdigest()

    async def _send(self, method: str, path: str, **about: Any) -> Any:
        answer = await self.http.request(method, path, **about)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None
