"""`media-analysis status`: how everything stands, on one screen."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from media_analysis.cli.address import address_of
from media_analysis.cli.console import AsJson, ConfigFile, DataDir, complain, instant, json_instant, load, out, run, say
from media_analysis.cli.services import ACTOR, with_services
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.errors import MarkerMismatch, MediaAnalysisError, NoDataDirectory
from media_analysis.storage.category import Category
from media_analysis.units import format_size, round_size

if TYPE_CHECKING:
    from media_analysis.deletion.models import Pause
    from media_analysis.moves.status import MoveStatus
    from media_analysis.retention.status import Backlog, StorageStats
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

PROBE_SECONDS = 2.0
MOST_BYTES = 65_536
"""Of what answers; another program may never end."""


@dataclass(frozen=True, kw_only=True)
class StatusReport:
    """What database and store say."""

    postgres: str
    stats: StorageStats
    backlog: Backlog
    jobs: Mapping[str, int]
    pauses: Sequence[Pause]
    problems: Sequence[str]
    next_sweeps: Mapping[Category, datetime | None]
    moves: Sequence[MoveStatus]
    """Of the store: what is under way, and what was and left something."""


def status(*, as_json: AsJson = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Print how service, database, store and jobs stand; exit code 1 when something is wrong."""
    settings = load(config, data_dir).settings
    told = {
        "version": version("media-analysis"),
        "data_dir": str(settings.data_dir.resolve()),
        **_places(settings),
        "service": describe_service(settings),
    }
    try:
        found = run(with_services(settings, _look))
    except NoDataDirectory:
        raise
    except MediaAnalysisError as error:
        _print_unreachable(told, error, as_json=as_json)
        raise typer.Exit(1) from error
    if as_json:
        out.print_json(json.dumps({**told, **_document(found)}))
    else:
        _print(told, found)
    if found.problems:
        raise typer.Exit(1)


def _places(settings: Settings) -> dict[str, str]:
    """Name where bytes lie; archives and replicas where that is elsewhere."""
    sites = settings.sites
    places = {"store": sites.main, "archives": sites.archives, "replicas": settings.replica_site}
    return {name: str(site) for name, site in places.items() if site is not None}


def describe_service(settings: Settings) -> str:
    """Return how the service of this installation is, wherever it said it answers."""
    from media_analysis.storage.marker import read_marker

    address = address_of(settings)
    answer = _probe(address)
    if answer is None:
        return f"nothing answers at {address}"
    main = settings.sites.main
    try:
        marker = read_marker(main) if isinstance(main, Path) else None
    except MarkerMismatch:
        marker = None
    is_ready, instance_id = answer
    if instance_id is None or (marker is not None and instance_id != str(marker.instance_id)):
        return f"it does not run; what answers at {address} is not this installation's"
    return f"{'ready' if is_ready else 'not ready'} at {address}"


def _probe(address: str) -> tuple[bool, str | None] | None:
    """Return whether what answers is ready, and the id of its instance if it has one; None when nothing answers."""
    import http.client
    from urllib.parse import urlsplit

    try:
        place = urlsplit(address)
        connection = http.client.HTTPConnection(place.hostname or "", place.port, timeout=PROBE_SECONDS)
    except (ValueError, http.client.HTTPException):
        return None
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        document = json.loads(answer.read(MOST_BYTES))
        return answer.status == http.client.OK, document["instance_id"]
    except (ValueError, KeyError, TypeError):
        return False, None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


async def _server(runtime: Runtime) -> str:
    from media_analysis.db.health import describe_server

    async with runtime.db.read_only() as session:
        return await describe_server(session)


async def _list_moves(runtime: Runtime) -> Sequence[MoveStatus]:
    from media_analysis.moves.opened import MoveContext
    from media_analysis.moves.status import MoveStatusService

    context = MoveContext(runtime.db, runtime.settings, runtime.store.instance_id, ACTOR)
    return [each for each in await MoveStatusService(context).list() if each.move.emptied_at is None]


async def _look(runtime: Runtime) -> StatusReport:
    from media_analysis.retention.suite import next_tick

    stats, now = await runtime.retention.status.stats(owner=None), await runtime.db.now()
    tick = next_tick(runtime.settings.storage.cleanup)
    rules = {} if stats.policy is None else stats.policy.rules
    return StatusReport(
        postgres=await _server(runtime),
        stats=stats,
        backlog=await runtime.retention.status.backlog(),
        jobs=await runtime.jobs.catalog.count_open(),
        pauses=await runtime.deletion.pauses.list(is_open=True),
        problems=await runtime.retention.status.problems(),
        next_sweeps={kind: tick(rule.schedule, now) if rule.schedule else None for kind, rule in rules.items()},
        moves=await _list_moves(runtime),
    )


def _print_unreachable(told: Mapping[str, str], error: MediaAnalysisError, *, as_json: bool) -> None:
    if as_json:
        out.print_json(json.dumps({**told, "problems": [str(error)]}))
        return
    _print_facts(told)
    complain(str(error))


def _print_facts(facts: Mapping[str, str]) -> None:
    for name, text in facts.items():
        say(f"{name.replace('_', ' '):<10} {text}")


def _print(told: Mapping[str, str], found: StatusReport) -> None:
    capacity = found.stats.capacity
    jobs = ", ".join(f"{count} {name}" for name, count in found.jobs.items())
    disk = f"{round_size(capacity.free_bytes)} of {round_size(capacity.total_bytes)} free"
    free = "as much as quotas let it take" if capacity.is_endless else disk
    late = max(found.backlog.lag_seconds.values(), default=0.0)
    _print_facts(
        {
            **told,
            "store": f"{told['store']}, {free}",
            "database": found.postgres,
            "jobs": jobs,
            **{f"move {number}": _told(each) for number, each in enumerate(found.moves, start=1)},
            "deletion": f"{len(found.pauses)} pauses, {found.backlog.dead_letters} given up, {late:.0f} s late",
        }
    )
    say("")
    tabulate(("category", "files", "used", "quota", "next sweep"), [_row(found, category) for category in Category])
    for problem in found.problems:
        complain(problem)


def _told(moved: MoveStatus) -> str:
    if not moved.move.is_under_way:
        return f"{moved.state}, {moved.left.files} objects are left at {moved.move.left}"
    return f"to {moved.move.target}, {moved.copied.files} objects copied, {moved.to_copy.files} to copy"


def _row(found: StatusReport, category: Category) -> tuple[str | int | SizeCell, ...]:
    usage, quota = found.stats.usage[category], found.stats.quotas.get(category)
    at = found.next_sweeps.get(category)
    return (
        *(category.value, usage.files, SizeCell(usage.size_bytes)),
        *("" if quota is None else format_size(quota), instant(at, "")),
    )


def _document(found: StatusReport) -> dict[str, Any]:
    return {
        "database": found.postgres,
        **dict(zip(("total_bytes", "free_bytes"), found.stats.capacity.told, strict=True)),
        "jobs": dict(found.jobs),
        "pauses": [{"id": str(pause.id), "reason": pause.reason, "files": pause.files} for pause in found.pauses],
        "open_purges": found.backlog.open_purges,
        "dead_letters": found.backlog.dead_letters,
        "moves": [
            {"target": each.move.target, "state": each.state, "to_copy": each.to_copy.files, "left": each.left.files}
            for each in found.moves
        ],
        "problems": list(found.problems),
        "categories": {category.value: _category(found, category) for category in Category},
    }


def _category(found: StatusReport, category: Category) -> dict[str, Any]:
    usage, at = found.stats.usage[category], found.next_sweeps.get(category)
    return {
        "files": usage.files,
        "size_bytes": usage.size_bytes,
        "quota_bytes": found.stats.quotas.get(category),
        "lag_seconds": found.backlog.lag_seconds.get(category, 0.0),
        "next_sweep_at": json_instant(at),
    }
