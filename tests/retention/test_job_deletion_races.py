"""A job is deleted while somebody completes, holds, feeds or restores it: one of them is first, none waits for ever."""

import asyncio
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.errors import FenceLost, InvalidRequest, JobGone, JobHeld
from media_analysis.files.upload.pending import Place
from media_analysis.files.upload.service import Upload
from media_analysis.jobs.attempts.attempt import Attempt, NewResult
from media_analysis.jobs.control import NewJob
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.claims import claim_job
from tests.conftest import StoreFile, chunks, fetch
from tests.retention.elsewhere import DEADLINE_SECONDS, Elsewhere, Moments

HOLD = HoldRequest(actor="alice", reason="evidence")
FRAMES = 3


@pytest.fixture(params=["soft", "hard"])
def asked(request: pytest.FixtureRequest) -> DeletionRequest:
    soft = request.param == "soft"
    return DeletionRequest(actor="alice", soft=soft, hard=not soft)


@dataclass(frozen=True)
class Running:
    """A job whose run has staged its products."""

    run: Attempt

    @property
    def id(self) -> UUID:
        return self.run.job_id

    async def remove(self, there: Runtime, asked: DeletionRequest) -> Any:
        return await there.jobs.deletions.delete(self.id, asked, owner="alice")

    async def complete(self, there: Runtime) -> Any:
        results = [NewResult(kind="probe", data={})]
        return await there.jobs.attempts.complete(self.id, fence=self.run.fence, results=results)

    def upload(self, ordinal: int | None) -> Upload:
        place = None if ordinal is None else Place(role="frame", ordinal=ordinal, fence=self.run.fence)
        return Upload(
            owner="alice",
            category=Category.FRAMES,
            filename="a",
            declared_bytes=1,
            job_id=self.id,
            place=place,
            run=self.run.folder_name,
        )


@pytest.fixture
async def job(runtime: Runtime, store_file: StoreFile) -> Running:
    source = await store_file(b"a film")
    made = await runtime.jobs.control.create(NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id]))
    run = await claim_job(runtime, made.id, worker="test")
    assert run is not None
    running = Running(run)
    for ordinal in range(FRAMES):
        await runtime.files.uploads.store_file(running.upload(ordinal), chunks(b"x"))
    return running


async def outcome_of(started: object) -> object:
    """Return what somebody elsewhere came to, or what was raised there."""
    assert isinstance(started, Future)
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            return await asyncio.wrap_future(started)
    except (FenceLost, InvalidRequest, JobGone, JobHeld) as error:
        return type(error)


async def nothing_lives_of(job: Running, database: str) -> bool:
    asked = "SELECT id FROM media_files WHERE job_id = $1 AND state <> 'trashed'"
    return await fetch(database, asked, job.id) == []


async def test_a_deletion_waits_for_a_run_that_just_completes_and_takes_what_it_stored(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, job: Running, database: str, asked: DeletionRequest
) -> None:
    started = moments.at(
        "jobs.attempts.service",
        "attempt.ending",
        lambda: elsewhere.wait_until_blocked(elsewhere.start(lambda there: job.remove(there, asked))),
    )

    await job.complete(runtime)
    told: Any = await outcome_of(started[0])

    assert (told.stops, told.files.total.files, told.results) == (False, FRAMES, 1)
    assert await nothing_lives_of(job, database)


async def test_a_run_that_completes_while_its_job_is_deleted_has_lost_it(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, job: Running, database: str, asked: DeletionRequest
) -> None:
    started = moments.at(
        "jobs.deletion",
        "job.deleting",
        lambda: elsewhere.wait_until_blocked(elsewhere.start(job.complete)),
    )

    told = await job.remove(runtime, asked)

    assert told.stops
    assert await outcome_of(started[0]) is FenceLost
    assert await nothing_lives_of(job, database)
    assert await fetch(database, "SELECT id FROM analysis_results") == []


async def test_a_deletion_waits_for_a_hold_and_is_refused(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, job: Running, asked: DeletionRequest
) -> None:
    await job.complete(runtime)
    started = moments.at(
        "retention.holds",
        "job.holding",
        lambda: elsewhere.wait_until_blocked(elsewhere.start(lambda there: job.remove(there, asked))),
    )

    _, files = await runtime.retention.holds.hold_job(job.id, HOLD, owner="alice")

    assert files == FRAMES
    assert await outcome_of(started[0]) is JobHeld


async def test_a_hold_that_comes_while_its_job_is_deleted_finds_it_gone(
    runtime: Runtime, elsewhere: Elsewhere, moments: Moments, job: Running, database: str, asked: DeletionRequest
) -> None:
    await job.complete(runtime)
    started = moments.at(
        "jobs.deletion",
        "job.deleting",
        lambda: elsewhere.wait_until_blocked(
            elsewhere.start(lambda there: there.retention.holds.hold_job(job.id, HOLD, owner="alice"))
        ),
    )

    await job.remove(runtime, asked)

    assert await outcome_of(started[0]) is JobGone
    assert await nothing_lives_of(job, database)


@pytest.mark.parametrize(("ordinal", "refusal"), [(None, InvalidRequest), (FRAMES, FenceLost)])
async def test_an_upload_that_registers_while_its_job_is_deleted_is_refused(
    runtime: Runtime,
    elsewhere: Elsewhere,
    moments: Moments,
    job: Running,
    database: str,
    asked: DeletionRequest,
    ordinal: int | None,
    refusal: type[Exception],
) -> None:
    late = job.upload(ordinal)
    started = moments.at(
        "jobs.deletion",
        "job.deleting",
        lambda: elsewhere.wait_until_blocked(
            elsewhere.start(lambda there: there.files.uploads.store_file(late, chunks(b"x")))
        ),
    )

    await job.remove(runtime, asked)

    assert await outcome_of(started[0]) is refusal
    assert await nothing_lives_of(job, database)


@pytest.mark.parametrize("point", ["upload.registering", "upload.settling"])
async def test_a_deletion_waits_for_an_upload_that_just_registers_or_settles_and_takes_it(
    runtime: Runtime,
    elsewhere: Elsewhere,
    moments: Moments,
    job: Running,
    database: str,
    asked: DeletionRequest,
    point: str,
) -> None:
    """One that has registered and not yet settled is given up; its client is told that its lease is lost."""
    await job.complete(runtime)
    started = moments.at(
        "files.upload.transactions",
        point,
        lambda: elsewhere.wait_until_blocked(elsewhere.start(lambda there: job.remove(there, asked))),
    )

    (stored,) = await asyncio.gather(
        runtime.files.uploads.store_file(job.upload(None), chunks(b"x")), return_exceptions=True
    )
    await outcome_of(started[0])

    assert await nothing_lives_of(job, database)
    if point == "upload.settling":
        assert not isinstance(stored, BaseException), stored


async def test_of_deletions_at_once_one_deletes(
    runtime: Runtime, job: Running, database: str, asked: DeletionRequest
) -> None:
    await job.complete(runtime)

    outcomes = await asyncio.gather(*(job.remove(runtime, asked) for _ in range(4)), return_exceptions=True)

    refused = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    assert [type(error) for error in refused] == [JobGone] * 3
    assert len(await fetch(database, "SELECT job_id FROM job_audit")) == 1
    assert await nothing_lives_of(job, database)


async def test_a_restoration_and_a_deletion_for_good_do_not_share_a_job(
    runtime: Runtime, job: Running, database: str
) -> None:
    """Whichever comes first, the job and its files have one fate."""
    await job.complete(runtime)
    soft, hard = DeletionRequest(actor="alice", soft=True), DeletionRequest(actor="alice", hard=True)
    await job.remove(runtime, soft)

    await asyncio.gather(
        runtime.retention.trash.restore_job(job.id, owner="alice", actor="alice"),
        job.remove(runtime, hard),
        return_exceptions=True,
    )

    lives = await fetch(database, "SELECT FROM analysis_jobs WHERE deleted_at IS NULL") != []
    files = await fetch(database, "SELECT state::text FROM media_files WHERE job_id = $1", job.id)
    assert [file["state"] for file in files] == (["stored"] * FRAMES if lives else [])
    shown = await fetch(database, "SELECT published FROM analysis_results")
    assert [result["published"] for result in shown] == ([True] if lives else [])
