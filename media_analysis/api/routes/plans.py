"""Plans: keep a rehearsal, look at it, and carry it out on exactly the files it named."""

from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query, Response

from media_analysis import errors
from media_analysis.api import API_PATH
from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.api.documents import DocumentRoute
from media_analysis.api.errors import ADMIN_PROBLEMS, document_problems, problems
from media_analysis.api.pages import PageQuery, encode_cursor
from media_analysis.api.place import address
from media_analysis.api.schemas.plans import (
    AppliedRead,
    PlanApply,
    PlanCreate,
    PlanFileList,
    PlanFileQuery,
    PlanFileRead,
    PlanList,
    PlanRead,
)
from media_analysis.api.schemas.storage import SweepRead

router = APIRouter(
    prefix=f"{API_PATH}/storage/plans",
    tags=["plans"],
    responses=problems(errors.DatabaseUnavailable),
    route_class=DocumentRoute,
)

_ADMIN_PROBLEMS = problems(*ADMIN_PROBLEMS)
_PLAN_PROBLEMS = {**_ADMIN_PROBLEMS, **problems(errors.PlanNotFound)}
_EVERYTHING = PlanCreate()


@router.post("", status_code=201, responses={**_ADMIN_PROBLEMS, **document_problems()})
async def create_plan(
    response: Response, services: Serving, administrator: Administrator, asked: PlanCreate = _EVERYTHING
) -> PlanRead:
    """Write down what a sweep would take now; nothing is deleted before the plan is applied."""
    plan = await services.retention.plans.create(asked.wanted(), actor=administrator.owner)
    response.headers["Location"] = address(f"{API_PATH}/storage/plans/{plan.id}")
    return PlanRead.from_plan(plan)


@router.get("", responses=_ADMIN_PROBLEMS)
async def list_plans(
    services: Serving, _administrator: Administrator, query: Annotated[PageQuery, Query()]
) -> PlanList:
    """List plans, newest first."""
    page = await services.retention.plans.list(before=query.before(), limit=query.limit)
    items = [PlanRead.from_plan(plan, status) for plan, status in page.plans]
    return PlanList(items=items, next_cursor=encode_cursor(page.next_before))


@router.get("/{plan_id}", responses=_PLAN_PROBLEMS)
async def read_plan(plan_id: UUID, services: Serving, _administrator: Administrator) -> PlanRead:
    """Say what a plan covers, and whether it was applied."""
    plan, status = await services.retention.plans.get(plan_id)
    return PlanRead.from_plan(plan, status)


@router.get("/{plan_id}/files", responses=_PLAN_PROBLEMS)
async def list_plan_files(
    plan_id: UUID, services: Serving, _administrator: Administrator, query: Annotated[PlanFileQuery, Query()]
) -> PlanFileList:
    """List the files a plan names, in the order of their ids."""
    page = await services.retention.plans.list_files(plan_id, after=query.after(), limit=query.limit)
    items = [PlanFileRead.from_file(file) for file in page.files]
    return PlanFileList(items=items, next_cursor=encode_cursor(page.next_after))


@router.post(
    "/{plan_id}/apply",
    responses={
        **_PLAN_PROBLEMS,
        **document_problems(),
        **problems(
            errors.PlanApplied,
            errors.PlanExpired,
            errors.PlanHashDiffers,
            errors.DeletionPaused,
            errors.MarkerMismatch,
            errors.DatabaseUnavailable,
        ),
    },
)
async def apply_plan(
    plan_id: UUID, confirmed: PlanApply, services: Serving, administrator: Administrator
) -> AppliedRead:
    """Take exactly the files of a plan that are still what they were; the answer tells which ones are not."""
    report = await services.retention.applying.apply(plan_id, digest=confirmed.hash, actor=administrator.owner)
    return AppliedRead.with_drift(SweepRead.from_row(await services.retention.sweeps.get(report.id)))
