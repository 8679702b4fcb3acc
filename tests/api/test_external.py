"""External analysers: claims, leases, fences, products, results, and how a run ends."""

import asyncio
import hashlib

from media_analysis.runtime import Runtime
from tests.api.analysers import CONTENT, Analyser, ask
from tests.api.answers import refusal
from tests.conftest import Client, execute, fetch
from tests.disks import disk_of


async def lapse(database: str, job_id: str) -> None:
    """Let the lease of a run have ended."""
    await execute(
        database, f"UPDATE analysis_jobs SET leased_until = now() - interval '1 second' WHERE id = '{job_id}'"
    )


async def test_a_job_goes_from_claim_to_outcome(client: Client, analyser: Analyser, source: str) -> None:
    job = await ask(client, source)

    assert await analyser.claim() == 200
    assert analyser.run["parameters"]["options"] == {"fold": True}
    content = await client.request("GET", analyser.run["sources"][0]["content_url"])
    assert content.content == CONTENT
    assert (await analyser.tell("heartbeat", progress=0.5, stage="counting")).status_code == 200
    staged = await analyser.add(source_file_id=source)
    assert staged.status_code == 202
    assert (await analyser.put(source_file_id=source)).status_code == 204
    ended = await analyser.tell("finish")

    assert (ended.status_code, ended.json()["status"]) == (200, "completed")
    (product,) = (await client.request("GET", f"/api/v1/jobs/{job['id']}/files")).json()["items"]
    assert (product["role"], product["parent_id"], product["size_bytes"]) == ("table", source, 4)
    assert product["sha256"] == hashlib.sha256(b"a,1\n").hexdigest() == staged.json()["sha256"]
    (result,) = (await client.request("GET", f"/api/v1/jobs/{job['id']}/results")).json()["items"]
    assert (result["kind"], result["data"], result["media_file_id"]) == ("words", {"to": 2}, source)


async def test_nothing_shows_before_the_end_and_nothing_is_left_of_a_failure(
    client: Client, analyser: Analyser, source: str, database: str
) -> None:
    job = await ask(client, source)
    await analyser.claim()
    staged = (await analyser.add()).json()
    await analyser.put()

    before = [
        (await client.request("GET", f"/api/v1/jobs/{job['id']}/{of}")).json()["items"] for of in ("files", "results")
    ]
    hidden = await client.request("GET", f"/api/v1/files/{staged['file_id']}/content")
    failed = (await analyser.tell("fail", code="no_words", detail="there is nothing to count")).json()

    assert before == [[], []]
    assert refusal(hidden) == (409, "file_not_ready")
    assert failed["status"] == "failed"
    assert failed["error"] == {"code": "no_words", "detail": "there is nothing to count"}
    assert await fetch(database, "SELECT FROM media_files WHERE role IS NOT NULL") == []
    assert await fetch(database, "SELECT FROM analysis_results") == []


async def test_what_may_pass_is_tried_again_after_a_pause(
    client: Client, analyser: Analyser, source: str, database: str
) -> None:
    job = await ask(client, source)
    await analyser.claim()

    waiting = (await analyser.tell("fail", code="busy", detail="no room", may_pass=True)).json()
    too_early = await analyser.claim()
    await execute(database, f"UPDATE analysis_jobs SET retry_at = now() WHERE id = '{job['id']}'")
    again = await analyser.claim()

    assert (waiting["status"], waiting["error"]["code"]) == ("pending", "busy")
    assert waiting["retry_at"] is not None
    assert (too_early, again, analyser.run.get("attempt")) == (204, 200, 2)


async def test_a_silent_analyser_loses_the_job_and_everything_it_staged(
    client: Client, source: str, database: str
) -> None:
    job = await ask(client, source)
    silent, next_one = Analyser(client), Analyser(client)
    await silent.claim()
    await silent.add()
    await silent.put()
    assert await next_one.claim() == 204

    await lapse(database, job["id"])
    assert await next_one.claim() == 200
    zombie = [
        await silent.add(ordinal=1),
        await silent.put(),
        await silent.tell("heartbeat"),
        await silent.tell("finish"),
        await silent.tell("fail", code="x", detail="y"),
        await client.request("GET", silent.run["sources"][0]["content_url"]),
    ]
    await next_one.add()
    await next_one.put({"second": True})
    await next_one.tell("finish")

    assert [refusal(answer) for answer in zombie] == [(409, "job_fence_lost")] * 6
    files = (await client.request("GET", f"/api/v1/jobs/{job['id']}/files")).json()["items"]
    results = (await client.request("GET", f"/api/v1/jobs/{job['id']}/results")).json()["items"]
    assert [file["ordinal"] for file in files] == [0]
    assert [result["data"] for result in results] == [{"second": True}]


async def test_an_analyser_that_keeps_dying_ends_the_job(
    client: Client, analyser: Analyser, source: str, database: str, runtime: Runtime
) -> None:
    job = await ask(client, source)
    for _ in range(runtime.jobs.attempts.max_attempts):
        assert await analyser.claim() == 200
        await lapse(database, job["id"])

    assert await analyser.claim() == 204
    ended = (await client.request("GET", f"/api/v1/jobs/{job['id']}")).json()
    assert (ended["status"], ended["error"]["code"]) == ("failed", "worker_lost")


async def test_many_claimers_never_share_a_job(client: Client, source: str) -> None:
    jobs = {(await ask(client, source))["id"] for _ in range(8)}
    claimers = [Analyser(client) for _ in range(12)]

    await asyncio.gather(*(claimer.claim() for claimer in claimers))

    claimed = [claimer.run["job_id"] for claimer in claimers if claimer.run]
    assert len(claimed) == len(jobs)
    assert set(claimed) == jobs


async def test_the_most_urgent_job_is_claimed_first(client: Client, analyser: Analyser) -> None:
    usual, urgent = (await ask(client))["id"], (await ask(client, priority=5))["id"]

    claimed = [analyser.run["job_id"] for _ in range(2) if await analyser.claim() == 200]

    assert claimed == [urgent, usual]


async def test_others_jobs_are_claimed_by_administrators_only(client: Client, source: str) -> None:
    job = await ask(client, source)
    stranger, administrator = Analyser(client, "bob"), Analyser(client, "admin")

    assert await stranger.claim() == 204
    assert await administrator.claim() == 200
    stranger.run = administrator.run
    assert refusal(await stranger.tell("finish")) == (404, "job_not_found")
    await administrator.add(source_file_id=source)
    await administrator.tell("finish")

    (product,) = (await client.request("GET", f"/api/v1/jobs/{job['id']}/files")).json()["items"]
    assert product["owner"] == "alice"


async def test_a_job_is_claimed_only_for_an_analyser_it_names(client: Client, analyser: Analyser) -> None:
    await ask(client)

    assert await analyser.claim("faces", "colours") == 204
    assert await analyser.claim("faces", "words") == 200


async def test_a_source_that_expires_meanwhile_stays_for_the_run(
    client: Client, analyser: Analyser, source: str, database: str, runtime: Runtime
) -> None:
    await ask(client, source)
    await analyser.claim()
    await execute(database, "UPDATE media_files SET expires_at = now(), due_at = now(), expiry_explicit = true")

    await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")

    content = await client.request("GET", analyser.run["sources"][0]["content_url"])
    assert content.content == CONTENT
    assert (await client.request("GET", f"/api/v1/files/{source}/content")).status_code == 410
    await analyser.tell("finish")
    await client.request("POST", "/api/v1/storage/cleanup?dry_run=false", by="admin")
    assert await fetch(database, "SELECT FROM media_files") == []


async def test_temp_products_end_with_the_job(client: Client, analyser: Analyser, runtime: Runtime) -> None:
    job = await ask(client)
    await analyser.claim()
    await analyser.add(role="scratch", category="temp")
    assert list((disk_of(runtime.store).root / "temp" / job["id"]).iterdir())

    await analyser.tell("finish")

    assert list((disk_of(runtime.store).root / "temp").iterdir()) == []
    assert (await client.request("GET", f"/api/v1/jobs/{job['id']}/files")).json()["items"] == []


async def test_outputs_lie_in_the_folder_of_their_job(client: Client, analyser: Analyser, runtime: Runtime) -> None:
    job = await ask(client)
    await analyser.claim()
    await analyser.add()
    await analyser.tell("finish")

    (day,) = (disk_of(runtime.store).root / "outputs").iterdir()
    assert [folder.name for folder in day.iterdir()] == [job["folder_name"]]
