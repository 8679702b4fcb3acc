"""The policy as a table, what a draft of another one would do, plans, and pauses."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

from fastapi import Request
from fastapi.responses import HTMLResponse

from media_analysis.api.dependencies import Administrator, Serving
from media_analysis.api.routes.policies import describe_policy
from media_analysis.errors import PolicyRefused
from media_analysis.policy.decision import Policy
from media_analysis.retention.forecast.request import ForecastRequest
from media_analysis.retention.forecast.service import Forecast
from media_analysis.retention.preview import PolicyPreview
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from media_analysis.units import round_size
from media_analysis.web.layout.charts import Chart, draw_lines
from media_analysis.web.pages import page_router, show
from media_analysis.web.policy.draft import COLUMNS, changed_fields, differences, tree_of, written

DAYS: Final = 30
_SHOWN: Final = 10

router = page_router("storage")


class DraftOutcome(NamedTuple):
    """What a draft would do, or why it says what is not allowed."""

    fields: Mapping[str, str]
    tree: Mapping[str, Any]
    preview: PolicyPreview | None = None
    outlook: Chart | None = None
    differences: Mapping[Category, Sequence[tuple[str, str, str]]] = MappingProxyType({})
    refusals: Sequence[str] = ()

    @property
    def touched(self) -> Mapping[Category, Any]:
        """The categories of which something changes, with what."""
        impacts = {} if self.preview is None else self.preview.categories
        return {category: impact for category, impact in impacts.items() if impact.files or impact.changes}


@router.get("/policy")
async def show_policy(request: Request, services: Serving, _administrator: Administrator) -> HTMLResponse:
    """Show the policy in force, with a draft of another one laid over it where the address says one."""
    in_force = await services.retention.policies.in_force()
    fields = changed_fields(request.query_params, in_force.policy)
    plans = await services.retention.plans.list(before=None, limit=_SHOWN)
    return show(
        request,
        "policy/page.html",
        in_force=in_force,
        columns=COLUMNS,
        rules={category: written(in_force.policy.of(category)) for category in Category},
        fields=fields,
        draft=urlencode(fields),
        plans=plans.plans,
        pauses=await services.deletion.pauses.list(is_open=None, limit=_SHOWN),
        running=not await services.deletion.pauses.list(is_open=True, limit=1),
    )


@router.get("/policy/preview")
async def show_preview(request: Request, services: Serving, _administrator: Administrator) -> HTMLResponse:
    """Show what the draft that the address says would do: a scan of the categories that it moves."""
    in_force = await services.retention.policies.in_force()
    fields = changed_fields(request.query_params, in_force.policy)
    outcome = await _foresee(services, in_force.policy, fields)
    return show(
        request, "policy/preview.html", outcome=outcome, draft=urlencode(fields), version=in_force.policy.version
    )


async def _foresee(services: Runtime, in_force: Policy, fields: Mapping[str, str]) -> DraftOutcome:
    tree = tree_of(fields)
    if not fields:
        return DraftOutcome(fields, tree)
    try:
        policy = describe_policy(tree, in_force)
    except PolicyRefused as refused:
        return DraftOutcome(fields, tree, refusals=refused.problems)
    lifetimes = {
        category: policy.of(category).lifetime
        for category in Category
        if policy.of(category).lifetime != in_force.of(category).lifetime
    }
    preview = await services.retention.policies.preview(policy)
    forecast = await services.retention.forecast.forecast(ForecastRequest(DAYS, None, lifetimes))
    changes = {category: differences(in_force.of(category), policy.of(category)) for category in Category}
    return DraftOutcome(fields, tree, preview, _outlook(forecast), changes)


def _outlook(forecast: Forecast) -> Chart | None:
    """Return the forecast of the draft beside today's, where lifetimes differ."""
    drafted, today = forecast.what_if, forecast.expected.days
    if drafted is None:
        return None
    titles = [
        f"{mine.day:%d %B}: {round_size(mine.used_bytes)} used, {round_size(theirs.used_bytes)} as it is now"
        for mine, theirs in zip(drafted.days, today, strict=True)
    ]
    series = {"with the draft": [day.used_bytes for day in drafted.days], "as it is": [day.used_bytes for day in today]}
    limits = {} if forecast.limit_bytes is None else {"the disk is full": forecast.limit_bytes}
    return draw_lines("Bytes used per day", [day.day for day in today], series, titles=titles, limits=limits)
