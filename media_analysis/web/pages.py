"""How a screen becomes an answer: its template, and the headers that let a browser run nothing but our own."""

import gzip
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from secrets import token_urlsafe
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

_HEADERS: Final[Mapping[str, str]] = {
    # Not `no-referrer`: browsers would say of no form from which origin it comes.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
    "Vary": "Accept-Encoding, Cookie",
}
_NONCE_BYTES: Final = 16
_COMPRESSED_FROM: Final = 1024
_LEVEL: Final = 6


def _headers(nonce: str) -> Mapping[str, str]:
    """Return what a browser may do with a page: run scripts and styles that know the nonce, and show it in no frame.

    Scripts of our origin are not enough: files that anybody uploaded are served there, too (W3C CSP, section 6.7.3.3).
    """
    policy = (
        f"default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; img-src 'self' blob:; "
        "media-src 'self' blob:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {"Content-Security-Policy": policy, **_HEADERS}


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

    Every template also knows `caller` (None for whoever has not signed in), `path`, `now`, and the `nonce` that its
    scripts and styles are to have.
    """
    page = templates().get_template(template)
    caller = request.scope.get("state", {}).get("caller")
    nonce = token_urlsafe(_NONCE_BYTES)
    about = {"caller": caller, "path": request.scope["path"], "now": datetime.now(UTC), "nonce": nonce}
    content = page.render(**about, **told).encode()
    said = {**_headers(nonce), **(headers or {})}
    if len(content) >= _COMPRESSED_FROM and accepts_gzip(request):
        content, said = gzip.compress(content, _LEVEL, mtime=0), {**said, "Content-Encoding": "gzip"}
    return HTMLResponse(content, status, headers=said)
