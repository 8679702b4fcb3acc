"""A host dies or is cut off in the middle of what it does: another one goes on, and what comes back changes nothing."""

import asyncio
import hashlib
import json
import logging
import os
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from media_analysis.storage.remote.address import RemoteAddress
from tests.hosts.forwarding import Forwarding
from tests.hosts.load import loaded, require_kept, told
from tests.hosts.network import Host, Network
from tests.hosts.postgres import Postgres, database_url
from tests.hosts.service import READY_SECONDS, Installation, ServedHost
from tests.mirrored import CopiedOracle
from tests.processes import ROOT
from tests.worker.workers import plug_in

pytestmark = [pytest.mark.s3, pytest.mark.crash]
log = logging.getLogger(__name__)
HEARTBEAT: Final = 3
TUS: Final = {"Tus-Resumable": "1.0.0"}
CONTENT: Final = os.urandom(16 * 2**20)
SENT_BYTES: Final = 9 * 2**20
"""How much of it comes to the host that dies."""


@pytest.fixture
def environment(environment: dict[str, str], tmp_path: Path) -> dict[str, str]:
    importable = os.pathsep.join([str(plug_in(tmp_path / "plugins")), str(ROOT)])
    return environment | {
        "PYTHONPATH": importable,
        "WORKER_HEARTBEAT_SECONDS": str(HEARTBEAT),
        "STORAGE_UPLOAD_LEASE_SECONDS": "5",
        "STORAGE_REMOTE_RETRY_SECONDS": "2",
    }


async def store(http: httpx.AsyncClient, content: bytes) -> str:
    answer = await http.post("/files", params={"category": "uploads", "filename": "a"}, content=content)
    assert answer.status_code == 201, answer.text
    file_id: str = answer.json()["id"]
    return file_id


async def ask(http: httpx.AsyncClient, source: str, **parameters: Any) -> str:
    """Ask for a job of the plugin's."""
    about = {"name": "n", "kind": "tiny", "source_file_ids": [source], "parameters": parameters}
    answer = await http.post("/jobs", json=about)
    assert answer.status_code == 202, answer.text
    job_id: str = answer.json()["id"]
    return job_id


def runs_on(job: str, host: str) -> str:
    return f"SELECT status = 'running' AND worker LIKE '{host}:%' FROM analysis_jobs WHERE id = '{job}'"


def has_ended(job: str) -> str:
    return f"SELECT status NOT IN ('pending', 'running') FROM analysis_jobs WHERE id = '{job}'"


async def patch(http: httpx.AsyncClient, at: str, start: int, content: Any) -> httpx.Response:
    about = {"Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
    return await http.patch(at, content=content, headers=TUS | about)


async def slowly(content: bytes, then: bytes) -> AsyncIterator[bytes]:
    """Send something, and then a little now and then, as a client at the end of a bad line."""
    for start in range(0, len(content), 2**18):
        yield content[start : start + 2**18]
    for byte in then:
        await asyncio.sleep(0.2)
        yield bytes([byte])


def end_services(network: Network) -> None:
    """End all but the databases, so that nothing changes while the oracle looks."""
    for host in network.hosts:
        if not host.name.startswith("database"):
            host.kill()


async def test_what_a_dead_host_was_at_is_gone_on_with_at_another_one(
    network: Network, hosts: Installation, primary: Postgres, bucket: RemoteAddress, tmp_path: Path
) -> None:
    one = await hosts.serve(network.add_host("one"), WORKER_ENABLED="false")
    two = await hosts.serve(network.add_host("two"))
    source = await store(one.http, b"source")
    job = await ask(one.http, source, products=4, seconds=1)
    created = await two.http.post("/uploads", headers=TUS | {"Upload-Length": str(len(CONTENT))})
    at = created.headers["location"]
    await primary.until(runs_on(job, "two"))
    sending = asyncio.create_task(patch(two.http, two.url(at), 0, slowly(CONTENT[:SENT_BYTES], CONTENT[SENT_BYTES:])))
    await primary.until("SELECT count(*) = 1 FROM resumable_uploads WHERE offset_bytes > 0")
    again = await ask(one.http, source, products=4, seconds=1)
    await primary.until(runs_on(again, "two"))

    async with loaded(one.http, two.http) as load:
        await load.more(20)
        two.host.kill()
        killed_at = time.monotonic()
        await hosts.work(network.add_host("three"))
        await primary.until(runs_on(again, "three"))
        log.info("the job of the dead host ran at another one after %.1f s", time.monotonic() - killed_at)
        await load.more(20)
    with pytest.raises(httpx.TransportError):
        await sending
    offset = int((await one.http.head(one.url(at), headers=TUS)).headers["upload-offset"])
    ended = await patch(one.http, one.url(at), offset, CONTENT[offset:])
    await primary.until(has_ended(again))
    await require_kept(one.http, load.promises)
    read = await one.http.get(f"/files/{ended.headers['file-id']}/content")
    await one.http.post("/storage/cleanup?dry_run=false")
    end_services(network)

    log.info("%s stored, deleted, refused; the upload went on at %d of %d bytes", told(load), offset, len(CONTENT))
    assert offset >= SENT_BYTES
    assert hashlib.sha256(read.content).digest() == hashlib.sha256(CONTENT).digest()
    jobs = await primary.fetch("SELECT status::text, attempts FROM analysis_jobs ORDER BY id")
    assert [row["status"] for row in jobs] == ["completed", "completed"]
    pieces = await primary.fetch("SELECT job_id, count(*) FROM media_files WHERE role = 'piece' GROUP BY job_id")
    assert [row["count"] for row in pieces] == [4, 4]
    oracle = CopiedOracle(database_url(primary.host), bucket, tmp_path / "mirrored")
    assert await oracle(acknowledged=load.promises.kept) == []


@pytest.mark.parametrize("lost", ["the database", "the bucket", "everybody"])
async def test_a_host_that_is_cut_off_says_so_and_ends_nothing_that_another_one_took_over(
    lost: str,
    network: Network,
    hosts: Installation,
    primary: Postgres,
    gateway: Forwarding,
    bucket: RemoteAddress,
    tmp_path: Path,
) -> None:
    """Promise 21: whoever was taken for dead comes back with products and an end that nobody wants."""
    one = await hosts.serve(network.add_host("one"), WORKER_ENABLED="false")
    two = await hosts.serve(network.add_host("two"))
    job = await ask(one.http, await store(one.http, b"source"), products=8, seconds=1)
    await primary.until(runs_on(job, "two"))

    cut_off(two.host, lost, primary, gateway)
    async with loaded(one.http) as load:
        said = await readiness(two, until=503)
        await hosts.work(network.add_host("three"))
        refused = (
            None if lost == "everybody" else await two.http.post("/files?category=uploads&filename=a", content=b"a")
        )
        await primary.until(runs_on(job, "three"))
        mend(two.host, lost, primary, gateway)
        await load.more(1)
    again = await readiness(two, until=200)
    await primary.until(has_ended(job))
    await require_kept(two.http, load.promises)
    await one.http.post("/storage/cleanup?dry_run=false")
    end_services(network)

    log.info("cut off from %s: %s, then %s", lost, said, again)
    assert refused is None or refused.status_code == 503, refused.text
    ended = await primary.fetch("SELECT status::text, split_part(worker, ':', 1) AS host FROM analysis_jobs")
    assert [tuple(row) for row in ended] == [("completed", "three")]
    pieces = await primary.fetch("SELECT DISTINCT ordinal FROM media_files WHERE role = 'piece' AND state = 'stored'")
    assert len(pieces) == 8
    oracle = CopiedOracle(database_url(primary.host), bucket, tmp_path / "mirrored")
    assert await oracle(acknowledged=load.promises.kept) == []


async def test_a_worker_whose_bucket_does_not_answer_leaves_jobs_to_others(
    network: Network, hosts: Installation, primary: Postgres, gateway: Forwarding
) -> None:
    one = await hosts.serve(network.add_host("one"), WORKER_ENABLED="false")
    source = await store(one.http, b"source")
    cut = network.add_host("two")
    await hosts.work(cut, WORKER_RETRY_SECONDS="0.2", WORKER_CONCURRENCY="4")
    gateway.cut(cut.address)

    jobs = [await ask(one.http, source) for _ in range(6)]
    await asyncio.sleep(3 * HEARTBEAT)  # in which it would have failed them all
    await hosts.work(network.add_host("three"))
    await primary.until("SELECT count(*) = 0 FROM analysis_jobs WHERE status IN ('pending', 'running')")

    ended = await primary.fetch("SELECT status::text, error FROM analysis_jobs")
    assert [tuple(row) for row in ended] == [("completed", None)] * len(jobs)


def cut_off(host: Host, lost: str, primary: Postgres, gateway: Forwarding) -> None:
    """Let a host reach the database no more, or the bucket, or nobody at all."""
    match lost:
        case "the database":
            host.lose(primary.host.address)
        case "the bucket":
            gateway.cut(host.address)
        case _:
            host.cut()


def mend(host: Host, lost: str, primary: Postgres, gateway: Forwarding) -> None:
    """Undo `cut_off`."""
    match lost:
        case "the database":
            host.find(primary.host.address)
        case "the bucket":
            gateway.mend(host.address)
        case _:
            host.mend()


async def readiness(served: ServedHost, *, until: int) -> dict[str, str]:
    """Wait until a host's readiness has a status, as whoever asks on the host itself hears it."""
    asking = served.host.here("curl", "-s", "-m", "30", served.url("/readyz"))
    async with asyncio.timeout(READY_SECONDS):
        while True:
            done = await asyncio.to_thread(subprocess.run, asking, capture_output=True, text=True, check=False)
            said = json.loads(done.stdout)
            if said["ready"] == (until == 200):
                checks: dict[str, str] = said["checks"]
                return checks
            await asyncio.sleep(0.2)
