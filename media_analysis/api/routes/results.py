"""Results: search, read, extend, and the schemas of what they hold."""

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Query

from media_analysis import errors
from media_analysis.analysis.documents import DOCUMENTS
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Caller, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import document_problems, problems
from media_analysis.api.pages import encode_cursor
from media_analysis.api.schemas.results import ResultList, ResultListQuery, ResultRead, ResultUpdate
from media_analysis.errors import SchemaNotFound
from media_analysis.jobs.models import AnalysisResult
from media_analysis.values import Line

router = APIRouter(
    prefix=f"{API_PATH}/results",
    tags=["results"],
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_PROBLEMS = problems(errors.TokenRejected, errors.ResultNotFound, errors.InvalidRequest)


@router.get("", response_model=ResultList, responses=problems(errors.TokenRejected, errors.InvalidRequest))
async def list_results(
    services: Serving, caller: Caller, query: Annotated[ResultListQuery, Query()]
) -> dict[str, object]:
    """Search the results of completed jobs, newest first.

    What the documents of built-in kinds hold is said by their schemas, at `/api/v1/results/schemas/{kind}`.
    """
    page = await services.jobs.results.list(query.wanted(scope=caller.scope), before=query.before(), limit=query.limit)
    return {"items": page.results, "next_cursor": encode_cursor(page.next_before)}


@router.get("/{result_id}", response_model=ResultRead, responses=_PROBLEMS)
async def read_result(result_id: UUID, services: Serving, caller: Caller) -> AnalysisResult:
    """Return one result; an expired one is unknown from then on."""
    return await services.jobs.results.get(result_id, owner=caller.scope)


@router.patch("/{result_id}", response_model=ResultRead, responses={**_PROBLEMS, **document_problems()})
async def update_result(result_id: UUID, change: ResultUpdate, services: Serving, caller: Caller) -> AnalysisResult:
    """Set when a result expires."""
    return await services.jobs.result_expiry.change(
        result_id, expires_at=change.expires_at, owner=caller.scope, actor=caller.owner
    )


@router.get("/schemas/{kind}", responses=problems(errors.TokenRejected, errors.SchemaNotFound, errors.InvalidRequest))
async def read_schema(kind: Line, _caller: Caller) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of the `data` of a kind of result: `probe`, `frames` or `contact_sheet`."""
    if kind not in DOCUMENTS:
        raise SchemaNotFound(known=sorted(DOCUMENTS))
    return {"$schema": DIALECT, **DOCUMENTS[kind].model_json_schema(mode="serialization")}
