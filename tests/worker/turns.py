"""What the tests of turns at the queue share: entries of several owners, and who is served in which order."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import count
from uuid import UUID, uuid4

import asyncpg
from pgqueuer.adapters.drivers.asyncpg import AsyncpgDriver
from pgqueuer.domain.models import Job
from pgqueuer.domain.types import QueueEntrypoint

from media_analysis.db.queue import NewEntry
from media_analysis.worker.entries import HeldEntries, entries_held_by

ALIVE = timedelta(minutes=1)
_NUMBERS = count(1)


def holder_on(connection: asyncpg.Connection) -> HeldEntries:
    return entries_held_by(uuid4(), AsyncpgDriver(connection))


def entry(
    owner: str,
    *,
    kind: str = "tiny",
    priority: int = 0,
    lifted: bool = False,
    delay: timedelta | None = None,
    job_id: UUID | None = None,
) -> NewEntry:
    return NewEntry(
        job_id=job_id or UUID(int=next(_NUMBERS)),
        kind=kind,
        owner=owner,
        priority=priority,
        lifted=lifted,
        delay=delay,
    )


async def put(entries: HeldEntries, *new: NewEntry) -> None:
    """Put entries into the queue, in this order."""
    for one in new:
        await entries.enqueue(one.kind, str(one.job_id).encode(), one.priority, one.delay, headers=one.headers)


async def pick(entries: HeldEntries, kinds: Iterable[str] = ("tiny",)) -> Job | None:
    return await entries.pick(map(QueueEntrypoint, kinds), heartbeat_timeout=ALIVE)


async def started(entries: HeldEntries, kinds: Iterable[str] = ("tiny",)) -> Job:
    job = await pick(entries, kinds)
    assert job is not None
    return job


async def end(entries: HeldEntries, *jobs: Job) -> None:
    await entries.log_jobs([(job, "successful", None) for job in jobs])


async def served(entries: HeldEntries, times: int, *, running: int = 0, kinds: Iterable[str] = ("tiny",)) -> list[str]:
    """Begin so many jobs, each once no more than `running` others run, and return owner and priority of each."""
    told: list[str] = []
    under_way: list[Job] = []
    for _ in range(times):
        job = await started(entries, kinds)
        told.append(owner_of(job) + (str(job.priority) if job.priority else ""))
        under_way.append(job)
        if len(under_way) > running:
            await end(entries, under_way.pop(0))
    return told


def owner_of(job: Job) -> str:
    return str((job.headers or {}).get("owner", "-"))
