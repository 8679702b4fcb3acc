"""The whole service over buckets: the store in one, its archives in another, or archives alone beside a disk."""

import os
from dataclasses import dataclass, replace
from datetime import timedelta
from hashlib import sha256
from http import HTTPMethod
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest

from media_analysis.analysis.child.fork_server import ForkServer
from media_analysis.errors import ObjectMissing
from media_analysis.files.buckets import buckets_of
from media_analysis.integrity.inspection import Problem
from media_analysis.integrity.verify import VerifyReport, VerifyRequest, VerifyService
from media_analysis.jobs.control import NewJob
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category
from media_analysis.storage.remote.address import RemoteAddress
from media_analysis.storage.remote.bucket import Bucket
from media_analysis.storage.remote.names import piece_name, pieces_of
from tests.api.answers import problem_in, refusal
from tests.api.tus import TusClient, checksum
from tests.archive.archived import archive, archived_content, content_of, make_run, restore
from tests.asking import delete_file
from tests.conftest import Client, OpenRuntime, RunJob, StoreFile, fetch
from tests.media.case_table import CASES
from tests.mirrored import CopiedOracle, opening
from tests.retention.conftest import let_purges_lapse, open_purges, sweep
from tests.reused import Pool
from tests.s3 import ENVIRONMENT, asking, options_for
from tests.storage.remote.conftest import parts_below

pytestmark = pytest.mark.s3
LARGE = os.urandom(20 * 2**20 + 5)  # more than one request carries


@dataclass(frozen=True)
class Sites:
    """Where the store of a test is, and where its archives are."""

    store: RemoteAddress | None
    archives: RemoteAddress | None


@pytest.fixture
def sites(request: pytest.FixtureRequest, bucket: RemoteAddress) -> Sites:
    """A store in a bucket, whose archives lie below another prefix, or with it; or on a disk, its archives apart."""
    asked = getattr(request, "param", "both")
    store, archives = (replace(bucket, prefix=f"{uuid4().hex}/{name}") for name in ("store", "archives"))
    return Sites(None if asked == "archives" else store, None if asked == "store" else archives)


@pytest.fixture
def environment(environment: dict[str, str], sites: Sites, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    named = {"STORAGE_URL": sites.store, "ARCHIVE_URL": sites.archives}
    placed = {name: str(address) for name, address in named.items() if address is not None}
    return environment | {"STORAGE_UPLOAD_MAX_BYTES": "1TiB"} | placed


@pytest.fixture
def open_here(
    settings: Settings, database: str, pool: Pool, shared_fork_server: ForkServer, sites: Sites, tmp_path: Path
) -> OpenRuntime:
    oracle = CopiedOracle(database, sites.store or settings.store_path, tmp_path / "mirrored", sites.archives)
    return opening(settings, pool, shared_fork_server, oracle)


async def verify(runtime: Runtime, *, quarantine: bool = False) -> VerifyReport:
    """Verify as of two hours from now, when everything written so far is older than the grace window."""
    request = VerifyRequest(actor="test", quarantine=quarantine, read=True)
    return await VerifyService(runtime.db, runtime.store).run(request, now=await runtime.db.now() + timedelta(hours=2))


@pytest.mark.parametrize("content", [b"", b"small", LARGE], ids=["empty", "small", "large"])
async def test_a_file_is_uploaded_read_in_ranges_and_deleted_for_good(
    client: Client, runtime: Runtime, database: str, content: bytes
) -> None:
    made = await client.upload(content)
    (row,) = await fetch(database, "SELECT key, sha256 FROM media_files")
    address = f"/api/v1/files/{made['id']}/content"

    whole = await client.request("GET", address)
    part = await client.request("GET", address, headers={"Range": "bytes=2-1000"})
    deleted = await client.request("DELETE", f"/api/v1/files/{made['id']}")
    gone = await client.request("GET", address)

    assert (whole.content, row["sha256"]) == (content, sha256(content).digest())
    assert (part.status_code, part.content) == (206, content[2:1001]) if content else part.status_code == 416
    assert (deleted.status_code, gone.status_code) == (204, 410)
    assert await runtime.store.look_up([row["key"]]) == [None]


async def test_an_upload_in_pieces_goes_on_where_it_stood(client: Client, database: str) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    created = await client.request("POST", "/api/v1/uploads", headers=tus | {"Upload-Length": str(len(LARGE))})
    at, cuts = created.headers["location"], (0, 7, 9 * 2**20, len(LARGE))
    for start, end in pairwise(cuts):
        about = {"Upload-Offset": str(start), "Content-Type": "application/offset+octet-stream"}
        piece = await client.request("PATCH", at, content=LARGE[start:end], headers=tus | about)
        assert piece.status_code == 204, piece.text
        assert piece.headers["upload-offset"] == str(end)

    read = await client.request("GET", f"{piece.headers['location']}/content")

    assert read.content == LARGE


async def test_an_upload_in_pieces_that_is_not_finished_is_whole_as_far_as_it_came(client: Client) -> None:
    tus = TusClient(client)
    at = await tus.start(len(LARGE))

    first = await tus.patch(at, 0, LARGE[: 9 * 2**20])
    second = await tus.patch(at, 9 * 2**20, b"more")

    assert (first.status_code, second.status_code) == (204, 204)


async def test_what_lost_answers_left_of_a_file_goes_a_day_later_and_the_file_stays(
    client: Client, runtime: Runtime, database: str, sites: Sites
) -> None:
    made = await client.upload(b"whole")
    at = await TusClient(client).start(30)
    await TusClient(client).patch(at, 0, b"not finished")
    (key,) = [row["key"] for row in await fetch(database, "SELECT key FROM media_files WHERE state = 'stored'")]
    assert sites.store is not None
    began = await asking(sites.store).send(HTTPMethod.POST, key=sites.store.full_key(key), query={"uploads": ""})
    assert began.is_success
    lying = Bucket(sites.store, options_for())
    await lying.create(piece_name(key, 0, 0), b"whole")

    await runtime.records.end(now=await runtime.db.now() + timedelta(hours=20))
    early = await parts_below(asking(sites.store), sites.store.prefix)
    await runtime.records.end(now=await runtime.db.now() + timedelta(days=2))
    late = await parts_below(asking(sites.store), sites.store.prefix)
    pieces = [entry.name async for page in lying.pages(pieces_of()) for entry in page]
    lying.close()

    assert (len(early), late) == (1, [])
    assert [piece for piece in pieces if key in piece] == []
    assert len(pieces) == 1
    assert (await client.request("GET", f"/api/v1/files/{made['id']}/content")).content == b"whole"


@pytest.mark.parametrize("asks_first", [True, False])
async def test_parts_are_joined_though_the_last_request_of_one_broke_off(client: Client, *, asks_first: bool) -> None:
    tus = TusClient(client)
    whole, made = await tus.part(b"whole "), await tus.send("POST", Upload_Concat="partial", Upload_Defer_Length="1")
    at = made.headers["location"]
    await tus.patch(at, 0, b"broken")
    last = await tus.patch(at, 6, b"", Upload_Length="6", Upload_Checksum=checksum(b"something else"))
    assert last.status_code == 460, last.text
    if asks_first:
        assert await tus.offset(at) == 6

    joined = await tus.send("POST", Upload_Concat=f"final;{whole} {at}")

    assert joined.status_code == 201, joined.text
    read = await client.request("GET", joined.headers["location"].replace("uploads", "files") + "/content")
    assert read.content == b"whole broken"


async def test_what_no_object_of_a_bucket_can_be_is_refused_when_it_is_announced(client: Client) -> None:
    largest, tus = 10_000 * 6 * 2**20, TusClient(client)
    files, announced = "/api/v1/files?category=uploads&filename=a.bin", str(largest + 1)

    told = (await client.request("OPTIONS", "/api/v1/uploads")).headers["tus-max-size"]
    created = await tus.create(largest + 1)
    later = await tus.patch(await tus.start(None), 0, b"first", Upload_Length=announced)
    whole = await client.request("POST", files, headers={"Content-Length": announced}, content=b"")

    assert told == str(largest)
    assert [refusal(answer) for answer in (created, later, whole)] == [(413, "upload_too_large")] * 3
    assert {problem_in(answer)["limit_bytes"] for answer in (created, later, whole)} == {largest}


async def test_an_upload_in_pieces_that_is_given_up_leaves_nothing(
    client: Client, runtime: Runtime, database: str
) -> None:
    tus = {"Tus-Resumable": "1.0.0"}
    created = await client.request("POST", "/api/v1/uploads", headers=tus | {"Upload-Length": "30"})
    await TusClient(client).patch(created.headers["location"], 0, b"a" * 20)

    ended = await client.request("DELETE", created.headers["location"], headers=tus)
    left = [entry.name async for batch in runtime.store.walk(10) for entry in batch]

    assert (ended.status_code, left) == (204, [])
    assert await fetch(database, "SELECT 1 FROM media_files") == []


async def test_what_is_due_goes_and_is_deleted_again_a_day_later(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    for number in range(5):
        await store_file(b"%d" % number, ttl=0.001, category=Category.TEMP)

    swept = await sweep(runtime)
    waiting = await open_purges(database)
    await let_purges_lapse(database)
    await sweep(runtime)

    assert swept.files == 5
    assert [purge["again"] for purge in waiting] == [True]
    assert await open_purges(database) == []
    assert [batch async for batch in runtime.store.walk(10)] == []


async def test_a_film_is_analysed_from_a_local_copy_that_goes_again(
    runtime: Runtime, store_file: StoreFile, run_job: RunJob, settings: Settings, database: str
) -> None:
    film = CASES / "crop_top20.mkv"
    source = await store_file(film.read_bytes(), filename=film.name)
    new = NewJob(owner="alice", name="n", kind="frames", source_file_ids=[source.id], parameters={"count": 3})
    job = await runtime.jobs.control.create(new)

    await run_job(job.id)

    first, _, _ = await fetch(database, "SELECT id FROM media_files WHERE job_id = $1 AND category = 'frames'", job.id)
    assert (await content_of(runtime, first["id"])).startswith(b"\xff\xd8")
    assert [path for path in (settings.data_dir / "scratch").rglob("*") if path.is_file() and path.stat().st_size] == []
    assert len({part.scratch for part in buckets_of(runtime.store)}) == 1, "both share one room for local copies"


@pytest.mark.parametrize("sites", ["both", "store", "archives"], indirect=True)
async def test_a_run_is_archived_looked_into_and_restored(runtime: Runtime) -> None:
    run = await make_run(runtime)
    log = run.files["run.log"]

    await archive(runtime, run.id)
    inside = await archived_content(runtime, run.id, log.id)
    with pytest.raises(ObjectMissing):
        await runtime.store.open(log.key, size_bytes=None)
    await restore(runtime, run.id)

    assert inside == run.contents["run.log"]
    for name, file in run.files.items():
        assert await content_of(runtime, file.id) == run.contents[name]


@pytest.mark.parametrize("name", ["a\x01b.bin", "a//b.bin", "folder/"])
async def test_a_foreign_name_that_is_no_path_is_reported_and_keeps_nothing_from_being_verified(
    runtime: Runtime, store_file: StoreFile, sites: Sites, name: str
) -> None:
    whole = await store_file(b"whole")
    assert sites.store is not None
    key = sites.store.full_key(f"clips/{name}")
    assert (await asking(sites.store).send(HTTPMethod.PUT, key=key, content=b"foreign")).is_success

    told = await verify(runtime)
    moving = await verify(runtime, quarantine=True)
    ended = await asking(sites.store).send(HTTPMethod.DELETE, key=key)
    swept = await sweep(runtime)

    assert (ended.status_code, swept.files) == (204, 0)
    assert dict(told.problems) == dict(moving.problems) == {Problem.UNTRACKED: 1}
    assert [finding.key for finding in told.findings] == [f"clips/{name}"]
    assert await content_of(runtime, whole.id) == b"whole"


async def test_what_comes_late_under_the_old_key_of_a_file_that_was_restored_goes_a_day_later(
    runtime: Runtime, database: str
) -> None:
    run = await make_run(runtime)
    log = run.files["run.log"]
    await archive(runtime, run.id)
    await restore(runtime, run.id)

    await runtime.store.put_many([(log.key, b"late")], leaving_bytes=0)
    await let_purges_lapse(database)
    await sweep(runtime)

    assert await runtime.store.look_up([log.key]) == [None]
    assert await open_purges(database) == []
    assert await content_of(runtime, log.id) == run.contents["run.log"]


async def test_what_is_damaged_lost_or_nobodys_is_found_and_set_aside(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    whole, lost = await store_file(b"whole"), await store_file(b"lost")
    stray = "uploads/2026-01-01/stray.bin"
    await runtime.store.delete_many([lost.key])
    await runtime.store.put_many([(stray, b"stray")], leaving_bytes=0)

    report = await verify(runtime, quarantine=True)
    (day,) = await runtime.store.list_quarantine_days()
    aside = [entry.name async for batch in runtime.store.walk_quarantine(day, 10) for entry in batch]
    ended = (await runtime.records.end(now=await runtime.db.now() + timedelta(days=400)))["quarantine"]
    await delete_file(runtime, lost.id, owner=None, actor="test")

    assert dict(report.problems) == {Problem.MISSING: 1, Problem.UNTRACKED: 1}
    assert aside == [f".quarantine/{day}/{stray}"]
    assert (ended, await runtime.store.list_quarantine_days()) == (1, [])
    assert await content_of(runtime, whole.id) == b"whole"
