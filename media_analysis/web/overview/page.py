"""The first screen."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Serving, authenticate
from media_analysis.errors import TokenRejected
from media_analysis.web.entry.signing_in import show_sign_in
from media_analysis.web.overview.advice import advice_of
from media_analysis.web.overview.facts import read_overview
from media_analysis.web.pages import page_router, show

router = page_router()


@router.get("/")
async def show_overview(request: Request, services: Serving) -> HTMLResponse:
    """Show what is stored and what leaves; to whoever has not signed in, the form to do so."""
    try:
        caller = await authenticate(request.scope)
    except TokenRejected:
        return show_sign_in(request)
    if caller.limit is not None:
        return show(request, "overview/limited.html")
    overview = await read_overview(services, caller)
    return show(request, "overview/page.html", overview=overview, house=overview.house, advice_of=advice_of)
