"""The whole service over a bucket of which any request fails, in every way there is: nothing acknowledged is lost."""

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final
from uuid import uuid4

import certifi
import pytest

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from tests.conftest import Client, OpenRuntime, execute, fetch
from tests.mirrored import CopiedOracle, opening
from tests.reused import Pool
from tests.s3 import ENVIRONMENT, options_for
from tests.storage.acts import ACTS
from tests.storage.duties import DUTIES
from tests.storage.life import Act, Life
from tests.storage.remote.proxy import Spoiling, SpoilingProxy, refusing, spoiling_proxy

pytestmark = pytest.mark.s3
ONCE: Final = (
    Spoiling.UNASKED,
    Spoiling.UNANSWERED,
    Spoiling.CUT,
    Spoiling.HALTED,
    Spoiling.STALLED,
    Spoiling.LATE,
    Spoiling.REFUSED,
    Spoiling.AWAY,
    Spoiling.SLOW_DOWN,
)
"""What one request suffers."""
ALL: Final = {**ACTS, **DUTIES}
LASTING: Final = 1_000_000
"""A bucket that is gone is so until somebody was told."""
CERTIFICATE_END: Final = "-----END CERTIFICATE-----\n"
PAST: Final = "now() - interval '1 second'"
TOGETHER: Final = 8
"""So many plays of an act are settled, and what they leave inspected, at once: that takes longer than most of them."""
ALONE: Final = frozenset({"inspect", "replicate", "move"})
"""Acts that deal with whatever is there, and ask more the more that is."""
REPLICATED: Final = frozenset({"start", "replicate"})
"""Acts of a service that has replicas."""
UNTIMED: Final = (
    "storage.remote.marker.RECENT_SECONDS",
    "storage.replicated.RECENT_SECONDS",
    "storage.replicated.LONGEST_AWAY_SECONDS",
    "moves.places.RECENT_SECONDS",
    "moves.switching.MARGIN_SECONDS",
)
"""How long what was seen is believed, and waited for."""
LONGEST_SECONDS: Final = 30.0
"""What takes longer waits for a lease to end, where nobody is at it any more."""
LEAST_HIT: Final = 0.8
"""Of the faults: an act that was slow when its requests were counted has fewer."""
EACH: Final = os.environ.get("TEST_SPOILED_EACH", "1")
"""At so many requests of an act each kind of fault is tried, other ones for each; `all` is some 9,000 plays.

On two cores with others at work each takes about a second, those of `replicate`, `move` and a large archive two to
four: `-k` and an act's name plays the whole of one within minutes.
"""


@pytest.fixture
def address(bucket: RemoteAddress) -> RemoteAddress:
    return replace(bucket, prefix=uuid4().hex)


@pytest.fixture
def replica(bucket: RemoteAddress) -> RemoteAddress:
    """Where replicas lie, of those who have any."""
    return replace(bucket, prefix=uuid4().hex)


@pytest.fixture
async def proxy() -> AsyncIterator[SpoilingProxy]:
    async with spoiling_proxy(ENVIRONMENT["AWS_ENDPOINT_URL"]) as opened:
        yield opened


@pytest.fixture(params=["0", "0.5"], ids=["asked once", "asked again"])
def environment(
    environment: dict[str, str],
    address: RemoteAddress,
    replica: RemoteAddress,
    proxy: SpoilingProxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> dict[str, str]:
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": proxy.url}.items():
        for prefix in ("", "REPLICA_", "MOVE_", "IMPORT_"):
            monkeypatch.setenv(f"{prefix}{name}", value)
    authority = tmp_path / "authority.pem"
    authority.write_text("".join(certifi.contents().partition(CERTIFICATE_END)[:2]))
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))  # to read all of the machine's takes longer than much of a play
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    for name in UNTIMED:  # the same requests each time, however long one takes
        monkeypatch.setattr(f"media_analysis.{name}", 0.0)
    named = getattr(request.node, "callspec", None)
    has_replica = named is not None and named.params.get("name") in REPLICATED
    return (
        environment
        | ({"STORAGE_REPLICA_URL": str(replica)} if has_replica else {})
        | {
            "STORAGE_URL": str(address),
            "STORAGE_REMOTE_REQUEST_SECONDS": "0.5",
            "STORAGE_REMOTE_TRANSFER_SECONDS": "1",
            "STORAGE_REMOTE_RETRY_SECONDS": request.param,
            "STORAGE_REMOTE_SCRATCH_BYTES": "64MiB",
            "STORAGE_SCRUB_BYTES_PER_SECOND": "none",
        }
    )


@pytest.fixture
def buckets(address: RemoteAddress, replica: RemoteAddress) -> Iterator[tuple[Bucket, Bucket]]:
    """What asks without the proxy: opened once, as that takes longer than much of a play."""
    opened = Bucket(address, options_for()), Bucket(replica, options_for())
    yield opened
    for bucket in opened:
        bucket.close()


@pytest.fixture
def oracle(database: str, buckets: tuple[Bucket, Bucket], tmp_path: Path) -> CopiedOracle:
    return CopiedOracle(database, buckets[0], tmp_path / "mirrored")


@pytest.fixture
def open_here(settings: Settings, pool: Pool, shared_fork_server: ForkServer, oracle: CopiedOracle) -> OpenRuntime:
    return opening(settings, pool, shared_fork_server, oracle)


@pytest.fixture
def life(
    client: Client,
    runtime: Runtime,
    proxy: SpoilingProxy,
    buckets: tuple[Bucket, Bucket],
    oracle: CopiedOracle,
    environment: dict[str, str],
) -> Life:
    return Life(client, runtime, oracle.database, proxy, *buckets, oracle, environment)


@pytest.mark.parametrize("name", ALL)
async def test_whatever_happens_to_a_request_nothing_acknowledged_is_lost_and_nothing_stays(
    name: str, life: Life, subtests: pytest.Subtests
) -> None:
    # The first time all is slow, and asked for again.
    count = min([await count_requests(life, ALL[name]) for _ in range(2)])
    dice = random.Random(f"{name} {life.runtime.settings.storage.remote.retry_seconds}")
    together = 1 if name in ALONE else TOGETHER
    plays = hits = 0

    for spoiling in (*ONCE, Spoiling.NO_BUCKET):
        chosen = range(2 * count) if EACH == "all" else sorted(dice.sample(range(count), min(int(EACH), count)))
        plays += min(len(chosen), count)
        was_hit = True
        for first in range(0, len(chosen), together):
            numbers = chosen[first : first + together]
            for number in numbers:
                with subtests.test(f"{spoiling}, request {number} of {count}"):
                    was_hit = await suffer(life, ALL[name], number, spoiling)
                    hits += was_hit
                if not was_hit:  # the act was over
                    break
            with subtests.test(f"{spoiling}, what is left of requests {list(numbers)}"):
                await require_settled(life)
            if not was_hit:
                break

    assert hits >= plays * LEAST_HIT


async def count_requests(life: Life, act: Act) -> int:
    play = await act(life)
    before = len(life.proxy.seen)
    await play()
    count = len(life.proxy.seen) - before
    await require_settled(life)
    return count


async def suffer(life: Life, act: Act, number: int, spoiling: Spoiling) -> bool:
    """Play an act of which one request is spoiled, or all from there on until somebody hears of it."""
    play = await act(life)
    times = LASTING if spoiling is Spoiling.NO_BUCKET else 1
    life.proxy.spoil(spoiling, times=times, skip=number)
    try:
        async with asyncio.timeout(LONGEST_SECONDS):
            await play()
        return life.proxy.is_hit
    finally:
        life.proxy.calm()


async def require_settled(life: Life) -> None:
    """Fail unless all is as was promised, and nothing stays once everything is deleted."""
    try:
        violations = await life.settle()
    finally:
        left = await life.end()
    assert violations == []
    assert left == []


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
    await require_settled(life)
