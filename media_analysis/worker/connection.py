"""The worker's own connection to the queue: opened again whenever it is lost, and listened to while it stands."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any, Final, Self

import structlog
from pgqueuer.core.tm import TaskManager
from pgqueuer.ports.driver import Driver, NotifyCallback

from media_analysis.db.address import Address
from media_analysis.db.connecting import connect
from media_analysis.db.database import DatabaseOptions
from media_analysis.db.faults import translated_errors
from media_analysis.db.queue import QUEUE
from media_analysis.errors import DatabaseUnavailable

FIRST_PAUSE_SECONDS: Final = 0.1
LONGEST_PAUSE_SECONDS: Final = 5.0
CHANGED: Final = json.dumps(
    {
        "type": "table_changed_event",
        "channel": QUEUE.channel,
        "operation": "update",
        "sent_at": "2000-01-01T00:00:00Z",
        "table": QUEUE.queue_table,
    }
)
"""The notice that says to look at the queue."""
log = structlog.get_logger()


class QueueConnection(Driver):
    """One connection; a statement waits for a server that is away, so that a restart ends neither queue nor jobs.

    What is sent twice because an answer was lost does no harm: an entry picked by nobody who knows is picked again
    when its heartbeat is missing, and the other statements change nothing the second time.
    """

    def __init__(self, url: str, options: DatabaseOptions) -> None:
        self._address = Address.parse(url)
        self._options = options
        self._shutdown = asyncio.Event()
        self._turn = asyncio.Lock()
        self._connection: Any = None
        self._listener: tuple[str, NotifyCallback] | None = None
        self._wakes = False

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return [dict(row) for row in await self._ask(lambda connection: connection.fetch(query, *args))]

    async def execute(self, query: str, *args: object) -> str:
        said: str = await self._ask(lambda connection: connection.execute(query, *args))
        return said

    async def notify(self, channel: str, payload: str) -> None:
        await self._ask(lambda connection: connection.execute("SELECT pg_notify($1, $2)", channel, payload))

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        self._listener = (channel, callback)
        await self._ask(lambda connection: connection.add_listener(channel, self._hear))

    @property
    def shutdown(self) -> asyncio.Event:
        """Once set, what cannot be asked at once fails."""
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return TaskManager()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave it open: the last statements come after the block. Whoever made it closes it."""

    async def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            with suppress(Exception):
                await self._connection.close(timeout=self._options.connect_timeout_seconds)

    def expect(self) -> None:
        """Hear of new entries again: the caller is about to look at the queue."""
        self._wakes = False

    def wake(self) -> None:
        """Have the listener look at the queue."""
        if self._listener is not None:
            self._listener[1](CHANGED)

    def _hear(self, _connection: object, _process: int, _channel: str, payload: str) -> None:
        """Pass on one notice of new entries between two looks at the queue, and of entries that went none.

        Beside busy workers there are thousands, each of which would cost the listener several statements.
        """
        if self._listener is None:
            return
        told = json.loads(payload)
        if told["type"] == "table_changed_event":
            if self._wakes or told["operation"] == "delete":
                return
            self._wakes = True
        self._listener[1](payload)

    async def _ask(self, statement: Callable[[Any], Awaitable[Any]]) -> Any:
        async with self._turn:
            pause = FIRST_PAUSE_SECONDS
            while True:
                try:
                    with translated_errors():
                        return await statement(await self._open())
                except DatabaseUnavailable as error:
                    self._disconnect(error)
                    if self._shutdown.is_set():
                        raise
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._shutdown.wait(), pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def _open(self) -> Any:
        if self._connection is None:
            self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> Any:
        options = self._options
        connection = await connect(
            self._address,
            "media-analysis worker",
            timeout_seconds=options.connect_timeout_seconds,
            command_timeout_seconds=options.command_timeout_seconds,
            # Planning a pick takes longer than picking, and who waits makes no difference to the plan.
            settings={**options.session_settings, "plan_cache_mode": "force_generic_plan"},
        )
        connection.add_termination_listener(lambda _: self.wake())
        if self._listener is not None:
            await connection.add_listener(self._listener[0], self._hear)
            log.info("queue.connected_again")
            self.wake()
        return connection

    def _disconnect(self, error: DatabaseUnavailable) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.terminate()
            log.warning("queue.connection_lost", reason=str(error), channel=QUEUE.channel)
