"""From events to deliveries: one row for each webhook that wants an event, written once however often it is tried."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.events.types import types_of
from media_analysis.failpoints import failpoint
from media_analysis.feed.events import EventPlace, EventSelection, ToldEvent
from media_analysis.feed.reading import FeedPage, read_page
from media_analysis.feed.service import FeedService
from media_analysis.labels import parse_filters
from media_analysis.retention.notices.service import add_notices
from media_analysis.webhooks.limits import WebhookLimits
from media_analysis.webhooks.messages import SOURCE, cloud_event

PAGE: Final = 500
BURST: Final = 10
"""How many times as many may wait for a receiver that takes what it is told: a sweep tells of all its files at once."""
log = structlog.get_logger()
TOO_MANY_WAITING: Final = "too_many_waiting"

_BEGIN: Final = text("""
    INSERT INTO webhook_places (name, logged, file) VALUES ('webhooks', 0, 0) ON CONFLICT DO NOTHING
""")
_LOCK: Final = text(f"""
    SELECT logged, file, ({SOURCE}) AS source FROM webhook_places WHERE name = 'webhooks' FOR UPDATE SKIP LOCKED
""")  # noqa: S608 - a constant
_MOVE: Final = text("UPDATE webhook_places SET logged = :logged, file = :file WHERE name = 'webhooks'")
# None of them goes while deliveries to it are written.
_WANTED: Final = text("""
    SELECT id, owner, events, labels, after_event FROM webhooks WHERE disabled_at IS NULL ORDER BY id FOR KEY SHARE
""")
_ADD: Final = text("""
    INSERT INTO webhook_deliveries (id, webhook_id, message_id, subject, type, body, due_at, gives_up_at)
    SELECT id, webhook_id, message_id, subject, type, body, now(), now() + :retry_for
    FROM unnest(CAST(:ids AS uuid[]), CAST(:webhook_ids AS uuid[]), CAST(:message_ids AS text[]),
        CAST(:subjects AS text[]), CAST(:types AS text[]), CAST(:bodies AS text[])) WITH ORDINALITY
        AS told(id, webhook_id, message_id, subject, type, body, place)
    ORDER BY place ON CONFLICT (webhook_id, message_id) DO NOTHING
""")
_DISABLE_CROWDED: Final = text("""
    UPDATE webhooks SET disabled_at = now(), disabled_reason = :reason
    WHERE id = ANY(ARRAY(
        SELECT hook.id
        FROM webhooks AS hook, LATERAL (
            SELECT CASE WHEN failing_since IS NULL THEN CAST(:spared AS bigint) ELSE :most END
        ) AS may(wait)
        WHERE hook.id = ANY(CAST(:ids AS uuid[])) AND (SELECT count(*) FROM (
            SELECT FROM webhook_deliveries WHERE webhook_id = hook.id AND due_at IS NOT NULL LIMIT may.wait + 1
        ) AS waiting) > may.wait
    )) AND disabled_at IS NULL
    RETURNING id, owner, now() AS at
""")


@dataclass(frozen=True, slots=True)
class _Wanting:
    """A webhook, and what it wants to be told."""

    id: UUID
    after_event: int
    selection: EventSelection

    def wants(self, event: ToldEvent) -> bool:
        return (
            event.place.logged > self.after_event
            and event.owner in (self.selection.owners or ())
            and event.type in self.selection.types
            and all(label.is_met(event.labels) for label in self.selection.labels)
        )


@dataclass(frozen=True)
class FanOutService:
    """Goes through the log behind the last event it went through; of several processes one at a time."""

    db: Database
    feed: FeedService
    limits: WebhookLimits

    async def run(self) -> int:
        """Write the deliveries of all events that have settled; return how many there were."""
        settled = (await self.feed.now()).logged
        total = 0
        while (written := await self._page(settled)) is not None:
            total += written
        return total

    @retried
    async def _page(self, settled: int) -> int | None:
        """Go through one page; return how many deliveries that gave, None where nothing is left."""
        async with self.db.transaction() as session:
            await session.execute(_BEGIN)
            place = (await session.execute(_LOCK)).one_or_none()
            wanting = [_wanting(row) for row in await session.execute(_WANTED)]
            if place is None or not wanting:
                return None
            begin = max(EventPlace(place.logged, place.file), EventPlace(min(one.after_event for one in wanting)))
            if begin >= EventPlace(settled):
                return None
            page = await _read(session, wanting, begin, settled)
            if begin.logged < page.ended:
                log.warning("webhooks.events_missed", after=str(begin), until=page.ended)
            deliveries = [(one.id, event) for event in page.events for one in wanting if one.wants(event)]
            await self._add(session, deliveries, place.source)
            failpoint("webhook.fanning_out")
            await session.execute(_MOVE, {"logged": page.after.logged, "file": page.after.file})
        failpoint("webhook.fanned_out")
        return len(deliveries)

    async def _add(self, session: AsyncSession, deliveries: Sequence[tuple[UUID, ToldEvent]], source: str) -> None:
        if not deliveries:
            return
        rows = [(webhook_id, event, json.dumps(cloud_event(event, source))) for webhook_id, event in deliveries]
        asked = {
            "ids": [uuid7() for _ in rows],
            "webhook_ids": [webhook_id for webhook_id, _, _ in rows],
            "message_ids": [str(event.place) for _, event, _ in rows],
            "subjects": [event.subject for _, event, _ in rows],
            "types": [event.type for _, event, _ in rows],
            "bodies": [body for _, _, body in rows],
            "retry_for": self.limits.retry_for,
        }
        await session.execute(_ADD, asked)
        waiting = self.limits.waiting
        await disable_crowded(session, {one for one, _ in deliveries}, waiting, spared=BURST * waiting)


async def _read(session: AsyncSession, wanting: Iterable[_Wanting], begin: EventPlace, settled: int) -> FeedPage:
    selections = [one.selection for one in wanting]
    wanted = EventSelection(
        owners=frozenset(owner for one in selections for owner in one.owners or ()),
        types=frozenset(each for one in selections for each in one.types),
    )
    return await read_page(session, wanted, begin, until=settled, limit=PAGE)


def _wanting(row: Any) -> _Wanting:
    selection = EventSelection(
        owners=frozenset({row.owner}), types=types_of(row.events), labels=parse_filters(row.labels)
    )
    return _Wanting(row.id, row.after_event, selection)


async def disable_crowded(session: AsyncSession, ids: Iterable[UUID], most: int, *, spared: int) -> None:
    """Disable those of some webhooks for which more waits than `most`, or `spared` where nothing has failed of late."""
    crowded = {"ids": list(ids), "most": most, "spared": spared, "reason": TOO_MANY_WAITING}
    disabled = (await session.execute(_DISABLE_CROWDED, crowded)).all()
    await tell_disabled(session, ((row.id, row.owner, TOO_MANY_WAITING, row.at) for row in disabled))


async def tell_disabled(session: AsyncSession, disabled: Iterable[tuple[UUID, str, str, Any]]) -> None:
    """Put a notice on the list for each webhook (id, owner, reason, instant) that was disabled."""
    for webhook_id, owner, reason, at in disabled:
        await add_notices(session, dict(_notice(webhook_id, owner, reason, at)), now=at)


def _notice(webhook_id: UUID, owner: str, reason: str, at: Any) -> Iterator[tuple[str, Mapping[str, Any]]]:
    told = {"kind": "webhook_disabled", "webhook_id": str(webhook_id), "owner": owner, "reason": reason}
    yield f"webhook:{webhook_id}:{at.isoformat()}", {**told, "at": at.isoformat()}
