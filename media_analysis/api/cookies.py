"""The cookie of whoever signed in with a browser, and what a request that comes with it must be: of our own page.

Source: Fetch standard (Origin), W3C Fetch Metadata (Sec-Fetch-Site), RFC 6265bis (SameSite), OWASP on CSRF.
"""

from typing import Final

from starlette.datastructures import URL, Headers
from starlette.requests import cookie_parser
from starlette.types import Scope

from media_analysis.errors import ForeignOrigin, InvalidRequest

COOKIE: Final = "media_analysis"
_READS: Final = frozenset({"GET", "HEAD"})
_OWN_SITES: Final = frozenset({"same-origin", "none"})
"""A page of ours, or nobody's page: an address that somebody typed."""


def token_of_cookie(scope: Scope) -> str | None:
    """Return the token in the cookie of a request; None where there is none, or another site's page asks to read.

    Raises:
        ForeignOrigin: it comes with the cookie, is to change something, and no page of ours is known to have sent it.
        InvalidRequest: there are two.

    """
    headers = Headers(scope=scope)
    token = _token(headers)
    if not token:
        return None
    if scope["method"] not in _READS:
        require_own_origin(scope, is_certain=True)
        return token
    return token if headers.get("sec-fetch-site", "none") in _OWN_SITES else None


def require_own_origin(scope: Scope, *, is_certain: bool) -> None:
    """Refuse a request that a page of another origin sent, or, where it must be `certain`, one that says nothing of it.

    Raises:
        ForeignOrigin: it is.

    """
    headers = Headers(scope=scope)
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site is None and origin is None and not is_certain:
        return
    is_own = site in _OWN_SITES or site is None
    if origin is not None:
        is_own = is_own and origin.partition("://")[2] == (headers.get("host") or URL(scope=scope).netloc)
    if not is_own or (site is None and origin is None):
        raise ForeignOrigin


def _token(headers: Headers) -> str | None:
    # Another service at this host, or at one below the same name, may have set the second: whose would be used?
    parts = [part for line in headers.getlist("cookie") for part in line.split(";")]
    told = {parsed[COOKIE] for part in parts if COOKIE in (parsed := cookie_parser(part))}
    if len(told) > 1:
        raise InvalidRequest("Cookie", f"{COOKIE} is there twice: delete the cookies of this host, and sign in again")
    return next(iter(told), None)


def set_cookie(scope: Scope, token: str, *, path: str, seconds: int) -> str:
    """Return the field that has a browser keep a token where no script reads it; 0 seconds has it forgotten."""
    secure = "; Secure" if scope["scheme"] == "https" else ""
    return f"{COOKIE}={token}; Path={path or '/'}; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}"
