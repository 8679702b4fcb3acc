"""Who is let in: holders of good tokens, and with requests that take long so many of each owner at a time."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from contextvars import Context
from enum import StrEnum
from typing import Final
from uuid import UUID

import structlog

from media_analysis.errors import MediaAnalysisError, TokenRejected, TooManyAtOnce
from media_analysis.sessions.service import SEEN_EVERY, Caller, SessionService, hash_token
from media_analysis.sessions.throttle import TokenThrottle
from media_analysis.settings.model import ServerSettings

LOOK_SECONDS: Final = 1.0
"""How long a token may be over before what it began is ended."""
REMEMBERED: Final = 4096
"""Of how many tokens it is remembered whose they are."""
REMEMBERED_SECONDS: Final = SEEN_EVERY.total_seconds()
FindGood = Callable[[Collection[UUID]], Awaitable[AbstractSet[UUID]]]
log = structlog.get_logger()


class Activity(StrEnum):
    """What takes long, and is limited for itself."""

    UPLOAD = "uploads"
    DOWNLOAD = "downloads"
    LINK = "requests by links"
    """What holders of links read and bring; they take nothing from whoever made those."""
    STREAM = "event streams"


class Admitted:
    """One long request under way."""

    def __init__(self, caller: Caller) -> None:
        self.caller = caller
        self.is_rejected = False
        """Whether its token is no longer good."""
        self._stop: Callable[[], object] | None = None

    def at_rejection(self, stop: Callable[[], object]) -> None:
        """Have `stop` called when the token is no longer good."""
        self._stop = stop

    def reject(self) -> None:
        self.is_rejected = True
        if self._stop is not None:
            self._stop()

    async def receive(self, body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Pass `body` on while the token is good.

        Raises:
            TokenRejected: it was revoked, or has expired, before the end of the body came.

        """
        loop = asyncio.get_running_loop()
        while True:
            try:
                async with asyncio.timeout(None) as waiting:
                    self.at_rejection(lambda: waiting.reschedule(loop.time()))
                    chunk = await anext(body, None)
            except TimeoutError:
                if not self.is_rejected:
                    raise
            finally:
                self._stop = None
            if self.is_rejected:
                raise TokenRejected
            if chunk is None:
                return
            yield chunk


class AdmissionService:
    """Lets in requests to this process; limits are per owner, whatever sessions they come with."""

    def __init__(
        self,
        sessions: SessionService,
        limits: Mapping[Activity, int],
        throttle: TokenThrottle,
        *others: FindGood,
    ) -> None:
        """Look for what is still good among sessions, and with `others` among what else lets somebody in."""
        self._sessions, self._limits, self._throttle = sessions, limits, throttle
        self._looks: Sequence[FindGood] = (sessions.find_good, *others)
        self._under_way: defaultdict[tuple[Activity, str], set[Admitted]] = defaultdict(set)
        self._known: dict[bytes, tuple[Caller, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    async def authenticate(self, token: str, host: str | None) -> Caller:
        """Return who holds `token`; a client at `host` pays for a wrong one with time.

        Raises:
            TokenRejected, TooManyWrongTokens: it is not good.

        """
        try:
            caller = await self._sessions.authenticate(token)
        except TokenRejected:
            await self._throttle.punish(host)
            raise
        self._remember(hash_token(token), caller)
        return caller

    async def punish(self, host: str | None) -> None:
        """Let a client at `host` pay with time for a link that is none, as for a wrong token.

        Raises:
            TooManyWrongTokens: it brought too many.

        """
        await self._throttle.punish(host)

    def remembered(self, token_hash: bytes) -> Caller | None:
        """Return who held a token a moment ago: a hint, for whoever looks again before anything counts."""
        caller, known_until = self._known.get(token_hash, (None, 0.0))
        return caller if time.monotonic() < known_until else None

    def _remember(self, token_hash: bytes, caller: Caller) -> None:
        if len(self._known) >= REMEMBERED:
            self._known.clear()
        self._known[token_hash] = (caller, time.monotonic() + REMEMBERED_SECONDS)

    @contextmanager
    def admit(self, caller: Caller, activity: Activity) -> Iterator[Admitted]:
        """Count a request as under way while the block runs.

        Raises:
            TooManyAtOnce: the owner has as many under way as one may.

        """
        place, most = (activity, caller.owner), self._limits[activity]
        mine = self._under_way[place]
        if len(mine) >= most:
            raise TooManyAtOnce(activity.value, limit=most)
        admitted = Admitted(caller)
        mine.add(admitted)
        self._look_later()
        try:
            yield admitted
        finally:
            mine.discard(admitted)
            if not mine:
                del self._under_way[place]

    def _look_later(self) -> None:
        # A timer rather than a task of each request: most have ended when it is over.
        if self._timer is None and self._looking is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(LOOK_SECONDS, self._begin_look, context=Context())

    def _begin_look(self) -> None:
        self._timer = None
        if self._under_way:
            self._looking = asyncio.get_running_loop().create_task(self._look())
            self._looking.add_done_callback(self._end_look)

    def _end_look(self, looked: asyncio.Task[None]) -> None:
        self._looking = None
        if not looked.cancelled():
            looked.exception()
            self._look_later()

    async def _look(self) -> None:
        """End what began with tokens that are no longer good; while the database is away nobody knows."""
        under_way = [admitted for those in self._under_way.values() for admitted in those]
        try:
            left = {admitted.caller.session_id for admitted in under_way}
            good = set[UUID]()
            for find_good in self._looks:
                good |= await find_good(left - good) if left > good else set()
        except MediaAnalysisError as error:
            log.warning("sessions.unchecked", code=error.code, reason=str(error))
            return
        for admitted in under_way:
            if admitted.caller.session_id not in good:
                admitted.reject()


def activity_limits(server: ServerSettings) -> Mapping[Activity, int]:
    """Return how many long requests an owner may have under way in a process."""
    return {
        Activity.UPLOAD: server.max_uploads_per_owner,
        Activity.DOWNLOAD: server.max_downloads_per_owner,
        Activity.LINK: server.max_downloads_per_owner,
        Activity.STREAM: server.max_streams_per_owner,
    }
