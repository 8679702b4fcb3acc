"""Watching jobs: whoever watches is woken by a job's events and reads them by number, so nothing is missed."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import Final
from uuid import UUID

import structlog
from sqlalchemy import select

from media_analysis.db.database import Database
from media_analysis.db.listening import keep_listening
from media_analysis.errors import DatabaseUnavailable, MediaAnalysisError
from media_analysis.jobs.events import CHANNEL, JobEvent, list_events
from media_analysis.jobs.models import AnalysisJob

PAGE: Final = 100
"""Events one watch holds at a time."""
READERS: Final = 4
"""Watches that read at the same time, so that thousands of them leave the pool to others."""
POLL_SECONDS: Final = 2.0
"""How late an event may be that was not announced."""
log = structlog.get_logger()


class Watch:
    """One reader's place in the events of a job."""

    def __init__(self, db: Database, reading: asyncio.Semaphore, job_id: UUID, after: int) -> None:
        self._db = db
        self._reading = reading
        self._bell = asyncio.Event()
        self._bell.set()
        self.job_id = job_id
        self.after = after
        """The number of the last event that was read."""
        self.over = False
        """Whether nothing more is to be read: the job has ended, or the process does."""

    async def next(self, *, within: float) -> Sequence[JobEvent]:
        """Return the next events in order, a page at the most; none if there were none within so many seconds.

        Nor are there any while the database is away; they come when it is back.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._bell.wait()
        if self.over or not self._bell.is_set():
            return ()
        self._bell.clear()
        try:
            return await self._read()
        except DatabaseUnavailable:
            return ()

    def ring(self, *, last: bool = False) -> None:
        """Let it read again, or for the last time."""
        self.over = self.over or last
        self._bell.set()

    async def _read(self) -> Sequence[JobEvent]:
        async with self._reading:
            events, is_last = await self._db.retry(self._page)
        if events:
            self.after = events[-1].number
        self.over = self.over or is_last
        if len(events) == PAGE:
            self._bell.set()
        return events

    async def _page(self) -> tuple[Sequence[JobEvent], bool]:
        """Return events, and whether none can follow them, of one snapshot."""
        query = select(AnalysisJob.status, AnalysisJob.deleted_at).where(AnalysisJob.id == self.job_id)
        async with self._db.read_only() as session:
            job = (await session.execute(query)).one_or_none()
            events = await list_events(session, self.job_id, after=self.after, limit=PAGE)
        is_over = job is None or job.status.is_over or job.deleted_at is not None
        return events, is_over and len(events) < PAGE  # a deleted job keeps its row and loses its events


class WatchService:
    """Wakes the watches of this process: a connection that listens, and a look at all watched jobs now and then."""

    def __init__(self, db: Database, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._db = db
        self._poll_seconds = poll_seconds
        self._reading = asyncio.Semaphore(READERS)
        self._watches: dict[str, set[Watch]] = {}
        self._keeper: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._ended = False

    @asynccontextmanager
    async def watch(self, job_id: UUID, *, after: int = 0) -> AsyncIterator[Watch]:
        """Yield a watch on the events behind a number; who may see the job is the caller's to ask first."""
        watch = Watch(self._db, self._reading, job_id, after)
        if self._ended:
            watch.ring(last=True)
        self._watches.setdefault(str(job_id), set()).add(watch)
        if self._keeper is None:
            # In no request's context, whichever came first.
            self._keeper = asyncio.get_running_loop().create_task(self._keep(), context=Context())
        try:
            yield watch
        finally:
            self._leave(watch)

    def end(self) -> None:
        """Let every watch end, now and from now on: the process is about to."""
        self._ended = True
        self._end_all()

    def _leave(self, watch: Watch) -> None:
        watches = self._watches[str(watch.job_id)]
        watches.discard(watch)
        if not watches:
            del self._watches[str(watch.job_id)]
        if not self._watches and self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            self._closing.add(keeper)
            keeper.add_done_callback(self._closing.discard)
            keeper.cancel()

    async def _keep(self) -> None:
        try:
            async with asyncio.TaskGroup() as both:
                # What happened before was not heard.
                both.create_task(keep_listening(self._db, CHANNEL, ready=self._ring_all, hear=self._ring))
                both.create_task(self._poll())
        except* Exception as crash:
            log.exception("watch.crashed", exc_info=crash)
            self._keeper = None
            self._end_all()

    async def _poll(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            with suppress(MediaAnalysisError):
                await self._look()

    async def _look(self) -> None:
        """Ring for what nobody announced."""
        latest = select(AnalysisJob.id, AnalysisJob.last_event).where(AnalysisJob.deleted_at.is_(None))
        async with self._db.read_only() as session:
            rows = await session.execute(latest.where(AnalysisJob.id.in_(map(UUID, self._watches))))
            known = {str(row.id): row.last_event for row in rows}
        for watch in self._all():
            if known.get(str(watch.job_id), math.inf) > watch.after:
                watch.ring()

    def _ring(self, job_ids: str) -> None:
        for job_id in job_ids.split():
            for watch in self._watches.get(job_id, ()):
                watch.ring()

    def _ring_all(self) -> None:
        for watch in self._all():
            watch.ring()

    def _end_all(self) -> None:
        for watch in self._all():
            watch.ring(last=True)

    def _all(self) -> Iterator[Watch]:
        return (watch for watches in self._watches.values() for watch in watches)
