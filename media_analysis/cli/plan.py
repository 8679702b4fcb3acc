"""`media-analysis plan`: keep a rehearsal, look at it, and carry it out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Final
from uuid import UUID

import typer

from media_analysis.cli.console import (
    AsAnswered,
    ConfigFile,
    DataDir,
    instant,
    load,
    out,
    print_documents,
    report,
    run,
    say,
)
from media_analysis.cli.grammar import IdPart
from media_analysis.cli.ids import id_argument, plan_id
from media_analysis.cli.services import ACTOR, open_services
from media_analysis.cli.sweep import print_outcome
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.storage.category import Category
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.retention.models import Plan, SweepStatus
    from media_analysis.retention.plans.queries import PlannedFile
    from media_analysis.retention.plans.service import PlanPage
    from media_analysis.retention.records import SweepReport
    from media_analysis.settings import Settings

MOST_SHOWN: Final = 1_000

app = typer.Typer(help="Plan a sweep, look at the plan, apply it.", no_args_is_help=True, add_completion=False)
PlanId = Annotated[IdPart, id_argument("The plan")]


@app.command("create")
def create(
    *,
    category: Annotated[
        list[Category] | None, typer.Option(help="Only this category; may be repeated", show_default=False)
    ] = None,
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Write down what a sweep would take now, and print the plan's id and hash."""
    categories = tuple(dict.fromkeys(category)) if category else tuple(Category)
    _print(run(_create(load(config, data_dir).settings, categories)), None, as_json=as_json)


@app.command("list")
def list_plans(
    *,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, newest first")] = 20,
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the latest plans."""
    page = run(_list(load(config, data_dir).settings, limit))
    if as_json:
        from media_analysis.api.schemas.plans import PlanRead

        print_documents(PlanRead.from_plan(plan, status) for plan, status in page.plans)
        return
    tabulate(
        ("plan", "created", "by", "files", "bytes", "state", "sweep"),
        [
            (
                *(plan.id, plan.created_at, plan.created_by, plan.files, SizeCell(plan.size_bytes)),
                *(_state(plan, status), plan.sweep_id),
            )
            for plan, status in page.plans
        ],
        empty="there is no plan; make one with media-analysis plan create",
        piped=("by",),
    )


@app.command("show")
def show(
    plan: PlanId,
    *,
    files: Annotated[bool, typer.Option("--files", help="Also the files it names, the first thousand")] = False,
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print a plan, and how its application went."""
    found, status, named = run(_show(load(config, data_dir).settings, plan, MOST_SHOWN if files else 0))
    _print(found, status, as_json=as_json)
    if files:
        tabulate(
            ("file", "category", "bytes", "rule"),
            [(file.id, file.category.value, SizeCell(file.size_bytes or 0), file.rule.value) for file in named],
        )


@app.command("apply")
def apply(
    plan: PlanId,
    *,
    digest: Annotated[str, typer.Option("--hash", help="The hash of the plan, as it was shown")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Take exactly the files of a plan that are still what they were; exit code 2 when some could not go."""
    outcome = run(_apply(load(config, data_dir).settings, plan, digest))
    print_outcome(outcome)
    report(f"sweep {outcome.id}; media-analysis restore --sweep {outcome.id} takes back what the trash holds")
    drifted = outcome.details["drift_files"]
    if drifted:
        report(f"{drifted} files are no longer what they were and stay")
        tabulate(("file", "reason"), [(UUID(part["file_id"]), part["reason"]) for part in outcome.details["drift"]])
    if outcome.errors:
        raise typer.Exit(2)


def _print(plan: Plan, status: SweepStatus | None, *, as_json: bool) -> None:
    if as_json:
        from media_analysis.api.schemas.plans import PlanRead

        out.print_json(json.dumps(PlanRead.from_plan(plan, status).model_dump(mode="json")))
        return
    parts = [(name, part) for name, part in plan.categories.items() if part["files"]]
    if parts:
        rows = [(name, part["files"], SizeCell(part["bytes"])) for name, part in parts]
        tabulate(("category", "files", "bytes"), rows)
    by = "" if plan.sweep_id is None else f" by sweep {plan.sweep_id}"
    for sentence in (
        f"plan {plan.id}: {plan.files} files, {round_size(plan.size_bytes)}, {_state(plan, status)}{by}",
        f"hash {plan.hash}",
    ):
        say(sentence)


def _state(plan: Plan, status: SweepStatus | None) -> str:
    from media_analysis.retention.models import SweepStatus

    if plan.applied_at is None:
        return f"to be applied before {instant(plan.expires_at)}"
    part = "" if status is SweepStatus.COMPLETED else f" in part ({status.value if status else 'unknown'})"
    return f"applied{part}"


async def _create(settings: Settings, categories: Sequence[Category]) -> Plan:
    async with open_services(settings) as runtime:
        return await runtime.retention.plans.create(categories, actor=ACTOR)


async def _list(settings: Settings, limit: int) -> PlanPage:
    async with open_services(settings) as runtime:
        return await runtime.retention.plans.list(before=None, limit=limit)


async def _show(settings: Settings, part: IdPart, limit: int) -> tuple[Plan, SweepStatus | None, Sequence[PlannedFile]]:
    async with open_services(settings) as runtime:
        wanted = await plan_id(runtime, part)
        plan, status = await runtime.retention.plans.get(wanted)
        named = (await runtime.retention.plans.list_files(wanted, after=None, limit=limit)).files if limit else ()
        return plan, status, named


async def _apply(settings: Settings, part: IdPart, digest: str) -> SweepReport:
    async with open_services(settings) as runtime:
        return await runtime.retention.applying.apply(await plan_id(runtime, part), digest=digest, actor=ACTOR)
