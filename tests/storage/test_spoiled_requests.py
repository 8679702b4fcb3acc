"""The whole service over a bucket of which any request fails, in every way there is: nothing acknowledged is lost."""

import os
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import pytest

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.remote.address import RemoteAddress
from tests.conftest import Client, OpenRuntime, execute, fetch
from tests.mirrored import CopiedOracle, opening
from tests.reused import Pool
from tests.s3 import ENVIRONMENT
from tests.storage.acts import ACTS, Act
from tests.storage.life import Life
from tests.storage.remote.proxy import Spoiling, SpoilingProxy, refusing, spoiling_proxy

pytestmark = pytest.mark.s3
ONCE: Final = (
    Spoiling.UNASKED,
    Spoiling.UNANSWERED,
    Spoiling.STALLED,
    Spoiling.LATE,
    Spoiling.REFUSED,
    Spoiling.AWAY,
    Spoiling.SLOW_DOWN,
)
"""What one request suffers."""
LASTING: Final = 1_000_000
"""A bucket that is gone is so until somebody was told."""
PAST: Final = "now() - interval '1 second'"
LEAST_HIT: Final = 0.5
"""Of the faults: the marker is looked at every few seconds, which is one request more or less."""
EACH: Final = int(os.environ.get("TEST_SPOILED_EACH", "1"))
"""At so many requests of an act each kind of fault is tried, other ones for each: at all of them takes an hour."""


@pytest.fixture
def address(bucket: RemoteAddress) -> RemoteAddress:
    return replace(bucket, prefix=uuid4().hex)


@pytest.fixture
async def proxy() -> AsyncIterator[SpoilingProxy]:
    async with spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as opened:
        yield opened


@pytest.fixture(params=["0", "0.5"], ids=["asked once", "asked again"])
def environment(
    environment: dict[str, str],
    address: RemoteAddress,
    proxy: SpoilingProxy,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> dict[str, str]:
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url}.items():
        monkeypatch.setenv(name, value)
    return environment | {
        "STORAGE_URL": str(address),
        "STORAGE_REMOTE_REQUEST_SECONDS": "0.5",
        "STORAGE_REMOTE_TRANSFER_SECONDS": "1",
        "STORAGE_REMOTE_RETRY_SECONDS": request.param,
        "STORAGE_REMOTE_SCRATCH_BYTES": "64MiB",
    }


@pytest.fixture
def oracle(database: str, address: RemoteAddress, tmp_path: Path) -> CopiedOracle:
    return CopiedOracle(database, address, tmp_path / "mirrored")


@pytest.fixture
def open_here(settings: Settings, pool: Pool, shared_fork_server: ForkServer, oracle: CopiedOracle) -> OpenRuntime:
    return opening(settings, pool, shared_fork_server, oracle)


@pytest.fixture
def life(client: Client, runtime: Runtime, proxy: SpoilingProxy, address: RemoteAddress, oracle: CopiedOracle) -> Life:
    return Life(client, runtime, oracle.database, proxy, address, oracle)


@pytest.mark.parametrize("name", ACTS)
async def test_whatever_happens_to_a_request_nothing_acknowledged_is_lost_and_nothing_stays(
    name: str, life: Life, subtests: pytest.Subtests
) -> None:
    count = await count_requests(life, ACTS[name])
    dice = random.Random(f"{name} {life.runtime.settings.storage.remote.retry_seconds}")
    chosen = [
        (number, spoiling)
        for spoiling in (*ONCE, Spoiling.NO_BUCKET)
        for number in dice.sample(range(count), min(EACH, count))
    ]
    hit = 0

    for number, spoiling in sorted(chosen):
        with subtests.test(f"{spoiling}, request {number} of {count}"):
            hit += await suffer(life, ACTS[name], number, spoiling)

    assert hit >= len(chosen) * LEAST_HIT


async def count_requests(life: Life, act: Act) -> int:
    play = await act(life)
    before = len(life.proxy.seen)
    await play()
    count = len(life.proxy.seen) - before
    assert await life.settle() == []
    assert await life.end() == []
    return count


async def suffer(life: Life, act: Act, number: int, spoiling: Spoiling) -> bool:
    """Play an act of which one request is spoiled, or all from there on until somebody hears of it."""
    play = await act(life)
    times = LASTING if spoiling is Spoiling.NO_BUCKET else 1
    life.proxy.spoil(spoiling, times=times, skip=number)
    try:
        await play()
        was_hit = life.proxy.is_hit
        violations = await life.settle()
    finally:
        life.proxy.calm()
        left = await life.end()
    assert violations == []
    assert left == []
    return was_hit


@pytest.mark.parametrize("code", ["AccessDenied", "InternalError"])
async def test_a_key_that_a_bulk_answer_refuses_stays_in_the_outbox_until_it_is_gone(life: Life, code: str) -> None:
    ids = [await life.upload(b"%d" % number, category="temp", ttl_seconds="3600") for number in range(3)]
    (refused,) = await fetch(life.database, "SELECT key, size_bytes FROM media_files WHERE id = $1::uuid", ids[1])
    await execute(life.database, f"UPDATE media_files SET expires_at = {PAST}, due_at = {PAST}")
    life.proxy.forge_answers(refusing((refused["key"].rpartition("/")[2], code)), b"POST", times=LASTING)

    told = await life.send("POST", "/api/v1/storage/cleanup", 200, by="admin", params={"dry_run": "false"})
    waiting = await fetch(life.database, "SELECT last_error, attempts FROM purges WHERE due_at > now() AND NOT again")
    backlog = await life.runtime.retention.status.backlog()
    life.proxy.calm()

    outcome = told.json()["categories"]["temp"]
    assert (outcome["files_removed"], outcome["errors"]) == (2, 1)
    assert [row["last_error"] for row in waiting] == [f"the bucket answered {code}"]
    assert backlog.open_purges == 1
    assert await life.settle() == []
    assert await life.end() == []
