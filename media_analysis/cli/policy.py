"""`media-analysis policy`: what is in force, what another policy would do, and doing it."""

from __future__ import annotations

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import AsAnswered, ConfigFile, DataDir, err, load, out, run, say
from media_analysis.cli.progress import counting_bar
from media_analysis.cli.services import open_services
from media_analysis.cli.tables import Cell, SizeCell, tabulate
from media_analysis.storage.category import Category
from media_analysis.units import format_lifetime, format_size

if TYPE_CHECKING:
    from media_analysis.policy.decision import CategoryRules, Policy
    from media_analysis.policy.in_force import InForce
    from media_analysis.retention.preview import Change, Impact, MovedFile, PolicyPreview
    from media_analysis.retention.redating import Applied
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

app = typer.Typer(help="Show, preview and apply retention policies.", no_args_is_help=True, add_completion=False)

NewPolicy = Annotated[Path, typer.Argument(help="A YAML file of settings; what it does not name stays")]


@app.command("show")
def show(*, as_json: AsAnswered = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print the policy in force."""
    found = run(_in_force(load(config, data_dir).settings))
    if as_json:
        from media_analysis.api.schemas.policies import PolicyRead

        out.print_json(json.dumps(PolicyRead.from_in_force(found).model_dump(mode="json")))
        return
    header = ("category", "lifetime", "minimum", "quota", "per owner", "high", "low", "evicted", "swept (UTC)")
    tabulate(header, [(category.value, *_rules(found.policy.of(category))) for category in Category])
    origin = "as configured" if found.configured else "applied over the configured one"
    say(f"policy {found.policy.version}, {origin}")


@app.command("preview")
def preview(
    new: NewPolicy, *, as_json: AsAnswered = False, data_dir: DataDir = None, config: ConfigFile = None
) -> None:
    """Print what applying a policy would do to stored files; nothing changes."""
    found = run(_preview(load(config, data_dir).settings, new))
    if as_json:
        from media_analysis.api.schemas.policies import PreviewRead

        out.print_json(json.dumps(PreviewRead.from_preview(found).model_dump(mode="json")))
        return
    _print_preview(found)


@app.command("apply")
def apply(
    new: NewPolicy,
    *,
    confirm: Annotated[
        int | None,
        typer.Option(
            min=0, help="How many files may fall due or be evicted at once, where that is unusual", show_default=False
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before an ordinary change")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Put a policy in force and give stored files its dates.

    A run that was broken off is finished by running it again. On a terminal it shows what would happen and asks.
    """
    settings = load(config, data_dir).settings
    if sys.stdin.isatty() and confirm is None:
        # Nothing is open while somebody thinks.
        confirm = _ask(run(_preview(settings, new)), yes=yes)
    _print_applied(run(_apply(settings, new, confirm)))


async def _in_force(settings: Settings) -> InForce:
    async with open_services(settings) as runtime:
        return await runtime.retention.policies.in_force()


async def _preview(settings: Settings, new: Path) -> PolicyPreview:
    async with open_services(settings) as runtime:
        return await runtime.retention.policies.preview(await _read(runtime, new))


async def _apply(settings: Settings, new: Path, confirm: int | None) -> Applied:
    async with open_services(settings) as runtime:
        policy = await _read(runtime, new)
        if not err.is_terminal:
            return await runtime.retention.redating.apply(policy, actor="command line", confirm=confirm)
        with counting_bar() as bar:
            task = bar.add_task("re-dating", total=None)
            return await runtime.retention.redating.apply(
                policy,
                actor="command line",
                confirm=confirm,
                progress=lambda moved, total: bar.update(task, completed=moved, total=total),
            )


async def _read(runtime: Runtime, new: Path) -> Policy:
    from media_analysis.settings import read_policy_file

    return read_policy_file(new, (await runtime.retention.policies.in_force()).policy)


def _ask(found: PolicyPreview, *, yes: bool) -> int | None:
    """Show what would happen and let somebody confirm it, by its number where it is unusual."""
    _print_preview(found)
    if found.needs_confirmation:
        typed: int = typer.prompt("Type the number of files that may go at once", type=int, err=True)
        return typed
    if not yes:
        typer.confirm("Apply it?", abort=True, err=True)
    return None


def _rules(rules: CategoryRules) -> tuple[str, ...]:
    return (
        format_lifetime(rules.lifetime),
        "" if rules.minimum is None else format_lifetime(rules.minimum),
        *(
            "" if size is None else format_size(size)
            for size in (rules.quota_bytes, rules.owner_quota_bytes, rules.high_water_bytes, rules.low_water_bytes)
        ),
        "never" if rules.eviction_priority is None else str(rules.eviction_priority),
        rules.schedule,
    )


def _print_preview(found: PolicyPreview) -> None:
    touched = {kind: impact for kind, impact in found.categories.items() if impact.files or impact.changes}
    if touched:
        header = (
            "category",
            "change",
            "files",
            "bytes",
            "owners",
            "earliest deletion",
            "due at once",
            "evicted",
            "held",
        )
        tabulate(header, [(kind.value, *_impact(impact)) for kind, impact in touched.items()], piped=("owners", "held"))
    if losses := [(kind, loss) for kind, impact in touched.items() for loss in impact.evicted_owners]:
        rows = [(loss.owner, kind.value, loss.files, SizeCell(loss.size_bytes)) for kind, loss in losses]
        tabulate(("evicted of", "category", "files", "size"), rows)
    if found.largest:
        columns = ("largest", "owner", "category", "size", "expires", "would expire")
        tabulate(columns, [_moved(file) for file in found.largest], piped=("category",))
    say(_conclusion(found))


def _conclusion(found: PolicyPreview) -> str:
    version = f"policy {found.policy_version}"
    if found.policy_version == found.in_force_version and not found.files:
        return f"{version} is in force already; nothing would change"
    sentence = f"{version} instead of {found.in_force_version}: {found.files} files would get other dates"
    if found.needs_confirmation:
        evicted = f" and {found.evicted_files} be evicted" if found.evicted_files else ""
        sentence += (
            f"; {found.newly_due_files} would fall due{evicted} at once, apply it with --confirm {found.confirm}"
        )
    return sentence


def _impact(impact: Impact) -> tuple[Cell, ...]:
    return (
        "\n".join(_change(name, change) for name, change in impact.changes.items()),
        impact.files,
        SizeCell(impact.size_bytes),
        impact.owners,
        impact.earliest_deletion or "never",
        impact.newly_due_files,
        impact.evicted_files,
        impact.held_files,
    )


def _change(name: str, change: Change) -> str:
    return f"{name.replace('_', ' ')}: {_value(name, change.before)} -> {_value(name, change.after)}"


def _value(name: str, value: float | str | None) -> str:
    match name, value:
        case "lifetime", None:
            return "indefinite"
        case "eviction_priority", None:
            return "never"
        case "lifetime" | "minimum", float():
            return format_lifetime(timedelta(seconds=value))
        case "quota_bytes" | "owner_quota_bytes" | "high_water_bytes" | "low_water_bytes", int():
            return format_size(value)
    return "none" if value is None else str(value)


def _moved(file: MovedFile) -> tuple[Cell, ...]:
    return (
        file.filename,
        file.owner,
        file.category.value,
        SizeCell(file.size_bytes),
        *(at or "never" for at in (file.expires_at, file.new_expires_at)),
    )


def _print_applied(applied: Applied) -> None:
    moved = ", ".join(f"{files} in {category.value}" for category, files in applied.files.items() if files)
    sentence = f"policy {applied.preview.policy_version} is in force; files with other dates: {moved or 'none'}"
    say(sentence)
