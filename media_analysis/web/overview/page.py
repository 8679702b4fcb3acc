"""The first screen."""

from fastapi import Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import authenticate
from media_analysis.errors import TokenRejected
from media_analysis.web.entry.signing_in import show_sign_in
from media_analysis.web.pages import page_router, show

router = page_router()


@router.get("/")
async def show_overview(request: Request) -> HTMLResponse:
    """Show what is stored and what leaves; to whoever has not signed in, the form to do so."""
    try:
        await authenticate(request.scope)
    except TokenRejected:
        return show_sign_in(request)
    return show(request, "overview/page.html")
