"""What is decided at one host holds at all: schedules, sweeps, policies, sessions, jobs, whatever their clocks say."""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from media_analysis.storage.remote.address import RemoteAddress
from tests.hosts.network import Network, clock_apart
from tests.hosts.postgres import Postgres, database_url
from tests.hosts.service import Installation, ServedHost
from tests.mirrored import CopiedOracle

pytestmark = pytest.mark.s3
log = logging.getLogger(__name__)
BACKLOG = 240
JOBS = 12
FILM = Path(__file__).parents[1] / "media/cases/crop_top20.mkv"


@pytest.fixture
async def pair(network: Network, hosts: Installation) -> Sequence[ServedHost]:
    """Two hosts whose clocks are three minutes apart; schedules of `temp` come every minute."""
    often = {"STORAGE_CLEANUP_SCHEDULE_TEMP": "* * * * *", "STORAGE_CLEANUP_BATCH_SIZE": "10"}
    often |= {"STORAGE_CLEANUP_WORKERS": "1", "WORKER_ENABLED": "false"}
    clocks = {"one": "-90s", "two": "+90s"}
    return [
        await hosts.serve(network.add_host(name), **often, **clock_apart(offset)) for name, offset in clocks.items()
    ]


async def store(http: httpx.AsyncClient, content: bytes, **about: str) -> str:
    """Upload something and return its id."""
    answer = await http.post("/files", params={"category": "uploads", "filename": "a"} | about, content=content)
    assert answer.status_code == 201, answer.text
    file_id: str = answer.json()["id"]
    return file_id


async def test_slots_are_done_once_and_a_backlog_is_shared_whatever_the_clocks_say(
    pair: Sequence[ServedHost], primary: Postgres, bucket: RemoteAddress, tmp_path: Path
) -> None:
    """Promises 11 and 46: every object goes once, and a second time when nothing can be late any more."""
    for _ in range(BACKLOG // 40):
        await asyncio.gather(*(store(pair[n % 2].http, b"%d" % n) for n in range(40)))

    await primary.execute("UPDATE media_files SET expires_at = now(), due_at = now()")
    swept = await asyncio.gather(*(each.http.post("/storage/cleanup?dry_run=false") for each in pair))
    purged = await primary.fetch("SELECT unnest(tombstone_ids) AS stone FROM purges WHERE again")
    await primary.execute("UPDATE purges SET due_at = now() WHERE due_at IS NOT NULL")
    await asyncio.gather(*(each.http.post("/storage/cleanup?dry_run=false") for each in pair))
    await primary.until(
        "SELECT count(*) > 0 FROM sweeps WHERE trigger = 'schedule' AND kind = 'cleanup:temp' AND ended_at IS NOT NULL"
    )
    scheduled = await primary.fetch("SELECT kind, slot FROM sweeps WHERE trigger = 'schedule'")
    begun = await primary.fetch("SELECT date_trunc('minute', pg_postmaster_start_time()) AS at")
    for each in pair:
        each.host.kill()

    assert sorted(answer.status_code for answer in swept) == [200, 200]
    shares = [answer.json()["total_files_removed"] for answer in swept]
    assert sum(shares) == BACKLOG
    assert min(shares) > BACKLOG / 10
    assert Counter(Counter(row["stone"] for row in purged).values()) == {1: BACKLOG}
    unwell = "confirmed_at IS NULL OR last_error IS NOT NULL OR dead_at IS NOT NULL"
    assert await primary.fetch(f"SELECT FROM purges WHERE {unwell}") == []
    assert set(Counter((row["kind"], row["slot"]) for row in scheduled).values()) == {1}
    assert min(row["slot"] for row in scheduled) > begun[0]["at"]
    oracle = CopiedOracle(database_url(primary.host), bucket, tmp_path / "mirrored")
    assert await oracle(acknowledged={}) == []
    assert [path for path in (tmp_path / "mirrored" / "uploads").rglob("*") if path.is_file()] == []


async def test_jobs_are_shared_and_each_is_done_once(
    pair: Sequence[ServedHost], network: Network, hosts: Installation, primary: Postgres
) -> None:
    source = await store(pair[0].http, FILM.read_bytes(), filename="a.mkv")
    for name, offset in {"three": "+90s", "four": "-90s"}.items():
        await hosts.work(network.add_host(name), **clock_apart(offset))

    asked = {"name": "n", "kind": "frames", "source_file_ids": [source], "parameters": {"count": 2}}
    made = [await each.http.post("/jobs", json=asked) for each in pair for _ in range(JOBS // 2)]
    await primary.until("SELECT count(*) = 0 FROM analysis_jobs WHERE status IN ('pending', 'running')")

    rows = await primary.fetch("SELECT status::text, attempts, split_part(worker, ':', 1) AS host FROM analysis_jobs")
    assert {answer.status_code for answer in made} == {202}, made[0].text
    assert Counter((row["status"], row["attempts"]) for row in rows) == {("completed", 1): JOBS}
    assert {row["host"] for row in rows} == {"three", "four"}
    frames = await primary.fetch("SELECT count(*) FROM media_files WHERE role = 'frame' AND state = 'stored'")
    assert frames[0]["count"] == 2 * JOBS


async def test_ends_come_by_the_databases_clock_at_every_host(pair: Sequence[ServedHost], primary: Postgres) -> None:
    behind, ahead = pair
    soon, over = [await store(behind.http, b"content", ttl_seconds="60") for _ in range(2)]
    links = [(await behind.http.post(f"/files/{one}/links", json={"expires_in": 60})).json() for one in (soon, over)]
    session = {"owner": "alice", "role": "user", "ttl_seconds": 60}
    tokens = [(await ahead.http.post("/sessions", json=session)).json() for _ in range(2)]

    past = "now() - interval '1 second'"
    await primary.execute(
        f"UPDATE media_files SET expires_at = {past} WHERE id = '{over}'",
        f"UPDATE links SET expires_at = {past} WHERE id = '{links[1]['id']}'",
        f"UPDATE user_sessions SET expires_at = {past} WHERE id = '{tokens[1]['id']}'",
    )

    for each in pair:
        answers = [await each.http.get(f"/files/{one}/content") for one in (soon, over)]
        assert [answer.status_code for answer in answers] == [200, 410]
        of_links = [
            await each.http.get(each.url(httpx.URL(link["url"]).path), headers={"Authorization": ""}) for link in links
        ]
        assert [answer.status_code for answer in of_links] == [200, 410], [answer.text for answer in of_links]
        asked = [await each.http.get("/files", headers={"Authorization": f"Bearer {one['token']}"}) for one in tokens]
        assert [answer.status_code for answer in asked] == [200, 401]


async def test_a_policy_and_a_revocation_hold_at_the_other_host_at_once(
    pair: Sequence[ServedHost], primary: Postgres
) -> None:
    one, two = pair
    made = (await one.http.post("/sessions", json={"owner": "alice", "role": "user", "ttl_seconds": 600})).json()
    bearer = {"Authorization": f"Bearer {made['token']}"}
    about = {"category": "uploads", "filename": "a"}
    known = [await each.http.post("/files", params=about, content=b"a", headers=bearer) for each in pair]

    applied = await one.http.post(
        "/storage/policies/apply", json={"policy": {"storage": {"retention": {"uploads": "3d"}}}}
    )
    stored = await two.http.post("/files", params=about, content=b"b", headers=bearer)
    async with two.http.stream("GET", "/events", headers=bearer) as following:
        events = following.aiter_raw()
        await anext(events)
        revoked = await one.http.delete(f"/sessions/{made['id']}")
        at = time.monotonic()
        refused = await two.http.post("/files", params=about, content=b"c", headers=bearer)
        async for _ in events:
            pass
        ended = time.monotonic() - at
    log.info("an event stream at the other host ended %.2f s after its session was revoked", ended)

    assert [answer.status_code for answer in (*known, applied, revoked)] == [201, 201, 200, 204], applied.text
    lifetime = await primary.fetch(
        "SELECT expires_at - stored_at AS is FROM media_files WHERE id = $1", stored.json()["id"]
    )
    assert lifetime[0]["is"] == timedelta(days=3)
    assert refused.status_code == 401
    assert ended < 3
