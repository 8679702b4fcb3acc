"""Sending what is due: each delivery by one process at a time, in the order of its file or job, until it was taken."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession

from media_analysis.db.database import Database, retried
from media_analysis.errors import NotDelivered
from media_analysis.failpoints import failpoint
from media_analysis.outbound.posting import Answer, Poster
from media_analysis.outbound.signing import signed_headers
from media_analysis.webhooks.fan_out import tell_disabled
from media_analysis.webhooks.limits import WebhookLimits
from media_analysis.webhooks.messages import CONTENT_TYPE

AT_ONCE: Final = 4
"""Deliveries of one webhook that are under way at the same time in a process; one of those that fail."""
SPARE_SECONDS: Final = 30.0
"""How much longer than a request may take its delivery is nobody else's."""
FIRST_PAUSE: Final = timedelta(seconds=5)
LONGEST_PAUSE: Final = timedelta(hours=6)
GONE: Final = 410
log = structlog.get_logger()

_CLAIM: Final = text("""
    UPDATE webhook_deliveries AS delivery SET
        due_at = now() + :lease, attempts = attempts + 1, last_attempt_at = now()
    FROM webhooks AS hook
    WHERE hook.id = delivery.webhook_id AND delivery.id = ANY(ARRAY(
        SELECT due.id FROM webhook_deliveries AS due
        WHERE webhook_id = :webhook_id AND due_at <= now() AND NOT EXISTS (
            SELECT FROM webhook_deliveries AS earlier
            WHERE earlier.webhook_id = due.webhook_id AND earlier.subject = due.subject
                AND earlier.position < due.position AND earlier.due_at IS NOT NULL
        )
        ORDER BY due_at, position
        LIMIT (SELECT CASE WHEN failing_since IS NULL THEN CAST(:limit AS integer) ELSE 1 END FROM webhooks
            WHERE id = :webhook_id)
        FOR UPDATE SKIP LOCKED
    )) AND hook.disabled_at IS NULL
    RETURNING delivery.id, delivery.message_id, delivery.body, delivery.attempts, hook.url, hook.secret,
        CASE WHEN hook.old_secret_until > now() THEN hook.old_secret END AS old_secret
""")
_DUE: Final = text("""
    SELECT id FROM webhooks WHERE disabled_at IS NULL AND NOT id = ANY(CAST(:busy AS uuid[])) AND EXISTS (
        SELECT FROM webhook_deliveries WHERE webhook_id = webhooks.id AND due_at <= now()
    ) ORDER BY failing_since NULLS FIRST, id LIMIT :limit
""")
_LOCK: Final = text("""
    SELECT id FROM webhooks WHERE id = (SELECT webhook_id FROM webhook_deliveries WHERE id = :id) FOR NO KEY UPDATE
""")
_MARK: Final = text("""
    UPDATE webhook_deliveries SET last_status = :status, last_error = :error, last_seconds = :seconds,
        delivered = :taken,
        due_at = CASE WHEN NOT :taken AND gives_up_at > now() THEN now() + :pause END,
        ended_at = CASE WHEN :taken OR gives_up_at <= now() THEN now() END
    WHERE id = :id AND attempts = :attempts AND ended_at IS NULL
    RETURNING webhook_id
""")
_MARK_WELL: Final = text("UPDATE webhooks SET failing_since = NULL WHERE id = :id AND failing_since IS NOT NULL")
_MARK_FAILING: Final = text("""
    UPDATE webhooks SET failing_since = coalesce(failing_since, now()),
        disabled_at = CASE WHEN told.reason IS NOT NULL THEN now() END, disabled_reason = told.reason
    FROM (
        SELECT id, CASE WHEN CAST(:gone AS boolean) THEN 'gone'
            WHEN failing_since <= now() - CAST(:disable_after AS interval) THEN 'failing' END AS reason
        FROM webhooks WHERE id = :id
    ) AS told
    WHERE webhooks.id = told.id AND disabled_at IS NULL
    RETURNING webhooks.id, owner, disabled_reason, disabled_at
""")


@dataclass(frozen=True)
class DeliveryService:
    """Delivers what is due of one webhook after the other, or of many at once."""

    db: Database
    poster: Poster
    limits: WebhookLimits

    async def list_due(self, *, busy: Sequence[UUID] = (), limit: int = 1) -> Sequence[UUID]:
        """Return webhooks that have something due and are not `busy`, those that fail last."""
        async with self.db.read_only() as session:
            return (await session.scalars(_DUE, {"busy": list(busy), "limit": limit})).all()

    async def deliver_all(self, webhook_id: UUID) -> int:
        """Send what is due of a webhook, some at a time, until none of some is taken; return how many were."""
        taken = 0
        while claimed := await self._claim(webhook_id):
            failpoint("webhook.claimed")
            went = sum(await asyncio.gather(*(self._deliver(delivery) for delivery in claimed)))
            if not went:
                break  # others have their turn first
            taken += went
        return taken

    @retried
    async def _claim(self, webhook_id: UUID) -> Sequence[Any]:
        lease = timedelta(seconds=self.poster.timeout_seconds + SPARE_SECONDS)
        async with self.db.transaction() as session:
            asked = {"webhook_id": webhook_id, "limit": AT_ONCE, "lease": lease}
            return (await session.execute(_CLAIM, asked)).all()

    async def _deliver(self, delivery: Any) -> bool:
        body = delivery.body.encode()
        secrets = [secret for secret in (delivery.secret, delivery.old_secret) if secret]
        headers = {
            "content-type": CONTENT_TYPE,
            **signed_headers(delivery.message_id, int(time.time()), body, secrets),
        }
        try:
            answer = await self.poster.post(delivery.url, body, headers)
        except NotDelivered as error:
            return await self._mark(delivery, None, error.reason)
        # A crash between here and the mark sends the same message again; its id says that it is the same.
        failpoint("webhook.posted")
        return await self._mark(delivery, answer, None if answer.is_success else _why(answer))

    @retried
    async def _mark(self, delivery: Any, answer: Answer | None, error: str | None) -> bool:
        taken = answer is not None and answer.is_success
        asked = {
            "id": delivery.id,
            "attempts": delivery.attempts,
            "status": None if answer is None else answer.status,
            "seconds": None if answer is None else round(answer.seconds, 3),
            "error": error,
            "taken": taken,
            "pause": pause_after(delivery.attempts),
        }
        async with self.db.transaction() as session:
            await session.execute(_LOCK, {"id": delivery.id})
            marked = (await session.execute(_MARK, asked)).one_or_none()
            if marked is not None:
                await self._mark_webhook(session, marked.webhook_id, answer)
        if not taken:
            log.info("webhook.not_delivered", delivery_id=str(delivery.id), attempt=delivery.attempts)
        return taken

    async def _mark_webhook(self, session: AsyncSession, webhook_id: UUID, answer: Answer | None) -> None:
        if answer is not None and answer.is_success:
            await session.execute(_MARK_WELL, {"id": webhook_id})
            return
        gone = answer is not None and answer.status == GONE
        asked = {"id": webhook_id, "gone": gone, "disable_after": self.limits.disable_after}
        rows = (await session.execute(_MARK_FAILING, asked)).all()
        disabled = [row for row in rows if row.disabled_at is not None]
        await tell_disabled(session, ((row.id, row.owner, row.disabled_reason, row.disabled_at) for row in disabled))


def pause_after(attempts: int) -> timedelta:
    """Return how long a delivery that failed so often waits: twice as long each time, of uneven length."""
    pause: timedelta = min(FIRST_PAUSE * 2 ** min(attempts - 1, 20), LONGEST_PAUSE)
    return pause * random.uniform(0.8, 1.2)  # noqa: S311 - no secret


def _why(answer: Answer) -> str:
    return f"status {answer.status}" + (f": {answer.excerpt}" if answer.excerpt else "")
