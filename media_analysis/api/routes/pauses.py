"""Pauses: stopping deletion, and letting it go on."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import ADMIN_PROBLEMS, document_problems, problems
from media_analysis.api.schemas.pauses import PauseCreate, PauseList, PauseQuery, PauseRead, PauseResume
from media_analysis.deletion.models import Pause

router = APIRouter(
    prefix=f"{API_PATH}/storage/pauses",
    tags=["storage"],
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)

_ADMIN_PROBLEMS = problems(*ADMIN_PROBLEMS)


@router.post("", status_code=201, response_model=PauseRead, responses={**_ADMIN_PROBLEMS, **document_problems()})
async def pause_deletion(asked: PauseCreate, services: Serving, administrator: Administrator) -> Pause:
    """Stop sweeps and evictions in a category, or everywhere; a sweep under way stops before its next batch."""
    return await services.deletion.pauses.pause(category=asked.category, reason=asked.reason, by=administrator.owner)


@router.get("", response_model=PauseList, responses=_ADMIN_PROBLEMS)
async def list_pauses(
    services: Serving, _administrator: Administrator, query: Annotated[PauseQuery, Query()]
) -> dict[str, Sequence[Pause]]:
    """List pauses, latest first."""
    return {"items": await services.deletion.pauses.list(is_open=query.open, limit=query.limit)}


@router.post(
    "/{pause_id}/resume",
    response_model=PauseRead,
    responses={
        **_ADMIN_PROBLEMS,
        **document_problems(),
        **problems(errors.PauseNotFound, errors.ConfirmationNeeded),
    },
)
async def resume_deletion(
    pause_id: UUID, confirmation: PauseResume, services: Serving, administrator: Administrator
) -> Pause:
    """Let deletion go on, by confirming how many files the pause names; a breaker's then covers them for a day."""
    return await services.deletion.pauses.resume(pause_id, confirm=confirmation.confirm, by=administrator.owner)
