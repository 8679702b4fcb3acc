"""How a screen becomes an answer: its template, and the headers that let a browser run nothing but our own."""

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

from fastapi import APIRouter
from fastapi.routing import APIRoute
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse

from media_analysis.api import API_PATH
from media_analysis.api.place import address
from media_analysis.sessions.roles import Scope
from media_analysis.web.assets import accepts_gzip, asset_address
from media_analysis.web.writing import FILTERS

HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; media-src 'self' blob:; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    # Not `no-referrer`: browsers would say of no form from which origin it comes.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding, Cookie",
}
"""What a browser may do with a page: run scripts and styles beside it, of our own, and show it in no frame."""
_COMPRESSED_FROM: Final = 1024
_LEVEL: Final = 6


class PageRoute(APIRoute):
    """A route that answers with a page, its refusals too."""


def page_router(*tags: str) -> APIRouter:
    """Return what the routes of a screen are registered with; its tags say, as those of the API, which scope they need.

    Source: decision 0044.
    """
    return APIRouter(include_in_schema=False, route_class=PageRoute, tags=[*tags], default_response_class=HTMLResponse)


@cache
def templates() -> Environment:
    """Return what knows all templates of the page."""
    made = Environment(
        loader=PackageLoader("media_analysis.web", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals |= {"url": address, "asset": asset_address, "api": API_PATH, "Scope": Scope}
    made.filters |= FILTERS
    return made


def show(
    request: Request,
    template: str,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    **told: Any,
) -> HTMLResponse:
    """Return the page that a template makes of what it is told; names that users made are text in it.

    Every template also knows `caller` (None for whoever has not signed in), `path` and `now`.
    """
    page = templates().get_template(template)
    caller = request.scope.get("state", {}).get("caller")
    content = page.render(caller=caller, path=request.scope["path"], now=datetime.now(UTC), **told).encode()
    said = {**HEADERS, **(headers or {})}
    if len(content) >= _COMPRESSED_FROM and accepts_gzip(request):
        content, said = gzip.compress(content, _LEVEL, mtime=0), {**said, "Content-Encoding": "gzip"}
    return HTMLResponse(content, status, headers=said)
