"""Sessions: tokens for people and programs."""

from datetime import timedelta
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Caller, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import document_problems, problems
from media_analysis.api.pages import PageQuery, encode_cursor
from media_analysis.api.place import address
from media_analysis.api.schemas.sessions import SessionCreate, SessionCreated, SessionList, SessionRead, SessionUpdate
from media_analysis.sessions.models import Role, UserSession

router = APIRouter(
    prefix=f"{API_PATH}/sessions",
    tags=["sessions"],
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)

_OWN_PROBLEMS = problems(errors.TokenRejected, errors.SessionNotFound, errors.InvalidRequest)
_ADMIN_PROBLEMS = problems(errors.TokenRejected, errors.AdminRequired, errors.InvalidRequest)


@router.post("", status_code=201, response_model=SessionCreated, responses={**_ADMIN_PROBLEMS, **document_problems()})
async def create_session(
    asked: SessionCreate, response: Response, services: Serving, _administrator: Administrator
) -> dict[str, object]:
    """Make a token; it is shown in this answer and never again."""
    made, token = await services.sessions.create(
        owner=asked.owner,
        role=asked.role or Role.USER,
        ttl=timedelta(seconds=asked.ttl_seconds),
        scopes=asked.scopes,
        limit=asked.limit(),
    )
    response.headers["Location"] = address(f"{API_PATH}/sessions/{made.id}")
    response.headers["Cache-Control"] = "no-store"
    return {**SessionRead.model_validate(made).model_dump(), "token": token}


@router.get("/me", response_model=SessionRead, responses=_OWN_PROBLEMS)
async def read_own_session(services: Serving, caller: Caller) -> UserSession:
    """Describe the session this request came with."""
    return await services.sessions.get(caller.session_id, owner=caller.owner)


@router.get("", response_model=SessionList, responses=_OWN_PROBLEMS)
async def list_sessions(services: Serving, caller: Caller, query: Annotated[PageQuery, Query()]) -> dict[str, object]:
    """List the caller's sessions, or everybody's for an administrator; newest first."""
    page = await services.sessions.list(owner=caller.scope, before=query.before(), limit=query.limit)
    return {"items": page.sessions, "next_cursor": encode_cursor(page.next_before)}


@router.patch(
    "/{session_id}",
    response_model=SessionRead,
    responses={**_ADMIN_PROBLEMS, **problems(errors.SessionNotFound), **document_problems()},
)
async def update_session(
    session_id: UUID, change: SessionUpdate, services: Serving, _administrator: Administrator
) -> UserSession:
    """Set when a session ends, counted from now."""
    return await services.sessions.change(session_id, ttl=timedelta(seconds=change.ttl_seconds))


@router.delete(
    "/{session_id}",
    status_code=204,
    responses={**_OWN_PROBLEMS, **problems(errors.ScopeMissing, errors.SessionLimited)},
)
async def revoke_session(session_id: UUID, services: Serving, caller: Caller) -> None:
    """End a session at once: this one, or another of its owner's that may do no more than it.

    A session that is limited to categories or labels ends itself only.
    """
    await services.sessions.revoke(session_id, owner=caller.scope, by=caller)
