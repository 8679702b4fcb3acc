"""Webhooks: who is told of which events where, and how that went."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import document_problems, problems
from media_analysis.api.pages import PageQuery, encode_cursor
from media_analysis.api.place import address
from media_analysis.api.schemas.webhooks import (
    DeliveryList,
    DeliveryListQuery,
    DeliveryRead,
    WebhookCreate,
    WebhookList,
    WebhookRead,
    WebhookSecretRead,
    WebhookUpdate,
)
from media_analysis.webhooks.service import NewWebhook

router = APIRouter(
    prefix=f"{API_PATH}/webhooks",
    tags=["webhooks"],
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)
_PROBLEMS = problems(errors.TokenRejected, errors.InvalidRequest)
_OF_ONE = problems(errors.TokenRejected, errors.WebhookNotFound, errors.InvalidRequest)
_ADDRESSES = {**problems(errors.InvalidRequest, errors.AddressRefused), **document_problems()}


@router.post(
    "",
    status_code=201,
    responses={**problems(errors.TokenRejected, errors.TooManyWebhooks), **_ADDRESSES},
)
async def create_webhook(
    asked: WebhookCreate, response: Response, services: Serving, caller: Caller
) -> WebhookSecretRead:
    """Tell of the caller's events at an address from now on; the answer has the secret, which is not shown again.

    A webhook outlives the session it was made with: it is told until it is deleted or disabled.
    """
    new = NewWebhook(owner=caller.owner, url=asked.url, events=asked.events, labels=asked.labels)
    made = await services.webhooks.hooks.create(new)
    response.headers["Location"] = address(f"{API_PATH}/webhooks/{made.id}")
    response.headers["Cache-Control"] = "no-store"
    return WebhookSecretRead.with_secret(made)


@router.get("", responses=_PROBLEMS)
async def list_webhooks(services: Serving, caller: Caller, query: Annotated[PageQuery, Query()]) -> WebhookList:
    """List the caller's webhooks, or everybody's for an administrator; newest first."""
    page = await services.webhooks.hooks.list(owner=caller.scope, before=query.before(), limit=query.limit)
    items = [WebhookRead.of(webhook) for webhook in page.webhooks]
    return WebhookList(items=items, next_cursor=encode_cursor(page.next_before))


@router.get("/{webhook_id}", responses=_OF_ONE)
async def read_webhook(webhook_id: UUID, services: Serving, caller: Caller) -> WebhookRead:
    """Describe a webhook without its secret."""
    return WebhookRead.of(await services.webhooks.hooks.get(webhook_id, owner=caller.scope))


@router.patch("/{webhook_id}", responses={**_OF_ONE, **_ADDRESSES})
async def update_webhook(webhook_id: UUID, change: WebhookUpdate, services: Serving, caller: Caller) -> WebhookRead:
    """Change where it goes and what it is told, disable it, or enable it again."""
    changed = await services.webhooks.hooks.change(
        webhook_id, change.changes(), owner=caller.scope, enabled=change.enabled
    )
    return WebhookRead.of(changed)


@router.delete("/{webhook_id}", status_code=204, responses=_OF_ONE)
async def delete_webhook(webhook_id: UUID, services: Serving, caller: Caller) -> None:
    """Delete a webhook and all its deliveries, those that wait too."""
    await services.webhooks.hooks.delete(webhook_id, owner=caller.scope)


@router.post("/{webhook_id}/secret", responses=_OF_ONE)
async def rotate_webhook_secret(
    webhook_id: UUID, response: Response, services: Serving, caller: Caller
) -> WebhookSecretRead:
    """Make a new secret, shown this once; for `WEBHOOKS_SECRET_OVERLAP` deliveries are signed with the old one, too."""
    response.headers["Cache-Control"] = "no-store"
    return WebhookSecretRead.with_secret(await services.webhooks.hooks.rotate_secret(webhook_id, owner=caller.scope))


@router.post("/{webhook_id}/ping", status_code=202, responses={**_OF_ONE, **problems(errors.WebhookDisabled)})
async def ping_webhook(webhook_id: UUID, services: Serving, caller: Caller) -> DeliveryRead:
    """Send an event `ping`, which tells of nothing, to see whether it is taken."""
    return DeliveryRead.of(await services.webhooks.log.ping(webhook_id, owner=caller.scope))


@router.get("/{webhook_id}/deliveries", responses=_OF_ONE)
async def list_deliveries(
    webhook_id: UUID, services: Serving, caller: Caller, query: Annotated[DeliveryListQuery, Query()]
) -> DeliveryList:
    """List what was sent, is about to be, or was given up; newest first."""
    page = await services.webhooks.log.list(
        webhook_id, owner=caller.scope, state=query.state, below=query.below(), limit=query.limit
    )
    return DeliveryList.from_page(page)


@router.post(
    "/{webhook_id}/deliveries/{delivery_id}/redeliver",
    status_code=202,
    responses={**_OF_ONE, **problems(errors.WebhookNotFound, errors.DeliveryNotFound, errors.WebhookDisabled)},
)
async def redeliver(webhook_id: UUID, delivery_id: UUID, services: Serving, caller: Caller) -> DeliveryRead:
    """Send the same message again, with the same id; what waits is sent now."""
    return DeliveryRead.of(await services.webhooks.log.redeliver(webhook_id, delivery_id, owner=caller.scope))
