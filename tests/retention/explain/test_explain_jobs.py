"""Explanations of jobs: their files in sum, the first to go, and what happened to the job."""

from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from media_analysis.deletion.models import PauseCause
from media_analysis.deletion.pauses import PauseFinding, add_pause
from media_analysis.errors import JobNotFound
from media_analysis.files.expiry import Expiry
from media_analysis.jobs.control import NewJob
from media_analysis.retention.explain.explanation import Barrier, BarrierScope
from media_analysis.retention.explain.jobs import JobExplanation
from media_analysis.retention.holds import HoldRequest
from media_analysis.runtime import Runtime
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from tests.asking import delete_file
from tests.claims import claim_job
from tests.conftest import StoreFile, execute
from tests.retention.conftest import CONTENT, FUTURE, Plant
from tests.retention.jobs import add_job, assign

HOUR = timedelta(hours=1)


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """A service that deletes by way of the trash."""
    return environment | {"DELETION_STRATEGY": "soft"}


@pytest.fixture
async def job_id(database: str, runtime: Runtime) -> UUID:
    return await add_job(database)


async def explain(
    runtime: Runtime, job_id: UUID, *, owner: str | None = "alice", before: UUID | None = None, limit: int = 100
) -> JobExplanation:
    told = await runtime.retention.explanations.explain_job(job_id, owner=owner, before=before, limit=limit)
    assert isinstance(told, JobExplanation)
    return told


async def test_a_job_is_explained_by_its_files(runtime: Runtime, plant: Plant, database: str, job_id: UUID) -> None:
    files = await plant(4, ends_in=FUTURE)
    await assign(database, job_id, *files)
    await plant(1)
    await delete_file(runtime, files[3], owner="alice", actor="alice", soft=True)
    await execute(
        database,
        f"UPDATE media_files SET min_retain_until = expires_at + interval '1 day' WHERE id = '{files[0]}'",
        f"UPDATE media_files SET held_until = 'infinity' WHERE id = '{files[2]}'",
    )

    told = await explain(runtime, job_id)

    dates = {one.file_id: one.at for one in told.items}
    stored, trashed = sorted(told.sums, key=lambda one: one.state)
    assert [one.file_id for one in told.items] == sorted(files, reverse=True)
    assert (stored.state, stored.files, stored.size_bytes) == (FileState.STORED, 3, 3 * len(CONTENT))
    assert (stored.earliest, stored.latest, stored.for_ever) == (dates[files[1]], dates[files[0]], True)
    assert (trashed.files, trashed.earliest, trashed.for_ever) == (1, dates[files[3]], False)
    assert told.first is not None
    assert told.first.file_id == files[1]


async def test_a_jobs_hold_and_pauses_of_its_categories_block_it(
    runtime: Runtime, plant: Plant, database: str, job_id: UUID
) -> None:
    await assign(database, job_id, *await plant(2, ends_in=FUTURE))
    hold = HoldRequest(actor="alice", reason="audit", until=await runtime.db.now() + HOUR)
    await runtime.retention.holds.hold_job(job_id, hold, owner="alice")
    async with runtime.db.transaction() as session:
        for category in (Category.TEMP, Category.CLIPS):
            finding = PauseFinding(cause=PauseCause.OPERATOR, reason=f"backup of {category.value}")
            await add_pause(session, category, finding, by="admin")

    told = await explain(runtime, job_id)

    assert [(one.rule, one.scope, one.reason) for one in told.blockers] == [
        (Barrier.HOLD, BarrierScope.JOB, "audit"),
        (Barrier.PAUSED, BarrierScope.CATEGORY, "backup of temp"),
    ]
    assert told.hold == told.blockers[0]
    assert [moment.event for moment in told.timeline] == ["created", "held"]


async def test_its_new_end_is_told_once_per_file_and_once_for_the_job(
    runtime: Runtime, plant: Plant, database: str, job_id: UUID
) -> None:
    (file_id,) = await plant(1, ends_in=FUTURE)
    await assign(database, job_id, file_id)
    await runtime.retention.holds.extend_job(job_id, Expiry(lifetime=HOUR), owner="alice", actor="alice")

    of_job = await explain(runtime, job_id)
    of_file = await runtime.retention.explanations.explain(file_id, owner="alice")

    assert [moment.event for moment in of_job.timeline].count("extended") == 1
    assert [moment.event for moment in of_file.timeline].count("extended") == 1


async def test_files_come_in_pages(runtime: Runtime, plant: Plant, database: str, job_id: UUID) -> None:
    files = await plant(5, ends_in=FUTURE)
    await assign(database, job_id, *files)

    seen: list[UUID] = []
    before: UUID | None = None
    for _ in range(3):
        page = await explain(runtime, job_id, before=before, limit=2)
        seen += [one.file_id for one in page.items]
        before = page.next_before
        assert page.first is not None
        assert page.first.file_id == files[0]

    assert seen == sorted(files, reverse=True)
    assert before is None


async def test_a_job_without_files_has_nothing_to_go(runtime: Runtime, job_id: UUID) -> None:
    told = await explain(runtime, job_id)

    assert (told.first, told.items, told.sums, told.blockers) == (None, [], [], [])


async def test_a_foreign_job_is_unknown(runtime: Runtime, job_id: UUID) -> None:
    for unknown, owner in ((job_id, "bob"), (uuid4(), "alice")):
        with pytest.raises(JobNotFound):
            await explain(runtime, unknown, owner=owner)


async def test_what_a_job_works_with_names_the_job(runtime: Runtime, store_file: StoreFile) -> None:
    source = await store_file(b"a film", ttl=3600)
    asked = NewJob(owner="alice", name="n", kind="probe", source_file_ids=[source.id])
    waiting, running = [await runtime.jobs.control.create(asked) for _ in range(2)]
    await claim_job(runtime, running.id, worker="test")

    told = await runtime.retention.explanations.explain(source.id, owner="alice")
    await runtime.jobs.control.cancel(waiting.id, owner="alice")
    await runtime.jobs.control.cancel(running.id, owner="alice")
    free = await runtime.retention.explanations.explain(source.id, owner="alice")

    (lease,) = told.blockers
    assert (lease.rule, lease.job_ids) == (Barrier.JOB_LEASE, [waiting.id, running.id])
    assert free.blockers == []
