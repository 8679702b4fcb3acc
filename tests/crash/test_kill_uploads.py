"""The service dies by kill -9 while uploads come in pieces; each goes on where it says, and becomes one file."""

import asyncio
import hashlib
import random
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from tests.api.tus import PIECE, metadata
from tests.conftest import StartOver, fetch
from tests.crash.points import EACH, find_moments
from tests.crash.scenario import clean_up, let_leases_lapse
from tests.crash.service import served
from tests.oracle import inspect_everything

pytestmark = pytest.mark.crash
CONTENT = bytes(range(256)) * 4_000
HALF = len(CONTENT) // 2
VERSION = {"Tus-Resumable": "1.0.0"}
CLIENTS = 2


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {"STORAGE_CLEANUP_ENABLED": "false", "WORKER_ENABLED": "false"}


@dataclass
class Uploads:
    """What a client has begun, and how much of each it was told is durable."""

    http: httpx.AsyncClient
    told: dict[str, int] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    """What was answered for as given up, or as joined."""

    async def create(self, name: str, length: int = len(CONTENT), **headers: str) -> str:
        told = {"Upload-Length": str(length), "Upload-Metadata": metadata(filename=name), **headers}
        made = await self.http.post("/uploads", headers=VERSION | told)
        assert made.status_code == 201, made.text
        path: str = made.headers["Location"].removeprefix("/api/v1")
        self.told[path] = 0
        return path

    async def send(self, path: str, start: int, content: bytes) -> httpx.Response:
        headers = VERSION | {"Upload-Offset": str(start), "Content-Type": PIECE}
        answer = await self.http.patch(path, headers=headers, content=content)
        if answer.status_code == 204:
            self.told[path] = int(answer.headers["Upload-Offset"])
        return answer

    async def whole(self) -> None:
        path = await self.create("whole.bin")
        for start in (0, HALF):
            assert (await self.send(path, start, CONTENT[start : start + HALF])).status_code == 204

    async def joined(self) -> None:
        parts = [await self.create("part", HALF, **{"Upload-Concat": "partial"}) for _ in range(2)]
        for path, start in zip(parts, (0, HALF), strict=True):
            assert (await self.send(path, 0, CONTENT[start : start + HALF])).status_code == 204
        await self.join(parts)

    async def join(self, parts: list[str]) -> None:
        told = {"Upload-Concat": f"final;{' '.join(parts)}", "Upload-Metadata": metadata(filename="joined.bin")}
        made = await self.http.post("/uploads", headers=VERSION | told)
        assert made.status_code == 201, made.text
        self.ended.update(parts)

    async def given_up(self) -> None:
        path = await self.create("given-up.bin")
        assert (await self.send(path, 0, CONTENT[:HALF])).status_code == 204
        assert (await self.http.delete(path, headers=VERSION)).status_code == 204
        self.ended.add(path)

    async def play(self) -> bool:
        """Return whether the service survived to the end."""
        try:
            await self.whole()
            await self.joined()
            await self.given_up()
        except httpx.TransportError:
            return False
        return True

    async def go_on(self, path: str, content: bytes) -> str | None:
        """Send what is missing of an upload, from where it says; return the file it is, None for a part."""
        head = await self.http.head(path, headers=VERSION)
        assert head.status_code == 200, (path, head)
        offset = int(head.headers["Upload-Offset"])
        assert self.told[path] <= offset <= len(content)
        self.told[path] = offset
        if offset < len(content):
            last = await self.send(path, offset, content[offset:])
            assert last.status_code == 204, last.text
            head = last
        found: str | None = head.headers.get("File-Id")
        return found


@pytest.mark.parametrize("when", EACH)
async def test_an_upload_goes_on_wherever_the_service_was_killed(
    when: str,
    environment: dict[str, str],
    database: str,
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"
    async with served(environment, **{TRACE_VARIABLE: str(trace)}) as service:
        assert service.http is not None
        assert await Uploads(service.http).play()

    for moment in find_moments(trace, "uploads", when=when):
        with subtests.test(moment):
            await start_over()
            await _die_and_go_on(moment, environment, database, tmp_path / "var" / "store")


async def _die_and_go_on(moment: str, environment: Mapping[str, str], database: str, store: Path) -> None:
    async with served(environment, **{KILL_VARIABLE: moment}) as service:
        assert service.http is not None
        uploads = Uploads(service.http)
        assert not await uploads.play(), f"{moment} was never reached"
        assert await service.wait_for_death() == -signal.SIGKILL
    left = await inspect_everything(database, store)
    async with served(environment) as service:
        assert service.http is not None
        uploads.http = service.http
        kept = await _finish(uploads, database)
        await let_leases_lapse(database)
        await clean_up(service.http)

    assert left == []
    assert await inspect_everything(database, store, acknowledged=kept) == []
    assert await fetch(database, "SELECT id FROM media_files WHERE state = 'pending'") == []


async def _finish(uploads: Uploads, database: str) -> dict[str, str]:
    """Go on with all that was begun and not ended, and make sure that nothing is there twice."""
    rows = await fetch(database, "SELECT id, concat, joined_id FROM resumable_uploads")
    parts = []
    for row in rows:
        path = f"/uploads/{row['id']}"
        if path not in uploads.told or path in uploads.ended:
            continue
        if row["concat"] == "partial":
            parts.append(path)
        else:
            assert await uploads.go_on(path, CONTENT) is not None
    if len(parts) == CLIENTS:
        for path, start in zip(sorted(parts), (0, HALF), strict=True):
            if (await uploads.http.head(path, headers=VERSION)).status_code != 410:
                await uploads.go_on(path, CONTENT[start : start + HALF])
        await uploads.join(sorted(parts))
    stored = await fetch(database, "SELECT id, filename, sha256 FROM media_files WHERE state = 'stored'")
    assert {row["sha256"] for row in stored} <= {hashlib.sha256(CONTENT).digest()}
    names = [row["filename"] for row in stored]
    assert len(names) == len(set(names))
    return {str(row["id"]): row["sha256"].hex() for row in stored}


@pytest.mark.large
async def test_two_hundred_uploads_survive_kills_at_random_instants(
    environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    chance = random.Random(18)
    contents = {f"{number}.bin": chance.randbytes(chance.randrange(1, 3_000_000)) for number in range(200)}
    left, begun, files = set(contents), dict[str, str](), dict[str, str]()

    async def client(http: httpx.AsyncClient, names: list[str]) -> None:
        uploads = Uploads(http)
        for name in names:
            content = contents[name]
            try:
                if name not in begun:
                    begun[name] = await uploads.create(name, len(content))
                uploads.told.setdefault(begun[name], 0)
                offset = int((await http.head(begun[name], headers=VERSION)).headers["Upload-Offset"])
                while offset < len(content):
                    last = await uploads.send(begun[name], offset, content[offset : offset + 500_000])
                    offset = int(last.headers["Upload-Offset"])
            except httpx.TransportError:
                return
            files[(begun[name]).rpartition("/")[2]] = hashlib.sha256(content).hexdigest()
            left.discard(name)

    while left:
        async with served(environment) as service:
            assert service.http is not None
            waiting = sorted(left)
            sending = [asyncio.create_task(client(service.http, waiting[first::CLIENTS])) for first in range(CLIENTS)]
            await asyncio.wait(sending, timeout=chance.uniform(0.1, 3))
            service.running.kill()
            await asyncio.gather(*sending)

    violations = await inspect_everything(database, tmp_path / "var" / "store", acknowledged=files)
    stored = await fetch(database, "SELECT filename FROM media_files WHERE state = 'stored'")
    assert violations == []
    assert sorted(row["filename"] for row in stored) == sorted(contents)
