"""The sessions somebody has, or, for administrators, all of them."""

from typing import Annotated

from fastapi import Query, Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.pages import PageQuery, encode_cursor
from media_analysis.sessions.roles import Scope
from media_analysis.web.pages import page_router, show

router = page_router()


@router.get("/sessions")
async def show_sessions(
    request: Request, services: Serving, caller: Caller, query: Annotated[PageQuery, Query()]
) -> HTMLResponse:
    """Show sessions, newest first, those that ended too, and the form that makes another."""
    page = await services.sessions.list(owner=caller.scope, before=query.before(), limit=query.limit)
    return show(
        request,
        "sessions/page.html",
        sessions=page.sessions,
        scopes=list(Scope),
        next_cursor=encode_cursor(page.next_before),
    )
