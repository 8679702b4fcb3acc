"""Webhooks, and the deliveries of one."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.pages import PageQuery, encode_cursor
from media_analysis.api.schemas.webhooks import DeliveryList, DeliveryListQuery, WebhookRead
from media_analysis.events.types import EventType
from media_analysis.web.pages import page_router, show
from media_analysis.webhooks.log import DeliveryState

router = page_router("webhooks")


@router.get("/webhooks")
async def show_webhooks(
    request: Request, services: Serving, caller: Caller, query: Annotated[PageQuery, Query()]
) -> HTMLResponse:
    """Show webhooks, newest first, and the form that makes another."""
    page = await services.webhooks.hooks.list(owner=caller.scope, before=query.before(), limit=query.limit)
    return show(
        request,
        "webhooks/page.html",
        webhooks=[WebhookRead.of(webhook) for webhook in page.webhooks],
        types=list(EventType),
        next_cursor=encode_cursor(page.next_before),
    )


@router.get("/webhooks/{webhook_id}")
async def show_webhook(
    webhook_id: UUID, request: Request, services: Serving, caller: Caller, query: Annotated[DeliveryListQuery, Query()]
) -> HTMLResponse:
    """Show one webhook, and what became of what it was told."""
    webhook = await services.webhooks.hooks.get(webhook_id, owner=caller.scope)
    page = await services.webhooks.log.list(
        webhook_id, owner=caller.scope, state=query.state, below=query.below(), limit=query.limit
    )
    return show(
        request,
        "webhooks/webhook.html",
        webhook=WebhookRead.of(webhook),
        deliveries=DeliveryList.from_page(page),
        states=list(DeliveryState),
        state=query.state,
    )
