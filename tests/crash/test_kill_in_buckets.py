"""A service over a bucket dies by kill -9 at every failpoint, comes back, and keeps every promise it made."""

import hashlib
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from media_analysis.failpoints import KILL_VARIABLE, TRACE_VARIABLE
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.walk import QUARANTINE
from tests.cli.commands import armed, run
from tests.conftest import StartOver
from tests.crash.keeping import die_and_keep
from tests.crash.points import EACH, EVERYTHING, find_moments
from tests.crash.scenario import Scenario
from tests.crash.service import served
from tests.mirrored import CopiedOracle
from tests.s3 import ENVIRONMENT, mirror, new_bucket, options_for

pytestmark = [pytest.mark.crash, pytest.mark.s3]
PARTS = os.urandom(17 * 2**20)
"""More than one request carries."""
STRAY = "uploads/2026-01-01/stray.bin"
PIECES = os.urandom(10 * 2**20)
TUS = {"Tus-Resumable": "1.0.0"}


class BucketScenario(Scenario):
    """What everybody does, then an object of many parts, and one that comes in pieces."""

    async def play(self) -> bool:
        if not await super().play():
            return False
        try:
            await self._upload(PARTS, PARTS)
            await self._upload_in_pieces()
        except httpx.TransportError:
            return False
        return True

    async def _upload_in_pieces(self) -> None:
        created = await self.http.post("/uploads", headers=TUS | {"Upload-Length": str(len(PIECES))})
        assert created.status_code == 201, created.text
        at = self.http.base_url.join(created.headers["location"])
        for start in (0, len(PIECES) // 2):
            about = {"Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
            piece = PIECES[start : start + len(PIECES) // 2]
            answer = await self.http.patch(at, content=piece, headers=TUS | about)
            assert answer.status_code == 204, answer.text
        self.promises.kept[answer.headers["file-id"]] = hashlib.sha256(PIECES).hexdigest()


@pytest.fixture
async def bucket() -> AsyncIterator[RemoteAddress]:
    async with new_bucket() as made:
        yield made


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """Nothing happens but what the scenario does, one thing after the other."""
    return environment | ENVIRONMENT | {"STORAGE_CLEANUP_ENABLED": "false", "STORAGE_CLEANUP_WORKERS": "1"}


@pytest.mark.parametrize("when", EACH)
async def test_a_service_killed_at_any_moment_keeps_its_promises(
    when: str,
    environment: dict[str, str],
    database: str,
    bucket: RemoteAddress,
    start_over: StartOver,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    trace = tmp_path / "trace"

    def anew() -> dict[str, str]:
        nonlocal bucket
        bucket = replace(bucket, prefix=uuid4().hex)
        return environment | {"STORAGE_URL": str(bucket)}

    async with served(anew(), **{TRACE_VARIABLE: str(trace)}) as service:
        assert service.http is not None
        assert await BucketScenario(service.http, database).play()

    for moment in find_moments(trace, "buckets", when=when, kinds=EVERYTHING):
        with subtests.test(moment):
            await start_over()
            about = anew()
            oracle = CopiedOracle(database, bucket, tmp_path / "mirrored")
            await die_and_keep(moment, about, database, oracle, BucketScenario)


async def test_a_move_to_quarantine_that_was_killed_loses_nothing(
    environment: dict[str, str], database: str, bucket: RemoteAddress, subtests: pytest.Subtests, tmp_path: Path
) -> None:
    address = replace(bucket, prefix=uuid4().hex)
    about = environment | {"STORAGE_URL": str(address)}
    command, trace = ("verify", "--quarantine", "--grace", "0s"), tmp_path / "trace"
    async with served(about) as service:
        assert service.http is not None
    lying = Bucket(address, options_for())
    await lying.create(STRAY, b"stray")
    run(*command, **about, **armed(TRACE_VARIABLE, trace))

    for moment in find_moments(trace, "buckets, setting aside"):
        with subtests.test(moment):
            await lying.create(STRAY, b"stray")
            killed = run(*command, **about, **armed(KILL_VARIABLE, moment))
            again = run(*command, **about)
            root = await mirror(address, tmp_path / moment)

            assert killed.returncode == -signal.SIGKILL, killed.stderr
            assert "1 objects were moved to quarantine" in again.stdout, again.stderr
            assert not (root / STRAY).exists()
            assert {path.read_bytes() for path in (root / QUARANTINE).rglob("stray.bin*")} == {b"stray"}
    lying.close()
