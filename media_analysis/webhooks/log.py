"""The log of deliveries: what was sent, what came of it, and sending it again."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, NamedTuple, assert_never
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.errors import DeliveryNotFound, WebhookDisabled
from media_analysis.webhooks.fan_out import disable_crowded
from media_analysis.webhooks.limits import WebhookLimits
from media_analysis.webhooks.messages import PING, SOURCE, ping_event
from media_analysis.webhooks.models import Delivery
from media_analysis.webhooks.service import require_webhook

END_DELIVERIES: Final = "DELETE FROM webhook_deliveries"
TRIMMED: Final = 10_000


class DeliveryState(StrEnum):
    """How a delivery stands."""

    WAITING = "waiting"
    DELIVERED = "delivered"
    DEAD = "dead"
    """It was given up."""


_NOW: Final = text(f"SELECT now(), ({SOURCE})")
_ADD: Final = text("""
    INSERT INTO webhook_deliveries (id, webhook_id, message_id, subject, type, body, due_at, gives_up_at)
    VALUES (:id, :webhook_id, :message_id, :subject, :type, :body, now(), now() + :retry_for)
""")
_AGAIN: Final = text("""
    UPDATE webhook_deliveries SET due_at = now(), attempts = 0, ended_at = NULL, delivered = false,
        gives_up_at = now() + :retry_for
    WHERE id = :id AND webhook_id = :webhook_id RETURNING id
""")
_TRIM: Final = text("""
    DELETE FROM webhook_deliveries WHERE id = ANY(ARRAY(
        SELECT old.id FROM webhooks AS hook, LATERAL (
            SELECT id FROM webhook_deliveries WHERE webhook_id = hook.id AND ended_at IS NOT NULL
            ORDER BY position DESC OFFSET :kept
        ) AS old LIMIT :most
    ))
""")


class DeliveryPage(NamedTuple):
    """Some deliveries, newest first, and the place of the last where more follow."""

    deliveries: Sequence[Delivery]
    next_below: int | None


@dataclass(frozen=True)
class DeliveryLog:
    """Tells of deliveries, and has them sent again; `owner=None` is an administrator."""

    db: Database
    limits: WebhookLimits
    wake: Callable[[], None] = field(default=lambda: None)

    async def list(
        self, webhook_id: UUID, *, owner: str | None, state: DeliveryState | None, below: int | None, limit: int
    ) -> DeliveryPage:
        """Return deliveries of a webhook, newest first.

        Raises:
            WebhookNotFound: unknown, or somebody else's.

        """
        query = select(Delivery).where(Delivery.webhook_id == webhook_id).order_by(Delivery.position.desc())
        if below is not None:
            query = query.where(Delivery.position < below)
        match state:
            case DeliveryState.WAITING:
                query = query.where(Delivery.due_at.is_not(None))
            case DeliveryState.DELIVERED:
                query = query.where(Delivery.delivered)
            case DeliveryState.DEAD:
                query = query.where(Delivery.ended_at.is_not(None), ~Delivery.delivered)
            case None:
                pass
            case _:
                assert_never(state)
        async with self.db.read_only() as session:
            await require_webhook(session, webhook_id, owner=owner)
            found = (await session.scalars(query.limit(limit + 1))).all()
        return DeliveryPage(found[:limit], found[limit - 1].position if len(found) > limit else None)

    async def ping(self, webhook_id: UUID, *, owner: str | None) -> Delivery:
        """Send something that tells of nothing.

        Raises:
            WebhookNotFound, WebhookDisabled: nothing can be sent.

        """
        sent = await self._ping(webhook_id, owner=owner)
        self.wake()
        return sent

    async def redeliver(self, webhook_id: UUID, delivery_id: UUID, *, owner: str | None) -> Delivery:
        """Send a delivery again, the same message; one that waits is sent now.

        Raises:
            WebhookNotFound, DeliveryNotFound, WebhookDisabled: nothing can be sent.

        """
        sent = await self._redeliver(webhook_id, delivery_id, owner=owner)
        self.wake()
        return sent

    @retried
    async def trim(self) -> None:
        """Let go of ended deliveries beyond those that are kept of each webhook."""
        async with self.db.transaction() as session:
            await session.execute(_TRIM, {"kept": self.limits.kept, "most": TRIMMED})

    @retried
    async def _ping(self, webhook_id: UUID, *, owner: str | None) -> Delivery:
        async with self.db.transaction() as session:
            await self._require_enabled(session, webhook_id, owner)
            now, source = (await session.execute(_NOW)).one()
            delivery_id: UUID = uuid7()
            subject, message_id = f"webhooks/{webhook_id}", f"ping-{delivery_id}"
            at = now.isoformat().replace("+00:00", "Z")
            told = {
                "id": delivery_id,
                "webhook_id": webhook_id,
                "message_id": message_id,
                "subject": f"{subject}/pings/{delivery_id}",  # it waits for nothing that was sent before
                "type": PING,
                "body": json.dumps(ping_event(message_id, source, subject, at)),
                "retry_for": self.limits.retry_for,
            }
            await session.execute(_ADD, told)
            await disable_crowded(session, [webhook_id], self.limits.waiting, spared=self.limits.waiting)
            return (await session.scalars(select(Delivery).where(Delivery.id == delivery_id))).one()

    @retried
    async def _redeliver(self, webhook_id: UUID, delivery_id: UUID, *, owner: str | None) -> Delivery:
        async with self.db.transaction() as session:
            await self._require_enabled(session, webhook_id, owner)
            asked = {"id": delivery_id, "webhook_id": webhook_id, "retry_for": self.limits.retry_for}
            if (await session.execute(_AGAIN, asked)).one_or_none() is None:
                raise DeliveryNotFound(delivery_id)
            return (await session.scalars(select(Delivery).where(Delivery.id == delivery_id))).one()

    async def _require_enabled(self, session: AsyncSession, webhook_id: UUID, owner: str | None) -> None:
        if (await require_webhook(session, webhook_id, owner=owner, lock=True)).disabled_at is not None:
            raise WebhookDisabled(webhook_id)
