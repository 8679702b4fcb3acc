"""Webhooks of owners: made, looked at, changed, tried and deleted; `owner=None` is an administrator."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from uuid import UUID

from sqlalchemy import ColumnElement, delete, func, insert, select, text, update
from sqlalchemy.ext.asyncio import AsyncSession
from uuid_utils.compat import uuid7

from media_analysis.db.database import Database, retried
from media_analysis.errors import TooManyWebhooks, WebhookNotFound
from media_analysis.outbound.addresses import AddressRule, Target
from media_analysis.outbound.signing import new_secret
from media_analysis.webhooks.limits import WebhookLimits
from media_analysis.webhooks.models import Webhook

_LAST_EVENT: Final = text("SELECT last_value - (NOT is_called)::int FROM events_id_seq")
_IS_ANY: Final = text("SELECT EXISTS (SELECT FROM webhooks WHERE disabled_at IS NULL)")
_LOCK_OWNER: Final = text("SELECT pg_advisory_xact_lock(hashtextextended('webhooks ' || CAST(:owner AS text), 0))")


@dataclass(frozen=True, kw_only=True, slots=True)
class NewWebhook:
    """A webhook about to be made."""

    owner: str
    url: str
    events: Sequence[str]
    labels: Sequence[str] = ()


class WebhookPage(NamedTuple):
    """Some webhooks, newest first, and where the next page begins."""

    webhooks: Sequence[Webhook]
    next_before: UUID | None


@dataclass(frozen=True)
class WebhookService:
    """Keeps webhooks; what is sent to them is decided and done elsewhere."""

    db: Database
    rule: AddressRule
    limits: WebhookLimits
    wake: Callable[[], None] = field(default=lambda: None)
    """Is called when there may be something to send."""

    async def create(self, asked: NewWebhook) -> Webhook:
        """Make a webhook, with a secret that nobody is told again.

        Raises:
            AddressRefused: nothing may be sent there.
            TooManyWebhooks: the owner has as many as one may have.

        """
        await self._require_allowed(asked.url)
        made = await self._add(asked)
        self.wake()
        return made

    async def get(self, webhook_id: UUID, *, owner: str | None) -> Webhook:
        """Return a webhook.

        Raises:
            WebhookNotFound: unknown, or somebody else's.

        """
        async with self.db.read_only() as session:
            return await require_webhook(session, webhook_id, owner=owner)

    async def is_any(self) -> bool:
        """Say whether anybody has a webhook that is not disabled."""
        async with self.db.read_only() as session:
            return bool((await session.execute(_IS_ANY)).scalar_one())

    async def list(self, *, owner: str | None, before: UUID | None, limit: int) -> WebhookPage:
        """Return one page of webhooks, newest first."""
        query = select(Webhook).where(*_of(owner)).order_by(Webhook.id.desc()).limit(limit + 1)
        if before is not None:
            query = query.where(Webhook.id < before)
        async with self.db.read_only() as session:
            found = (await session.scalars(query)).all()
        return WebhookPage(found[:limit], found[limit - 1].id if len(found) > limit else None)

    async def change(
        self, webhook_id: UUID, changes: Mapping[str, Any], *, owner: str | None, enabled: bool | None = None
    ) -> Webhook:
        """Change where a webhook goes and what it is told, disable or enable it: what happened meanwhile is not told.

        Raises:
            WebhookNotFound, AddressRefused: there is none, or nothing may be sent there.

        """
        if (url := changes.get("url")) is not None:
            await self._require_allowed(url)
        changed = await self._change(webhook_id, changes, owner=owner, enabled=enabled)
        self.wake()
        return changed

    @retried
    async def rotate_secret(self, webhook_id: UUID, *, owner: str | None) -> Webhook:
        """Give a webhook a new secret; for a while the one before is signed with, too."""
        async with self.db.transaction() as session:
            found = await require_webhook(session, webhook_id, owner=owner, lock=True)
            values = {
                "secret": new_secret(),
                "old_secret": found.secret,
                "old_secret_until": func.now() + self.limits.overlap,
            }
            return await _update(session, webhook_id, values)

    @retried
    async def delete(self, webhook_id: UUID, *, owner: str | None) -> None:
        """Delete a webhook with all its deliveries, also those that wait."""
        async with self.db.transaction() as session:
            await require_webhook(session, webhook_id, owner=owner, lock=True)
            await session.execute(delete(Webhook).where(Webhook.id == webhook_id))

    @retried
    async def _add(self, asked: NewWebhook) -> Webhook:
        async with self.db.transaction() as session:
            await session.execute(_LOCK_OWNER, {"owner": asked.owner})
            mine = select(func.count()).select_from(Webhook).where(Webhook.owner == asked.owner)
            if (await session.execute(mine)).scalar_one() >= self.limits.per_owner:
                raise TooManyWebhooks(limit=self.limits.per_owner)
            values = {
                "id": uuid7(),
                "owner": asked.owner,
                "url": asked.url,
                "events": list(asked.events),
                "labels": list(asked.labels),
                "secret": new_secret(),
                "after_event": (await session.execute(_LAST_EVENT)).scalar_one(),
            }
            return (await session.scalars(insert(Webhook).values(values).returning(Webhook))).one()

    @retried
    async def _change(
        self, webhook_id: UUID, changes: Mapping[str, Any], *, owner: str | None, enabled: bool | None
    ) -> Webhook:
        async with self.db.transaction() as session:
            found = await require_webhook(session, webhook_id, owner=owner, lock=True)
            values: dict[str, Any] = dict(changes)
            if enabled is False and found.disabled_at is None:
                values |= {"disabled_at": func.now(), "disabled_reason": "requested"}
            elif enabled and found.disabled_at is not None:
                last = (await session.execute(_LAST_EVENT)).scalar_one()
                values |= {"disabled_at": None, "disabled_reason": None, "failing_since": None, "after_event": last}
            return await _update(session, webhook_id, values) if values else found

    async def _require_allowed(self, url: str) -> None:
        """Look through an address; a name that nobody knows now may be known when something is sent."""
        target: Target = self.rule.look_through(url)
        try:
            await self.rule.resolve(target)
        except (OSError, TimeoutError):
            return


async def require_webhook(session: AsyncSession, webhook_id: UUID, *, owner: str | None, lock: bool = False) -> Webhook:
    """Return a webhook, locked if asked for.

    Raises:
        WebhookNotFound: unknown, or somebody else's.

    """
    query = select(Webhook).where(Webhook.id == webhook_id, *_of(owner))
    found = (await session.scalars(query.with_for_update() if lock else query)).one_or_none()
    if found is None:
        raise WebhookNotFound(webhook_id)
    return found


async def _update(session: AsyncSession, webhook_id: UUID, values: Mapping[str, Any]) -> Webhook:
    changed = update(Webhook).where(Webhook.id == webhook_id).values(**values).returning(Webhook)
    options = {"populate_existing": True}
    return (await session.scalars(changed, execution_options=options)).one()


def _of(owner: str | None) -> list[ColumnElement[bool]]:
    return [] if owner is None else [Webhook.owner == owner]
