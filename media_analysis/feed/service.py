"""The feed of one process: whoever follows it is woken when something settled for them, and reads it by the log."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager, suppress
from contextvars import Context
from typing import Final

import structlog

from media_analysis.db.database import Database
from media_analysis.errors import DatabaseUnavailable, EventsEnded, MediaAnalysisError
from media_analysis.events.horizon import EventHorizon
from media_analysis.feed.events import START, EventPlace, EventSelection, ToldEvent
from media_analysis.feed.reading import FeedPage, read_page

PAGE: Final = 200
"""Events one follower holds at a time."""
READERS: Final = 4
"""Followers that read at the same time, so that thousands of them leave the pool to others."""
POLL_SECONDS: Final = 0.5
SETTLING_PAUSE_SECONDS: Final = 0.02
SETTLING_SECONDS: Final = 2.0
"""How long one who asks once waits for what others are about to commit."""
log = structlog.get_logger()

_NEWS: Final = "SELECT DISTINCT owner FROM events WHERE id > $1 AND id <= $2"


class Follower:
    """One reader's place in the feed."""

    def __init__(self, feed: "FeedService", wanted: EventSelection, after: EventPlace) -> None:
        self._feed = feed
        self._bell = asyncio.Event()
        self._bell.set()
        self.wanted = wanted
        self.after = after
        """Behind what was read."""
        self.went_on_behind = after
        """Where it last began to read again because what it would have read had ended."""
        self.over = False

    @property
    def has_more(self) -> bool:
        """Whether it has something to read by now."""
        return self._bell.is_set()

    async def next(self, *, within: float) -> tuple[Sequence[ToldEvent], bool]:
        """Return the next events, and whether some before them have ended unread; none if none came in so many seconds.

        Nor are there any while the database is away; they come when it is back.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(within):
                await self._bell.wait()
        if self.over or not self._bell.is_set():
            return (), False
        self._bell.clear()
        try:
            page = await self._feed.read(self.wanted, self.after)
        except DatabaseUnavailable:
            self._bell.set()
            await asyncio.sleep(POLL_SECONDS)
            return (), False
        missed = self.after != START and self.after.logged < page.ended
        self.after = page.after
        if missed:
            self.went_on_behind = EventPlace(page.ended)
        if page.after < EventPlace(self._feed.settled):
            self._bell.set()
        return page.events, missed

    def ring(self, *, last: bool = False) -> None:
        """Let it read again, or be over."""
        self.over = self.over or last
        self._bell.set()

    def pass_by(self, seen: int, settled: int) -> None:
        """Let its place go along where nothing came for it, so that it is not taken to have missed what ends."""
        if not self._bell.is_set() and self.after >= EventPlace(seen):
            self.after = max(self.after, EventPlace(settled))

    def cares(self, owners: Collection[str]) -> bool:
        """Say whether something of these owners is its business."""
        return self.wanted.owners is None or not self.wanted.owners.isdisjoint(owners)


class FeedService:
    """Wakes the followers of this process by looking at the log for all of them; nobody looks while nobody follows."""

    def __init__(self, db: Database, *, poll_seconds: float = POLL_SECONDS) -> None:
        self._db = db
        self._poll_seconds = poll_seconds
        self._horizon = EventHorizon(db)
        self._reading = asyncio.Semaphore(READERS)
        self._followers: set[Follower] = set()
        self._keeper: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._ended = False

    @property
    def settled(self) -> int:
        """Up to where the log was last seen to be complete."""
        return self._horizon.settled

    async def now(self) -> EventPlace:
        """Return the place behind all that has settled."""
        return EventPlace(await self._horizon.look())

    async def knows(self, place: EventPlace) -> bool:
        """Say whether the log has come as far as a place."""
        if place.logged > self._horizon.given:
            await self._horizon.look()
        return place.logged <= self._horizon.given

    async def read(self, wanted: EventSelection, after: EventPlace, *, limit: int = PAGE) -> FeedPage:
        """Return the next settled events behind a place, as far as the log was last seen to be complete."""
        until = self.settled

        async def page() -> FeedPage:
            async with self._db.read_only() as session:
                return await read_page(session, wanted, after, until=until, limit=limit)

        async with self._reading:
            return await self._db.retry(page)

    async def page(self, wanted: EventSelection, after: EventPlace, *, limit: int) -> FeedPage:
        """Return the next events behind a place, all of those that had been committed when it was asked for.

        Raises:
            EventsEnded: some behind that place have ended unread.

        """
        await self.settle()
        found = await self.read(wanted, after, limit=limit)
        if after != START and after.logged < found.ended:
            raise EventsEnded(str(after), oldest=str(EventPlace(found.ended)))
        return found

    async def settle(self) -> None:
        """Wait for transactions that are under way, for a while."""
        loop = asyncio.get_running_loop()
        ends_at = loop.time() + SETTLING_SECONDS
        await self._horizon.look()
        given = self._horizon.given
        while self._horizon.settled < given and loop.time() < ends_at:
            await asyncio.sleep(SETTLING_PAUSE_SECONDS)
            await self._horizon.look()

    @asynccontextmanager
    async def follow(self, wanted: EventSelection, after: EventPlace) -> AsyncIterator[Follower]:
        """Yield a reader of what is wanted behind a place; what the caller may see is theirs to say."""
        follower = Follower(self, wanted, after)
        if self._ended:
            follower.ring(last=True)
        self._followers.add(follower)
        if self._keeper is None:
            # In no request's context, whichever came first.
            self._keeper = asyncio.get_running_loop().create_task(self._keep(), context=Context())
        try:
            yield follower
        finally:
            self._leave(follower)

    def end(self) -> None:
        """Let every follower be over, now and from now on: the process is about to."""
        self._ended = True
        self._ring_all(last=True)

    def _leave(self, follower: Follower) -> None:
        self._followers.discard(follower)
        if not self._followers and self._keeper is not None:
            keeper, self._keeper = self._keeper, None
            self._closing.add(keeper)
            keeper.add_done_callback(self._closing.discard)
            keeper.cancel()

    async def _keep(self) -> None:
        seen = self.settled
        try:
            while True:
                with suppress(MediaAnalysisError):
                    seen = await self._look(seen)
                await asyncio.sleep(self._poll_seconds)
        except Exception:
            log.exception("feed.crashed")
            self._keeper = None
            self._ring_all(last=True)

    async def _look(self, seen: int) -> int:
        """Ring for what has settled since; return up to where."""
        settled = await self._horizon.look()
        if settled > seen:
            owners = {row["owner"] for row in await self._db.driver.reads.fetch(_NEWS, seen, settled)}
            for follower in self._followers:
                if follower.cares(owners):
                    follower.ring()
                else:
                    follower.pass_by(seen, settled)
        return settled

    def _ring_all(self, *, last: bool) -> None:
        for follower in self._followers:
            follower.ring(last=last)
