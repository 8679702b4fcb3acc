"""The page at /docs: the reference of the interface, for a browser that runs none but its own scripts."""

import base64
import hashlib
import re
from typing import Final

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse

from media_analysis.api.place import address

STATIC: Final = "/static-offline-docs"
_INLINE: Final = re.compile(r"<script>(.*?)</script>", re.DOTALL)
_POLICY: Final = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self'; img-src 'self' data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/docs")
async def show_reference(request: Request) -> HTMLResponse:
    """Show every route, with forms to try them; the page brings its own scripts, for many servers know no way out."""
    static = address(STATIC)
    page = get_swagger_ui_html(
        openapi_url=address(request.app.openapi_url),
        title=request.app.title,
        swagger_js_url=f"{static}/swagger-ui-bundle.js",
        swagger_css_url=f"{static}/swagger-ui.css",
        swagger_favicon_url=f"{static}/favicon.png",
        swagger_ui_parameters={"validatorUrl": None},  # else another host is told the address of this one
    )
    page.headers["Content-Security-Policy"] = policy_of(bytes(page.body).decode())
    return page


def policy_of(page: str) -> str:
    """Return the Content-Security-Policy that lets a page run the scripts in it and beside it, and no others."""
    return _POLICY.format(scripts=" ".join(map(_hash, _INLINE.findall(page))))


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
