"""Notices: what the outside is told once, kept until somebody at the other end has taken it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Protocol
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.deletion.outbox import backoff
from media_analysis.errors import NotDelivered
from media_analysis.retention.models import Notice

END_NOTICES: Final = "DELETE FROM notices"
LEASE: Final = timedelta(minutes=2)
PAGE: Final = 100
MAX_ATTEMPTS: Final = 20
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class ClaimedNotice:
    """A notice this process now delivers."""

    id: UUID
    topic: str
    payload: Mapping[str, Any]
    attempts: int


class Carrier(Protocol):
    """Brings notices to whoever wants them."""

    async def deliver(self, notices: Sequence[ClaimedNotice]) -> None:
        """Hand over all of them or none.

        Raises:
            NotDelivered: they were not taken, or nobody knows.

        """
        ...


_TAKE = text("""
    UPDATE notices SET due_at = :now + :lease, attempts = attempts + 1
    WHERE id = ANY(ARRAY(
        SELECT id FROM notices WHERE due_at <= :now ORDER BY due_at, id LIMIT :limit FOR UPDATE SKIP LOCKED
    ))
    RETURNING id, topic, payload, attempts
""")

_MARK_SENT = text("""
    UPDATE notices SET sent_at = now(), due_at = NULL, last_error = NULL WHERE id = ANY(CAST(:ids AS uuid[]))
""")

_MARK_FAILED = text("""
    UPDATE notices SET last_error = :error, due_at = CASE WHEN NOT failed.given_up THEN now() + failed.pause END
    FROM unnest(CAST(:ids AS uuid[]), CAST(:pauses AS interval[]), CAST(:given_up AS boolean[]))
        AS failed(id, pause, given_up)
    WHERE notices.id = failed.id
""")


async def add_notices(session: AsyncSession, told: Mapping[str, Mapping[str, Any]], *, now: datetime) -> int:
    """Put payloads by topic on the list, once a topic; return how many were new."""
    if not told:
        return 0
    rows = [
        {"id": uuid7(), "topic": topic, "payload": dict(payload), "created_at": now, "due_at": now, "attempts": 0}
        for topic, payload in sorted(told.items())
    ]
    added = insert(Notice).values(rows).on_conflict_do_nothing(index_elements=["topic"]).returning(Notice.id)
    return len((await session.execute(added)).all())


@dataclass(frozen=True)
class NoticeService:
    """Delivers what is due; each notice by one process at a time, again with a backoff until it was taken."""

    db: Database
    carrier: Carrier | None
    """None: nobody wants to know, and nothing is put on the list."""

    async def deliver(self, *, now: datetime | None = None) -> int:
        """Deliver what is due and return how many were taken."""
        if self.carrier is None:
            return 0
        delivered = 0
        while taken := await self._take(now):
            # A crash between here and the mark tells the same notice twice; its id says that it is the same.
            try:
                await self.carrier.deliver(taken)
            except NotDelivered as error:
                await self._mark_failed(taken, str(error))
                log.warning("notices.not_delivered", notices=len(taken), reason=str(error))
                break
            async with self.db.transaction() as session:
                await session.execute(_MARK_SENT, {"ids": [notice.id for notice in taken]})
            delivered += len(taken)
        return delivered

    @retried
    async def _take(self, now: datetime | None) -> Sequence[ClaimedNotice]:
        moment = now or await self.db.now()
        async with self.db.transaction() as session:
            rows = await session.execute(_TAKE, {"now": moment, "lease": LEASE, "limit": PAGE})
            taken = [ClaimedNotice(row.id, row.topic, row.payload, row.attempts) for row in rows]
        return sorted(taken, key=lambda notice: notice.id)

    @retried
    async def _mark_failed(self, taken: Sequence[ClaimedNotice], error: str) -> None:
        async with self.db.transaction() as session:
            await session.execute(
                _MARK_FAILED,
                {
                    "error": error,
                    "ids": [notice.id for notice in taken],
                    "pauses": [backoff(notice.attempts) for notice in taken],
                    "given_up": [notice.attempts >= MAX_ATTEMPTS for notice in taken],
                },
            )
