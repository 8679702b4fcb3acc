"""No file slips into, or through, a job that is being held: whichever of the two transactions comes first."""

import asyncio
from concurrent.futures import Future
from datetime import timedelta
from threading import Event
from uuid import UUID

import pytest

from media_analysis.files.upload.service import Upload
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.conftest import StoreFile, chunks
from tests.files.conftest import SlowBody
from tests.retention.conftest import FUTURE, Plant, living, sweep
from tests.retention.elsewhere import DEADLINE_SECONDS, Elsewhere, Moments
from tests.retention.jobs import add_job, assign, facts_of

ASKED = HoldRequest(actor="alice", reason="evidence")
DAY = timedelta(days=1)
ROUNDS = 10


@pytest.fixture
async def job_id(database: str, runtime: Runtime) -> UUID:
    return await add_job(database)


def upload(job_id: UUID, size_bytes: int = 5) -> Upload:
    return Upload(owner="alice", category=Category.TEMP, filename="a", job_id=job_id, declared_bytes=size_bytes)


async def require_held(runtime: Runtime, database: str, *file_ids: UUID) -> None:
    """Check that nothing takes the files, now or ever."""
    rows = [await facts_of(database, file_id) for file_id in file_ids]
    swept = await sweep(runtime, now=await runtime.db.now() + 400 * DAY)
    assert [(row["state"], row["due_at"]) for row in rows] == [("stored", None)] * len(rows)
    assert all(row["job_held_until"] is not None for row in rows)
    assert (swept.files, await living(database)) == (0, set(file_ids))


async def finished(started: object) -> object:
    assert isinstance(started, Future)
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await asyncio.wrap_future(started)


@pytest.mark.parametrize("point", ["upload.registering", "upload.settling"])
async def test_a_job_hold_waits_for_an_upload_that_just_registers_or_settles_and_takes_it_in(
    runtime: Runtime,
    elsewhere: Elsewhere,
    moments: Moments,
    store_file: StoreFile,
    database: str,
    job_id: UUID,
    point: str,
) -> None:
    started = moments.at(
        "files.upload.transactions",
        point,
        lambda: elsewhere.wait_until_blocked(
            elsewhere.start(lambda there: there.retention.holds.hold_job(job_id, ASKED, owner="alice"))
        ),
    )

    stored = await store_file(job_id=job_id, category=Category.TEMP)

    await finished(started[0])
    await require_held(runtime, database, stored.id)


async def test_an_upload_that_registers_while_its_job_is_being_held_waits_and_is_held(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, database: str, job_id: UUID
) -> None:
    started = moments.at(
        "retention.holds",
        "job.holding",
        lambda: elsewhere.wait_until_blocked(
            elsewhere.start(lambda there: there.files.uploads.store_file(upload(job_id), chunks(b"bytes")))
        ),
    )

    _, files = await runtime.retention.holds.hold_job(job_id, ASKED, owner="alice")
    await finished(started[0])

    assert files == 0
    await require_held(runtime, database, *await living(database))


async def test_an_upload_that_settles_while_its_job_is_being_held_is_held(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, database: str, job_id: UUID
) -> None:
    """Registered before, so counted; its last transaction waits for its row and must not forget the hold."""
    registered, release = Event(), Event()

    async def send(there: Runtime) -> object:
        body = SlowBody()
        size_bytes = len(body.first) + len(body.rest)
        storing = asyncio.create_task(there.files.uploads.store_file(upload(job_id, size_bytes), body.sent()))
        await body.asked.wait()
        registered.set()
        await asyncio.to_thread(release.wait, DEADLINE_SECONDS)
        body.released.set()
        return await storing

    def let_it_settle() -> None:
        release.set()
        elsewhere.wait_until_blocked(sent)

    sent = elsewhere.start(send)
    assert await asyncio.to_thread(registered.wait, DEADLINE_SECONDS)
    moments.at("retention.holds", "job.holding", let_it_settle)

    _, files = await runtime.retention.holds.hold_job(job_id, ASKED, owner="alice")
    await finished(sent)

    assert files == 1
    await require_held(runtime, database, *await living(database))


async def test_uploads_and_a_hold_of_their_job_at_once_leave_no_file_unheld(
    runtime: Runtime, store_file: StoreFile, database: str
) -> None:
    everything: list[UUID] = []
    for _ in range(ROUNDS):
        job_id = await add_job(database)
        holding = asyncio.create_task(runtime.retention.holds.hold_job(job_id, ASKED, owner="alice"))
        stored = await asyncio.gather(*(store_file(job_id=job_id, category=Category.TEMP) for _ in range(6)))
        await holding
        everything += [file.id for file in stored]

    await require_held(runtime, database, *everything)


async def test_a_job_hold_not_yet_committed_makes_the_claim_pass_by(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, plant: Plant, database: str, job_id: UUID
) -> None:
    files = await plant(5, ends_in=FUTURE)
    await assign(database, job_id, *files)
    later = await runtime.db.now() + DAY
    swept = moments.at(
        "retention.holds", "job.holding", lambda: elsewhere.finish(lambda there: sweep(there, now=later)).files
    )

    await runtime.retention.holds.hold_job(job_id, ASKED, owner="alice")

    assert swept == [0]
    await require_held(runtime, database, *files)


async def test_a_job_hold_and_a_sweep_at_once_share_the_files_and_never_wait_in_a_circle(
    runtime: Runtime, plant: Plant, database: str
) -> None:
    for _ in range(ROUNDS):
        job_id = await add_job(database)
        files = await plant(40, ends_in=FUTURE)
        await assign(database, job_id, *reversed(files))
        later = await runtime.db.now() + DAY

        (_, held), report = await asyncio.gather(
            runtime.retention.holds.hold_job(job_id, ASKED, owner="alice"), sweep(runtime, now=later, batch_size=5)
        )

        alive = await living(database) & set(files)
        assert (len(alive), held + report.files) == (held, 40)
        assert all([(await facts_of(database, file_id))["due_at"] is None for file_id in alive])
