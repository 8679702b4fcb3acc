"""Signing in with a token, for a cookie that no script reads; and out again."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.responses import Response

from media_analysis.api.cookies import require_own_origin, set_cookie
from media_analysis.api.dependencies import Caller, Serving, caller_of
from media_analysis.api.place import address
from media_analysis.api.resources import FORM
from media_analysis.errors import InvalidRequest, TokenRejected
from media_analysis.web.pages import page_router, show

SIGNED_IN_FOR: Final = timedelta(days=7)
_MOST_FIELDS: Final = 10

router = page_router()


class SignIn(BaseModel):
    """What the form sends."""

    token: str = Field(min_length=1)
    next: str = "/"


def show_sign_in(
    request: Request,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    next_path: str | None = None,
    is_rejected: bool = False,
) -> HTMLResponse:
    """Return the form to sign in with, which leads to what was asked for.

    Whoever follows another site's link comes without the cookie, for it is SameSite=Strict: the page asks once more by
    itself, and then with it.
    """
    path, query = request.scope["path"], request.scope["query_string"].decode("latin-1")
    is_read = request.method in {"GET", "HEAD"}
    return show(
        request,
        "entry/sign-in.html",
        status=status,
        headers=headers,
        next=next_path or (f"{path}?{query}" if query else path if is_read else "/"),
        is_rejected=is_rejected,
        asks_again=is_read and request.headers.get("sec-fetch-site", "none") not in {"none", "same-origin"},
    )


@router.post("/sign-in", openapi_extra={"requestBody": {"content": {FORM: {}}}})
async def sign_in(request: Request, services: Serving) -> Response:
    """Answer a good token with a cookie of its own session, which ends with the token's."""
    require_own_origin(request.scope, is_certain=False)
    asked = await _read_form(request)
    try:
        caller = await caller_of(request.scope, asked.token.strip())
        made, token = await services.sessions.create_child(caller.session_id, ttl=SIGNED_IN_FOR)
    except TokenRejected:
        status = int(HTTPStatus.UNAUTHORIZED)
        return show_sign_in(request, status=status, next_path=own_path(asked.next), is_rejected=True)
    answer = _see(own_path(asked.next))
    seconds = max(1, int((made.expires_at - datetime.now(UTC)).total_seconds()))
    answer.headers["Set-Cookie"] = set_cookie(request.scope, token, path=address(""), seconds=seconds)
    return answer


@router.post("/sign-out")
async def sign_out(request: Request, services: Serving, caller: Caller) -> Response:
    """End the session of the cookie, whoever else has it."""
    await services.sessions.revoke(caller.session_id, owner=caller.owner, by=caller)
    answer = _see("/")
    answer.headers["Set-Cookie"] = set_cookie(request.scope, "", path=address(""), seconds=0)
    answer.headers["Clear-Site-Data"] = '"cache", "storage"'
    return answer


def own_path(told: str) -> str:
    r"""Return a path that stays with this service, `/` in place of any other: `//host`, `/\host`, `https:…`."""
    is_own = told.startswith("/") and not told.startswith("//") and "\\" not in told and told.isprintable()
    return told if is_own else "/"


async def _read_form(request: Request) -> SignIn:
    try:
        told = parse_qs((await request.body()).decode(), max_num_fields=_MOST_FIELDS)
        return SignIn(**{name: values[0] for name, values in told.items() if len(values) == 1})
    except ValidationError as error:
        raise InvalidRequest("token", "must be given once, and `next` at most once") from error
    except ValueError as error:
        raise InvalidRequest("body", "is not a form") from error


def _see(path: str) -> Response:
    return RedirectResponse(address(path), int(HTTPStatus.SEE_OTHER), headers={"Cache-Control": "no-store"})
