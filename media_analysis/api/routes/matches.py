"""All files that a filter names, deleted at once."""

from typing import Annotated

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import ADMIN_PROBLEMS, problems
from media_analysis.api.schemas.matches import MatchDeleteQuery, MatchRemovalRead

router = APIRouter(
    prefix=f"{API_PATH}/files",
    tags=["files"],
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)


@router.delete(
    "",
    response_description="What went, or would",
    responses=problems(*ADMIN_PROBLEMS, errors.MarkerMismatch, errors.ConfirmationNeeded, errors.DeletionPaused),
)
async def delete_files(
    services: Serving, caller: Caller, query: Annotated[MatchDeleteQuery, Query()]
) -> MatchRemovalRead:
    """Count what a deletion of all files that a filter names would take; with `dry_run=false`, delete them.

    Each goes as if it were deleted by itself, or stays as it would, and `kept` says why. Where more of a category would
    go than the breaker lets a sweep take, `confirm` has to name the number, or 409 does; no more than were counted, or
    confirmed, go. While deletion is paused the bytes stay, as `remaining` says; where the pause doubts the clock, by
    which files are protected, 409 refuses.
    """
    wanted, asked, derived = query.wanted(caller), query.request(caller), query.derived == "take"
    deletions = services.retention.match_deletions
    if query.dry_run:
        return MatchRemovalRead.from_deletion(await deletions.preview(wanted, asked, derived=derived), dry_run=True)
    gone = await deletions.delete(wanted, asked, derived=derived, confirm=query.confirm)
    return MatchRemovalRead.from_deletion(gone, dry_run=False)
