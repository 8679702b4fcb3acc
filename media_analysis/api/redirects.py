"""Redirects of downloads to an address at which the bucket itself sends the bytes."""

from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

Signing = Callable[[], str | None]
"""Returns the address of the bytes, None where the service sends them itself."""
_OURS: Final = frozenset({"if-match", "if-unmodified-since"})
"""Conditions that a client would bring to the bucket, too, whose tags and dates are others."""
REDIRECTED: Final[dict[int | str, dict[str, Any]]] = {
    307: {
        "description": "With `STORAGE_DOWNLOADS=redirect`: for a minute at most the bucket sends the bytes itself",
        "headers": {
            "Location": {
                "description": "Signed: whoever has it needs no token, and none is to be sent there",
                "schema": {"type": "string", "format": "uri"},
            }
        },
    }
}


def redirected(request: Request, etag: str, sign: Signing) -> Response | None:
    """Return the redirect that answers a GET of bytes, None where they are sent from here.

    They are for whoever shows a film: a player asks for ranges as long as somebody looks, at the address it was sent
    to. So the page, which comes with its cookie, is never redirected. Nor is whoever goes on with bytes of ours, which
    the bucket calls by another tag, or wants something to be true of them.
    """
    headers = request.headers
    by_cookie = "cookie" in headers and "authorization" not in headers and "reference" not in request.path_params
    if request.method != "GET" or by_cookie or headers.get("if-range") == etag or any(map(headers.__contains__, _OURS)):
        return None
    address = sign()
    if address is None:
        return None
    return Response(status_code=307, headers={"Location": address, "Cache-Control": "private, no-store"})
