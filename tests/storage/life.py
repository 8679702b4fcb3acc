"""What a client is told while requests to the bucket fail, and what has to be true when all has settled."""

import hashlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import cached_property
from typing import Any, Final, TypeVar

import httpx

from media_analysis.errors.kinds import Unavailable
from media_analysis.records.leftovers import LeftoverService
from media_analysis.runtime import Runtime
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.names import PROBE_NAME
from media_analysis.storage.remote.signing import S3Requests
from media_analysis.storage.walk import QUARANTINE
from tests.api.answers import problem_in
from tests.conftest import Client, execute, fetch
from tests.mirrored import CopiedOracle
from tests.s3 import ENVIRONMENT, asking
from tests.storage.remote.conftest import parts_below
from tests.storage.remote.proxy import SpoilingProxy

TRIES: Final = 8
"""How often somebody asks again before they call it broken; one request alone is spoiled, or all until an error."""
MOST_SWEEPS: Final = 3
"""What was to go, goes with the first, and what of that came late with the second."""
DAYS: Final = timedelta(days=2)
QUARANTINED: Final = timedelta(days=40)
PAST: Final = "now() - interval '1 second'"
DUE: Final = f"due_at = {PAST}"
SWEPT: Final = """
    SELECT category::text FROM media_files WHERE due_at <= now()
    UNION SELECT 'temp' FROM purges WHERE due_at <= now() HAVING count(*) > 0
"""
"""Whatever category is swept, the outbox is worked off first."""
OWN: Final = frozenset({MARKER_NAME, PROBE_NAME})
"""What is nobody's: whoever looks next whether the bucket can be written overwrites and deletes the probe."""
Value = TypeVar("Value")
Playing = Callable[[], Awaitable[None]]
Act = Callable[["Life"], Awaitable[Playing]]
"""Prepares, while nothing fails, what is then played while requests do."""


@dataclass
class Life:
    """One who uses the service, asks again when told to, and remembers every answer."""

    client: Client
    runtime: Runtime
    database: str
    proxy: SpoilingProxy
    bucket: Bucket
    """Where all lies, asked beside the service and the proxy."""
    replica: Bucket
    """Where replicas lie, if there are any."""
    oracle: CopiedOracle
    environment: Mapping[str, str]
    """The variables of the service."""
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
        found = [
            await self.bucket.get(entry.name, 0, 100)
            async for page in self.bucket.pages(QUARANTINE)
            for entry in page
            if key in entry.name
        ]
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
        for word in (
            "Traceback",
            "127.0.0.1",
            self.bucket.address.bucket,
            ENVIRONMENT["AWS_ACCESS_KEY_ID"],
            "Signature",
        ):
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
            *[f"{name} is nobody's" async for name in self._strays() if not name.startswith(f"{QUARANTINE}/")],
            *await self._unconfirmed(),
        ]

    async def end(self) -> list[str]:
        """Delete all there is, and return what is left."""
        for row in await fetch(self.database, "SELECT id FROM analysis_jobs WHERE deleted_at IS NULL"):
            await self.send("DELETE", f"/api/v1/jobs/{row['id']}", 200, 204, by="admin")
        await execute(self.database, f"UPDATE media_files SET expires_at = {PAST}, due_at = {PAST}")
        for _ in range(MOST_SWEEPS):
            await self._sweep()
            await execute(self.database, "DELETE FROM purges WHERE again")  # what was late landed before
            if not await self._unconfirmed():  # a busy gateway may have been too slow
                break
        await self.runtime.records.quarantine.end(now=await self.runtime.db.now() + QUARANTINED)
        rows = await fetch(self.database, "SELECT filename FROM media_files")
        return [*(row["filename"] for row in rows), *[name async for name in self._strays()]]

    async def _let_leases_lapse(self) -> None:
        """Let the time be over after which what nobody gave up is anybody's, as an answer with Retry-After says."""
        lapsed = f"leased_until = {PAST}"
        await execute(self.database, f"UPDATE media_files SET {DUE}, {lapsed} WHERE state = 'pending'")

    async def _sweep(self, which: str = "true") -> None:
        await execute(self.database, f"UPDATE purges SET {DUE} WHERE due_at IS NOT NULL AND {which}")
        for row in await fetch(self.database, SWEPT):
            asked = {"dry_run": "false", "category": row["category"]}
            await self.send("POST", "/api/v1/storage/cleanup", 200, by="admin", params=asked)

    async def _unconfirmed(self) -> list[str]:
        rows = await fetch(self.database, "SELECT last_error, again FROM purges WHERE confirmed_at IS NULL")
        return [f"an entry of the outbox stays: {dict(row)}" for row in rows]

    async def _strays(self) -> AsyncIterator[str]:
        """Yield what of the buckets no file has, and parts that nobody ended."""
        known = {row["key"] for row in await fetch(self.database, "SELECT key FROM media_files")} | OWN
        for bucket in (self.bucket, self.replica):
            async for page in bucket.pages():
                for entry in page:
                    if entry.name not in known:
                        yield entry.name
            for key in await parts_below(self.requests, bucket.address.prefix):
                yield f"parts of {key}"

    @cached_property
    def requests(self) -> S3Requests:
        return asking(replace(self.bucket.address, prefix=""))
