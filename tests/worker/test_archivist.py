"""The archivist of a service: several at work, none in another's way, and all of them gone when it stops."""

import asyncio
import threading
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal
from uuid import UUID

from media_analysis.archive.execution import ArchiveExecution
from media_analysis.archive.models import ArchiveTask, ArchiveTaskStatus
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.jobs.uploads import JOBS_OF_UPLOADS
from media_analysis.runtime import Runtime
from media_analysis.storage.marker import MARKER_NAME
from media_analysis.storage.store import ObjectWriter
from media_analysis.worker.archivist import running_archivist
from tests.archive.archived import archive, ended, make_run
from tests.archive.interrupting import CUT
from tests.conftest import execute, fetch
from tests.disks import disk_of
from tests.files.conftest import eventually

STOPPED_SECONDS = 20
NEVER_SECONDS = 3600.0


@dataclass(frozen=True)
class Waiting(UploadTransactions):
    """A registrar whose archive of one run waits until it is released."""

    slow: UUID | None = None
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def create(self, asked: Registration) -> ObjectWriter:
        if asked.job_id == self.slow:
            await self.released.wait()
        return await super().create(asked)


def waiting_for(runtime: Runtime, slow: UUID, **about: Any) -> tuple[ArchiveExecution, Waiting]:
    """Return how two tasks run at once, one of which takes its time."""
    upload_transactions = Waiting(
        runtime.db, runtime.store, runtime.upload_transactions.lease_seconds, JOBS_OF_UPLOADS, slow=slow
    )
    execution = replace(runtime.archives.execution, concurrency=2, **about)
    return replace(
        execution,
        archiver=replace(execution.archiver, protocol=replace(runtime.uploads, transactions=upload_transactions)),
    ), upload_transactions


async def completed(database: str, task: ArchiveTask) -> bool:
    return bool(await fetch(database, "SELECT FROM archive_tasks WHERE id = $1 AND status = 'completed'", task.id))


async def test_it_stops_while_the_database_is_away(runtime: Runtime, database: str) -> None:
    run = await make_run(runtime)
    await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    marker = disk_of(runtime.store).root / MARKER_NAME
    elsewhere = marker.rename(disk_of(runtime.store).root.with_name("elsewhere"))
    leave = asyncio.Event()

    async def serve() -> None:
        async with running_archivist(replace(runtime.archives.execution, pauses=(60.0,))):
            await leave.wait()

    async def is_pausing() -> bool:
        return bool(await fetch(database, "SELECT FROM archive_tasks WHERE stage = 'retrying'"))

    serving = asyncio.create_task(serve())
    await eventually(is_pausing)
    await execute(database, CUT)
    leave.set()
    stopped, _ = await asyncio.wait([serving], timeout=STOPPED_SECONDS)
    elsewhere.rename(marker)

    assert stopped


async def test_who_is_idle_begins_what_comes_while_another_is_long_at_work(runtime: Runtime, database: str) -> None:
    long, other = await make_run(runtime), await make_run(runtime)
    await archive(runtime, other.id)
    first = await runtime.archives.requests.request_archive(long.id, owner=None, actor="test")
    execution, upload_transactions = waiting_for(runtime, long.id)

    async def is_packing() -> bool:
        return bool(await fetch(database, "SELECT FROM archive_tasks WHERE id = $1 AND stage = 'packing'", first.id))

    async with running_archivist(execution):
        await eventually(is_packing)
        second = await runtime.archives.requests.request_restore(other.id, owner=None, actor="test")
        await eventually(lambda: completed(database, second))
        assert (await ended(runtime, first)).status is ArchiveTaskStatus.RUNNING
        upload_transactions.released.set()
        await eventually(lambda: completed(database, first))
    await upload_transactions.close()


class Bell(asyncio.Event):
    """One that tells when somebody idle waits for it."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = asyncio.Event()

    async def wait(self) -> Literal[True]:
        self.idle.set()
        return await super().wait()


async def test_what_a_client_asks_for_is_begun_at_once_by_who_is_idle(runtime: Runtime, database: str) -> None:
    run, bell = await make_run(runtime), Bell()
    requests = replace(runtime.archives.requests, announce=bell.set)

    async with running_archivist(
        replace(runtime.archives.execution, concurrency=1, bell=bell), look_seconds=NEVER_SECONDS
    ):
        for ask in (requests.request_archive, requests.request_restore):
            await bell.idle.wait()
            bell.idle.clear()
            task = await ask(run.id, owner=None, actor="test")
            await eventually(partial(completed, database, task))


def test_who_is_asked_rings_for_who_works(runtime: Runtime) -> None:
    runtime.archives.requests.announce()

    assert runtime.archives.execution.bell.is_set()


async def test_a_claim_that_fails_stops_nobody_else(runtime: Runtime, database: str) -> None:
    long, short = await make_run(runtime), await make_run(runtime)
    first, second = [
        await runtime.archives.requests.request_archive(run.id, owner=None, actor="test") for run in (long, short)
    ]

    def cut_before_the_next_claim(task: ArchiveTask) -> None:
        if task.id == second.id:
            cutting = threading.Thread(target=lambda: asyncio.run(execute(database, CUT)))
            cutting.start()
            cutting.join(STOPPED_SECONDS)
            upload_transactions.released.set()

    execution, upload_transactions = waiting_for(runtime, long.id, observe=cut_before_the_next_claim, pauses=(0.0, 0.0))
    async with running_archivist(execution):
        await eventually(lambda: completed(database, first))
    await upload_transactions.close()

    assert (await ended(runtime, first)).attempts == 1
