"""What routes need: the services, and who is asking."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from typing import Annotated, Any, Final, NamedTuple, cast
from uuid import UUID

from fastapi import Depends, Path, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import TypeAdapter, ValidationError
from starlette.datastructures import Headers
from starlette.types import Scope

from media_analysis.api.cookies import token_of_cookie
from media_analysis.api.resources import Access, Operation
from media_analysis.errors import (
    AdminRequired,
    InvalidRequest,
    LinkNotFound,
    ScopeMissing,
    SessionLimited,
    TokenRejected,
)
from media_analysis.files.links import signing
from media_analysis.files.links.service import KnownLink
from media_analysis.runtime import Runtime
from media_analysis.sessions.admission import Activity, Admitted
from media_analysis.sessions.models import Role
from media_analysis.sessions.service import Caller as SessionCaller


def _services(request: Request) -> Runtime:
    return cast("Runtime", request.app.state.services)


_ID: Final = TypeAdapter(UUID)
_bearer = HTTPBearer(auto_error=False, description="A session's token, `mas_…`")


async def authenticate(scope: Scope) -> SessionCaller:
    """Return who is asking; the session of a request is looked up once.

    Raises:
        TokenRejected: nobody known.
        ForeignOrigin: a browser brought its cookie from another site's page.
        InvalidRequest: two say who they are.
        ScopeMissing, AdminRequired, SessionLimited: their session was not made for this.

    """
    state = scope.setdefault("state", {})
    caller: SessionCaller | None = state.get("caller")
    if caller is None:
        told = Headers(scope=scope).getlist("authorization")
        if len(told) > 1:
            raise InvalidRequest("Authorization", "given twice")
        token = _bearer_token(told[0]) if told else token_of_cookie(scope)
        if not token:
            raise TokenRejected
        caller = state["caller"] = await caller_of(scope, token)
    _require_scope(caller, scope["operation"])
    return caller


async def caller_of(scope: Scope, token: str) -> SessionCaller:
    """Return who holds a token; whoever sent a wrong one pays with time.

    Raises:
        TokenRejected, TooManyWrongTokens: it is not good.

    """
    host = scope["client"][0] if scope.get("client") else None
    return await cast("Runtime", scope["app"].state.services).admission.authenticate(token, host)


def _bearer_token(told: str) -> str | None:
    scheme, _, token = told.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


def _require_scope(caller: SessionCaller, operation: Operation) -> None:
    if caller.limit is not None and not operation.keeps_limits:
        raise SessionLimited("a session that is limited to categories or labels cannot use this")
    needed = operation.scope
    if needed is not None and not caller.may(needed):
        raise AdminRequired(needed) if operation.access is Access.ADMINISTRATOR else ScopeMissing(needed)


async def _caller(
    request: Request,
    _credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)],  # for the document
) -> SessionCaller:
    caller = await authenticate(request.scope)  # kept with the request: an error tells an administrator more
    if caller.limit is not None and (told := request.path_params.get("file_id")) is not None:
        with suppress(ValidationError):  # which the route tells
            # A read shows what it is a moment later; whatever changes a file looks again once that is locked.
            await _services(request).files.catalog.require_reached(_ID.validate_python(told), caller)
    return caller


async def _administrator(caller: Annotated[SessionCaller, Depends(_caller)]) -> SessionCaller:
    return caller  # that they are one was asked for when they were authenticated


def _admitted(activity: Activity) -> Any:
    """Return what holds a request of the caller as under way until the last byte of its answer is out."""

    async def admit(
        services: Annotated[Runtime, Depends(_services)], caller: Annotated[SessionCaller, Depends(_caller)]
    ) -> AsyncIterator[Admitted]:
        with services.admission.admit(caller, activity) as admitted:
            yield admitted

    return Depends(admit)


class ByLink(NamedTuple):
    """A request that comes by a link: which, and that it is under way."""

    link: KnownLink
    admitted: Admitted


# For the document alone: what has another form is not there, as any other.
Reference = Annotated[
    str, Path(description="A link's id and signature", json_schema_extra={"pattern": f"^{signing.REFERENCE}$"})
]


async def _linked(
    request: Request, reference: Reference, services: Annotated[Runtime, Depends(_services)]
) -> AsyncIterator[ByLink]:
    """Let in whoever has a link that is good; whoever has none pays with time, as for a wrong token."""
    try:
        link = await services.files.links.find(reference)
    except LinkNotFound:
        if signing.Reference.parse(reference) is not None:  # what can be no link is no guess
            await services.admission.punish(request.client.host if request.client else None)
        raise
    holder = SessionCaller(link.id, link.owner, Role.USER, frozenset())
    with services.admission.admit(holder, Activity.LINK) as admitted:
        yield ByLink(link, admitted)


ACCESS: Final[Mapping[Callable[..., Any], Access]] = {
    _caller: Access.CALLER,
    _administrator: Access.ADMINISTRATOR,
}
"""What the dependencies of routes ask of a caller."""


Serving = Annotated[Runtime, Depends(_services)]
Caller = Annotated[SessionCaller, Depends(_caller)]
Administrator = Annotated[SessionCaller, Depends(_administrator)]
Uploading = Annotated[Admitted, _admitted(Activity.UPLOAD)]
Downloading = Annotated[Admitted, _admitted(Activity.DOWNLOAD)]
Linked = Annotated[ByLink, Depends(_linked)]
Streaming = Annotated[Admitted, _admitted(Activity.STREAM)]
