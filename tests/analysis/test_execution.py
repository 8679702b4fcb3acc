"""One run from its claim to its end, whatever the task does meanwhile."""

from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from media_analysis.files.models import MediaFile
from media_analysis.jobs.attempts.execution import Outcome
from media_analysis.jobs.control import NewJob
from media_analysis.jobs.models import AnalysisJob, JobStatus
from media_analysis.runtime import Runtime
from media_analysis.worker.service import WorkerOptions, running_worker
from tests.claims import run_job
from tests.conftest import StoreFile, fetch
from tests.disks import disk_of
from tests.worker.workers import until_ended

pytestmark = pytest.mark.usefixtures("plugged_in")
FAILED = JobStatus.FAILED
PRODUCTS = 10
"""Files that `overflow` makes."""


@pytest.fixture
def environment(environment: dict[str, str], request: pytest.FixtureRequest) -> dict[str, str]:
    """Where nothing else runs than what goes on for ever, that is ended soon; all else has time to end by itself."""
    loops = "[loop-" in request.node.name
    return environment | {
        "WORKER_MEMORY_BYTES": "512MiB",
        "WORKER_TIMEOUT_SECONDS": "4" if loops else "15",
        "WORKER_RETRY_SECONDS": "0.05",
        "WORKER_MAX_ATTEMPTS": "2",
        "WORKER_MAX_PRODUCT_BYTES": "100KiB",
        "STORAGE_QUOTA_FRAMES": "50KiB",
    }


@pytest.fixture
async def source(store_file: StoreFile) -> MediaFile:
    return await store_file(b"source")


async def ask(runtime: Runtime, source: MediaFile, act: str, **orders: Any) -> AnalysisJob:
    asked = {"act": act, **orders}
    return await runtime.jobs.control.create(
        NewJob(owner="alice", name="n", kind="misbehaving", source_file_ids=[source.id], parameters=asked)
    )


async def outcome(runtime: Runtime, job: AnalysisJob) -> Outcome:
    return await run_job(runtime, job.id)


async def standing(database: str, job: AnalysisJob) -> tuple[Any, ...]:
    query = "SELECT status::text, error_code, attempts FROM analysis_jobs WHERE id = $1"
    (row,) = await fetch(database, query, job.id)
    return tuple(row)


async def kept(database: str, job: AnalysisJob) -> list[tuple[str, str, UUID]]:
    query = "SELECT category::text, key, parent_id FROM media_files WHERE job_id = $1 ORDER BY ordinal"
    return [tuple(row) for row in await fetch(database, query, job.id)]


def objects(runtime: Runtime) -> list[str]:
    """Return every file and folder of the store below its categories."""
    root = Path(disk_of(runtime.store).root)
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if len(path.relative_to(root).parts) > 1)


def files(runtime: Runtime, folder: str) -> list[Path]:
    return [path for path in (Path(disk_of(runtime.store).root) / folder).rglob("*") if path.is_file()]


async def test_products_lie_where_their_category_says_and_know_job_and_source(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    before = set(objects(runtime))
    job = await ask(runtime, source, "scatter")

    assert await outcome(runtime, job) == JobStatus.COMPLETED

    day = f"{job.created_at:%Y-%m-%d}"
    found = await kept(database, job)
    assert [(category, str(Path(key).parent)) for category, key, _ in found] == [
        ("frames", f"frames/{source.id}"),
        ("contact_sheets", f"contact-sheets/{day}"),
        ("outputs", f"outputs/{day}/{job.folder_name}"),
    ]
    assert {parent for _, _, parent in found} == {source.id}
    made = {path for path in set(objects(runtime)) - before if Path(path).suffix}
    assert made == {key for _, key, _ in found}


async def test_a_product_may_name_another_by_the_id_it_gets(runtime: Runtime, source: MediaFile, database: str) -> None:
    job = await ask(runtime, source, "refer", words=['{"see": "../{frame/0}/content"} {frame/}'])

    assert await outcome(runtime, job) == JobStatus.COMPLETED

    first, second = (Path(key) for _, key, _ in await kept(database, job))
    assert (disk_of(runtime.store).root / second).read_text() == f'{{"see": "../{first.stem}/content"}} {{frame/}}'


@pytest.mark.parametrize("words", ["{frame/1}", "{frame/2147483648}", "{frame/0}" * 200_000])
async def test_a_product_names_none_that_is_not_there_nor_too_many(
    runtime: Runtime, source: MediaFile, database: str, words: str
) -> None:
    job = await ask(runtime, source, "refer", words=[words])

    assert await outcome(runtime, job) == JobStatus.FAILED

    assert await standing(database, job) == ("failed", "output_refused", 1)
    assert await kept(database, job) == []


@pytest.mark.parametrize("ending", [[], ["corrupt"], ["segfault"], ["divide"]])
async def test_temporary_files_go_when_their_job_ends(
    runtime: Runtime, source: MediaFile, database: str, ending: list[str]
) -> None:
    job = await ask(runtime, source, "scatter", words=ending)

    while await outcome(runtime, job) is JobStatus.PENDING:
        pass

    gone = await fetch(database, "SELECT key FROM tombstones WHERE category = 'temp'")
    assert {str(Path(row["key"]).parent) for row in gone} == {f"temp/{job.id}"}
    assert files(runtime, "temp") == []


@pytest.mark.parametrize(
    ("act", "orders", "code"),
    [
        ("corrupt", {}, "corrupt_media"),
        ("hoard_memory", {}, "analysis_memory_passed"),
        ("loop", {}, "analysis_timed_out"),
        ("overflow", {"number": 100 * 1024 // PRODUCTS + 1}, "media_limit_passed"),
    ],
)
async def test_what_will_not_pass_fails_at_once_and_leaves_nothing(
    runtime: Runtime, source: MediaFile, database: str, act: str, orders: dict[str, int], code: str
) -> None:
    before = objects(runtime)
    job = await ask(runtime, source, act, **orders)

    assert await outcome(runtime, job) == FAILED

    assert await standing(database, job) == ("failed", code, 1)
    assert await kept(database, job) == []
    assert [path for path in objects(runtime) if path not in before and "." in path] == []


@pytest.mark.parametrize("act", ["segfault", "abort", "exit", "divide"])
async def test_a_crash_is_tried_again_and_then_fails_the_job(
    runtime: Runtime, source: MediaFile, database: str, act: str
) -> None:
    job = await ask(runtime, source, "scatter", words=[act])

    first, second = await outcome(runtime, job), await outcome(runtime, job)

    assert first is JobStatus.PENDING
    assert second == FAILED
    assert await standing(database, job) == ("failed", "analysis_crashed", 2)
    assert await kept(database, job) == []


@pytest.mark.parametrize(("room_bytes", "code"), [(50 * 1024, None), (50 * 1024 + PRODUCTS, "quota_reached")])
async def test_products_fill_a_quota_and_never_pass_it(
    runtime: Runtime, source: MediaFile, database: str, room_bytes: int, code: str | None
) -> None:
    job = await ask(runtime, source, "overflow", number=room_bytes // PRODUCTS)

    while (ended := await outcome(runtime, job)) is JobStatus.PENDING:
        pass

    (used,) = await fetch(database, "SELECT size_bytes FROM category_usage WHERE category = 'frames'")
    status = JobStatus.COMPLETED if code is None else JobStatus.FAILED
    assert ended == status
    assert (await standing(database, job))[:2] == (status, code)
    assert used["size_bytes"] == (room_bytes if code is None else 0)
    assert len(await kept(database, job)) == (PRODUCTS if code is None else 0)
    assert len(files(runtime, "frames")) == (PRODUCTS if code is None else 0)


async def test_bad_jobs_end_each_for_its_reason_and_good_ones_beside_them_complete(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    """A codec that dies, hangs or eats memory takes its own job down, and neither a worker nor another job."""
    bad = {
        "segfault": "analysis_crashed",
        "abort": "analysis_crashed",
        "hoard_memory": "analysis_memory_passed",
        "loop": "analysis_timed_out",
        "lie": "analysis_crashed",
    }
    jobs = {act: await ask(runtime, source, act, words=["ff" * 64]) for act in bad}
    good = [await ask(runtime, source, "scatter") for _ in range(3)]

    async with running_worker(runtime, WorkerOptions(kinds=["misbehaving"], concurrency=2)):
        await until_ended(database, seconds=60)
        later = await ask(runtime, source, "scatter")
        await until_ended(database)

    assert {act: (await standing(database, job))[:2] for act, job in jobs.items()} == {
        act: ("failed", code) for act, code in bad.items()
    }
    assert [await standing(database, job) for job in (*good, later)] == [("completed", None, 1)] * 4
    assert [await kept(database, job) for job in jobs.values()] == [[]] * len(jobs)


async def _probe(runtime: Runtime, source: MediaFile) -> AnalysisJob:
    return await runtime.jobs.control.create(
        NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id], parameters={})
    )


@pytest.mark.parametrize("spoilt", [b"x" * 6, b"x"])
async def test_a_job_on_bytes_the_store_spoilt_blames_the_store(
    runtime: Runtime, source: MediaFile, database: str, spoilt: bytes
) -> None:
    path = disk_of(runtime.store).path_of(source.key)
    path.write_bytes(spoilt)
    job = await _probe(runtime, source)

    while (ended := await outcome(runtime, job)) is JobStatus.PENDING:
        pass
    path.write_bytes(b"source")

    assert ended == FAILED
    assert (await standing(database, job))[:2] == ("failed", "object_damaged")


async def test_a_job_on_bytes_that_no_decoder_reads_blames_the_file(
    runtime: Runtime, source: MediaFile, database: str
) -> None:
    job = await _probe(runtime, source)

    await outcome(runtime, job)

    assert (await standing(database, job))[:2] == ("failed", "unsupported_media")
