"""The loop that fans events out and sends what is due, in each process that keeps the schedule; they share the work."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final
from uuid import UUID

import structlog

from media_analysis.errors import MediaAnalysisError
from media_analysis.feed.events import EventPlace
from media_analysis.webhooks.suite import WebhookServices

LOOK_SECONDS: Final = 1.0
"""How long an event may wait until it is fanned out, and a retry until it is sent."""
IDLE_SECONDS: Final = 5.0
"""How long the same takes where there were no webhooks."""
TRIM_SECONDS: Final = 60.0
LEFT_SECONDS: Final = 15.0
MOST_AT_ONCE: Final = 256
"""Webhooks that are sent to at the same time; one that does not answer holds up itself alone."""
log = structlog.get_logger()


class DeliveryLoop:
    """Looks for what is to be sent, and has one task for each webhook that something is due for."""

    def __init__(self, services: WebhookServices, *, look_seconds: float = LOOK_SECONDS) -> None:
        self._services = services
        self._look_seconds = look_seconds
        self._sending: dict[UUID, asyncio.Task[None]] = {}
        self._trimmed_at = self._fanned_at = 0.0
        self._fanned: EventPlace | None = None

    async def run(self) -> None:
        """Work until cancelled, however often the database fails."""
        try:
            while True:
                seconds = await self._look_safely()
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._services.bell.wait()
                self._services.bell.clear()
        finally:
            for task in self._sending.values():
                task.cancel()
            if self._sending:
                await asyncio.wait(self._sending.values())

    async def _look_safely(self) -> float:
        try:
            return await self._look()
        except MediaAnalysisError as error:
            log.warning("webhooks.unlooked", code=error.code, reason=str(error))
        except Exception:
            log.exception("webhooks.crashed")
        return IDLE_SECONDS

    async def _look(self) -> float:
        """Fan out and begin to send; return how many seconds nobody has to look."""
        if not await self._services.hooks.is_any():
            return max(self._look_seconds, IDLE_SECONDS)
        await self._fan_out()
        room = MOST_AT_ONCE - len(self._sending)
        if room > 0:
            for webhook_id in await self._services.deliveries.list_due(busy=list(self._sending), limit=room):
                self._begin(webhook_id)
        await self._trim()
        return self._look_seconds

    async def _fan_out(self) -> None:
        """Fan out what is new, and now and then what another process may have left that died of it."""
        settled, now = await self._services.feed.now(), asyncio.get_running_loop().time()
        if settled != self._fanned or now - self._fanned_at > LEFT_SECONDS:
            await self._services.fan_out.run()
            self._fanned, self._fanned_at = settled, now

    def _begin(self, webhook_id: UUID) -> None:
        task = asyncio.create_task(self._send(webhook_id))
        self._sending[webhook_id] = task
        task.add_done_callback(lambda _: self._sending.pop(webhook_id, None))

    async def _send(self, webhook_id: UUID) -> None:
        try:
            await self._services.deliveries.deliver_all(webhook_id)
        except MediaAnalysisError as error:
            log.warning("webhook.unsent", webhook_id=str(webhook_id), code=error.code, reason=str(error))
        except Exception:
            log.exception("webhook.crashed", webhook_id=str(webhook_id))

    async def _trim(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._trimmed_at > TRIM_SECONDS:
            self._trimmed_at = now
            await self._services.log.trim()


@asynccontextmanager
async def running_deliveries(services: WebhookServices, *, look_seconds: float = LOOK_SECONDS) -> AsyncIterator[None]:
    """Deliver while the block runs, unless the settings say otherwise; what is under way at its end is sent again."""
    if not services.settings.enabled:
        yield
        return
    working = asyncio.create_task(DeliveryLoop(services, look_seconds=look_seconds).run())
    try:
        yield
    finally:
        working.cancel()
        await asyncio.wait({working})
