"""What a client is told while requests to the bucket fail, and what has to be true when all has settled."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPMethod
from typing import Any, Final, TypeVar

import httpx

from media_analysis.errors.kinds import Unavailable
from media_analysis.records.leftovers import LeftoverService
from media_analysis.runtime import Runtime
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.xml import child_text, parse
from media_analysis.storage.walk import QUARANTINE
from tests.api.answers import problem_in
from tests.conftest import Client, execute, fetch
from tests.mirrored import CopiedOracle
from tests.s3 import ENVIRONMENT, asking, options_for
from tests.storage.remote.proxy import SpoilingProxy

TRIES: Final = 8
"""How often somebody asks again before they call it broken; one request alone is spoiled, or all until an error."""
MOST_SWEEPS: Final = 3
"""What was to go, goes with the first, and what of that came late with the second."""
DAYS: Final = timedelta(days=2)
DUE: Final = "due_at = now() - interval '1 second'"
Value = TypeVar("Value")


@dataclass
class Life:
    """One who uses the service, asks again when told to, and remembers every answer."""

    client: Client
    runtime: Runtime
    database: str
    proxy: SpoilingProxy
    address: RemoteAddress
    oracle: CopiedOracle
    kept: dict[str, str] = field(default_factory=dict)
    """SHA-256 in hexadecimal by id, of every file that was acknowledged and must be there."""
    refusals: int = 0

    async def send(self, method: str, path: str, *statuses: int, by: str = "alice", **about: Any) -> httpx.Response:
        """Ask until one of these statuses is answered; whatever else is answered must say that it is for now."""
        for _ in range(TRIES):
            answer = await self.client.request(method, path, by=by, **about)
            if answer.status_code in statuses:
                return answer
            if answer.status_code == 409 and problem_in(answer)["code"] == "upload_in_flight":
                await self._let_leases_lapse()
            else:
                self.require_temporary(answer)
        raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")

    async def upload(self, content: bytes, *, by: str = "alice", headers: Any = None, **query: str) -> str:
        params = {"category": "uploads", "filename": "a.bin"} | query
        answer = await self.send("POST", "/api/v1/files", 201, by=by, params=params, content=content, headers=headers)
        file_id: str = answer.json()["id"]
        self.keep(file_id, content)
        return file_id

    def keep(self, file_id: str, content: bytes) -> None:
        """Remember what was acknowledged."""
        self.kept[file_id] = hashlib.sha256(content).hexdigest()

    def note_failures(self, told: Iterable[str | None]) -> None:
        """Take note of what a task of the service's own says of why it is tried again."""
        for reason in filter(None, told):
            self._require_discreet(reason)
            self._note_refusal()

    async def set_aside(self, key: str) -> bytes | None:
        """Return what lies in the quarantine under a key, None where nothing does."""
        bucket = Bucket(self.address, options_for())
        try:
            found = [
                await bucket.get(entry.name, 0, 100)
                async for page in bucket.pages(QUARANTINE)
                for entry in page
                if key in entry.name
            ]
        finally:
            bucket.close()
        return bytes(found[0]) if found else None

    async def read(self, path: str, first: int, last: int) -> bytes:
        """Return a range, going on where an answer broke off."""
        found = b""
        while first + len(found) <= last:
            asked = {"Range": f"bytes={first + len(found)}-{last}"}
            found += (await self.send("GET", path, 206, headers=asked)).content
        return found

    async def again(self, work: Callable[[], Awaitable[Value]]) -> Value:
        """Return what a duty comes to, which is taken up again as long as the store is not to be had."""
        for _ in range(TRIES):
            try:
                return await work()
            except Unavailable as error:
                self._require_discreet(str(error))
                self._note_refusal()
        raise AssertionError("a duty failed again and again")

    def _note_refusal(self) -> None:
        self.refusals += 1
        if self.proxy.is_lasting:
            self.proxy.calm()

    def require_temporary(self, answer: httpx.Response) -> None:
        self._require_discreet(answer.text)
        assert answer.status_code == 503, (answer.request, answer.status_code, answer.text)
        assert answer.headers["content-type"] == "application/problem+json", answer.headers
        assert int(answer.headers["retry-after"]) > 0
        self._note_refusal()

    def _require_discreet(self, said: str) -> None:
        for word in ("Traceback", "127.0.0.1", self.address.bucket, ENVIRONMENT["AWS_ACCESS_KEY_ID"], "Signature"):
            assert word not in said, said

    async def settle(self) -> list[str]:
        """Let every lease and second deletion come, and what was late; return every violation."""
        self.proxy.calm()
        sweeps_left = MOST_SWEEPS
        await self._let_leases_lapse()
        await self._sweep("NOT again")
        await self.proxy.land()
        while await self._unconfirmed() and sweeps_left:
            sweeps_left -= 1
            await self._sweep()
        leftovers = LeftoverService(self.runtime.db, self.runtime.store)
        await leftovers.end(now=await self.runtime.db.now() + DAYS)
        return [
            *await self.oracle(acknowledged=self.kept),
            *[f"{name} is nobody's" async for name in self._strays()],
            *await self._unconfirmed(),
        ]

    async def end(self) -> list[str]:
        """Delete all there is, and return what is left."""
        for row in await fetch(self.database, "SELECT id FROM analysis_jobs WHERE deleted_at IS NULL"):
            await self.send("DELETE", f"/api/v1/jobs/{row['id']}", 200, 204, by="admin")
        for row in await fetch(self.database, "SELECT id FROM media_files"):
            await self.send("DELETE", f"/api/v1/files/{row['id']}", 200, 204, 404, 410, by="admin")
        await self._sweep()
        await self._sweep()
        rows = await fetch(self.database, "SELECT filename FROM media_files")
        return [*(row["filename"] for row in rows), *[name async for name in self._strays()]]

    async def _let_leases_lapse(self) -> None:
        """Let the time be over after which what nobody gave up is anybody's, as an answer with Retry-After says."""
        lapsed = "leased_until = now() - interval '1 second'"
        await execute(self.database, f"UPDATE media_files SET {DUE}, {lapsed} WHERE state = 'pending'")

    async def _sweep(self, which: str = "true") -> None:
        await execute(self.database, f"UPDATE purges SET {DUE} WHERE due_at IS NOT NULL AND {which}")
        await self.send("POST", "/api/v1/storage/cleanup", 200, by="admin", params={"dry_run": "false"})

    async def _unconfirmed(self) -> list[str]:
        rows = await fetch(self.database, "SELECT last_error, again FROM purges WHERE confirmed_at IS NULL")
        return [f"an entry of the outbox stays: {dict(row)}" for row in rows]

    async def _strays(self) -> AsyncIterator[str]:
        """Yield what of the bucket no file has, and parts that nobody ended."""
        known = {row["key"] for row in await fetch(self.database, "SELECT key FROM media_files")} | {MARKER_NAME}
        bucket = Bucket(self.address, options_for())
        try:
            async for page in bucket.pages():
                for entry in page:
                    if entry.name not in known and not entry.name.startswith(f"{QUARANTINE}/"):
                        yield entry.name
        finally:
            bucket.close()
        query = {"uploads": "", "prefix": self.address.prefix}
        answer = await asking(replace(self.address, prefix="")).send(HTTPMethod.GET, query=query)
        for upload in parse(answer.content).iter("Upload"):
            yield f"parts of {child_text(upload, 'Key')}"
