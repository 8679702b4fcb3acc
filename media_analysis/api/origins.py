"""What a browser lets pages of other origins do here (the CORS protocol of the Fetch standard)."""

from collections.abc import Collection
from typing import Final

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp

METHODS: Final = "GET, HEAD, POST, PUT, PATCH, DELETE"
ASKED_WITH: Final = (
    *("Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Request-ID", "X-Requested-With"),
    *("Content-Digest", "Repr-Digest", "Digest", "Content-MD5"),
    *("If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since", "If-Range", "Range"),
    *("Tus-Resumable", "Upload-Length", "Upload-Defer-Length", "Upload-Offset", "Upload-Metadata", "Upload-Concat"),
    *("Upload-Checksum", "X-HTTP-Method-Override"),
)
"""The headers a page may send."""
TOLD: Final = (
    *("Location", "Link", "ETag", "Last-Modified", "Date", "Retry-After", "Allow", "Accept-Post", "Accept-Patch"),
    *("Accept-Ranges", "Content-Range", "Content-Length", "Content-Disposition", "Repr-Digest"),
    *("WWW-Authenticate", "X-Request-ID", "File-Id"),
    *("Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size", "Tus-Checksum-Algorithm"),
    *("Upload-Offset", "Upload-Length", "Upload-Defer-Length", "Upload-Metadata", "Upload-Concat", "Upload-Expires"),
)
"""The headers a page may read."""
REMEMBERED_SECONDS: Final = 3_600
"""How long a browser need not ask again; none remembers it for more than two hours."""


def allowing(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Return `app`, which pages of these origins may use.

    Without credentials: who asks is told by a token that the page itself sends, and a browser adds nothing to it that
    could make a request somebody else's. The cookie of the service's own page counts for no other's (`api/cookies.py`),
    and answers for everybody differ by nothing else.
    """
    if not origins:
        return app
    return CORSMiddleware(
        app,
        allow_origins=origins,
        allow_methods=METHODS.split(", "),
        allow_headers=ASKED_WITH,
        expose_headers=TOLD,
        max_age=REMEMBERED_SECONDS,
    )
