"""Tasks in whose work something else happens, between the look at a run and the first byte that is written."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from media_analysis.archive.models import ArchiveTask
from media_analysis.files.upload.pending import Registration
from media_analysis.files.upload.transactions import UploadTransactions
from media_analysis.jobs.uploads import JOBS_OF_UPLOADS
from media_analysis.runtime import Runtime
from media_analysis.storage.store import ObjectWriter
from tests.archive.archived import Run, ended

CUT: Final = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name LIKE 'media-analysis%'
"""
"""Ends every connection of the service, as a restart of PostgreSQL does."""
Meanwhile = Callable[[], Awaitable[Any]]


@dataclass(frozen=True)
class Interrupting(UploadTransactions):
    """A registrar in whose work something else happens, once."""

    meanwhile: Meanwhile | None = None

    async def create(self, asked: Registration) -> ObjectWriter:
        meanwhile = self.meanwhile
        if meanwhile is not None:
            object.__setattr__(self, "meanwhile", None)
            await meanwhile()
        return await super().create(asked)


async def work_while(runtime: Runtime, meanwhile: Meanwhile, pauses: Sequence[float] = (0.0,)) -> None:
    """Work off what waits, and let something happen before its first byte is written."""
    upload_transactions = Interrupting(
        runtime.db, runtime.store, runtime.upload_transactions.lease_seconds, JOBS_OF_UPLOADS, meanwhile=meanwhile
    )
    execution = runtime.archives.execution
    archiver = replace(execution.archiver, protocol=replace(runtime.uploads, transactions=upload_transactions))
    restorer = replace(execution.restorer, protocol=replace(runtime.uploads, transactions=upload_transactions))
    await replace(execution, archiver=archiver, restorer=restorer, pauses=pauses).run_waiting()
    await upload_transactions.close()


async def archive_while(runtime: Runtime, run: Run, meanwhile: Meanwhile) -> ArchiveTask:
    """Archive a run and let something happen before its first byte is packed."""
    task = await runtime.archives.requests.request_archive(run.id, owner=None, actor="test")
    await work_while(runtime, meanwhile)
    return await ended(runtime, task)
