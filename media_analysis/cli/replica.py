"""`media-analysis replica`: second copies of what is stored in another store, how they stand, and what mends them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from media_analysis.cli.console import AsJson, ConfigFile, DataDir, instant, json_instant, load, out, report, run, say
from media_analysis.cli.services import open_services
from media_analysis.cli.tables import tabulate
from media_analysis.errors import InvalidSettings, MediaAnalysisError
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.db.database import Database
    from media_analysis.integrity.comparison import ComparisonReport
    from media_analysis.replication.status import ReplicaStatus
    from media_analysis.settings import Settings

app = typer.Typer(
    help="Show how replicas stand, second copies in another store, and mend them.",
    no_args_is_help=True,
    add_completion=False,
)


@app.command("status")
def status(*, as_json: AsJson = False, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Tell what has its replica, what waits for one, and what would be lost with the primary store now.

    It needs the database alone, so that it answers when that store is lost. Exit code 2: the replica is away.
    """
    told, away = run(_status(load(config, data_dir).settings))
    if as_json:
        out.print_json(json.dumps(_document(told, away)))
    elif told is None:
        say("there are no replicas")
    else:
        _print(told, away)
    if away is not None:
        raise typer.Exit(2)


@app.command("repair")
def repair(
    *,
    new: Annotated[
        bool, typer.Option("--new", help="What is at STORAGE_REPLICA_URL is new and empty: copy everything again")
    ] = False,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Compare primaries and replicas, copy what is missing, mend what is damaged; delete nothing.

    Names and sizes are compared here; verify --scrub reads what is inside. Exit code 2: something is left.
    """
    found, left = run(_repair(load(config, data_dir).settings, new=new))
    if as_json:
        out.print_json(json.dumps({**vars(found), "left": _document(left, None)}))
    else:
        _print_repair(found, left)
    if found.unknown or left is None or left.lag.files or left.lag.healing or left.damaged_files:
        raise typer.Exit(2)


@app.command("end")
def end(*, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Have no replicas any more, once STORAGE_REPLICA_URL names none; what lies there stays there."""
    settings = load(config, data_dir).settings
    if settings.replica_site is not None:
        raise InvalidSettings("STORAGE_REPLICA_URL names a replica; take that away first, everywhere")
    address = run(_end(settings))
    if address is None:
        say("there were no replicas")
    else:
        say(f"replicas at {address} are left as they are, also when their files are deleted from now on;")
        say("what lies there is removed by hand, once nothing is needed from there")


@asynccontextmanager
async def _database(settings: Settings) -> AsyncIterator[Database]:
    """Open the database and no store."""
    from media_analysis.db.database import open_database
    from media_analysis.db.migrations import require_schema
    from media_analysis.replication.opening import require_known
    from media_analysis.settings.postgres import database_options, database_url

    async with (
        database_url(settings, report=report) as url,
        open_database(url, database_options(settings)) as db,
    ):
        async with db.read_only() as session:
            await require_schema(session)
        await require_known(db, settings)
        yield db


async def _status(settings: Settings) -> tuple[ReplicaStatus | None, str | None]:
    from media_analysis.replication.opening import read_replica
    from media_analysis.replication.status import ReplicaStatusService

    async with _database(settings) as db:
        told, copy = await ReplicaStatusService(db).read(), await read_replica(db, settings)
        if told is None or copy is None:
            return told, None
        try:
            await copy.require()
        except MediaAnalysisError as error:
            return told, copy.away_because or str(error)
        finally:
            copy.close()
        return told, None


async def _repair(settings: Settings, *, new: bool) -> tuple[ComparisonReport, ReplicaStatus | None]:
    from media_analysis.integrity.comparison import ReplicaComparison
    from media_analysis.replication.loop import work
    from media_analysis.replication.opening import NO_REPLICA, mark_new

    if new:
        async with _database(settings) as db:
            await mark_new(db, settings)
    async with open_services(settings) as runtime:
        replication = runtime.replication
        if replication is None:
            raise InvalidSettings(NO_REPLICA)
        found = await ReplicaComparison(runtime.db, replication).run()
        report(f"{found.files} files compared; working off what is due")
        while await work(replication) or await replication.status.has_due():
            pass
        return found, await replication.status.read()


async def _end(settings: Settings) -> str | None:
    from media_analysis.replication.places import ReplicaPlaces

    async with _database(settings) as db:
        places = ReplicaPlaces(db)
        address = await places.get()
        await places.end()
        return address


def _print(told: ReplicaStatus, away: str | None) -> None:
    lag = told.lag
    say(f"replicas of {', '.join(told.categories)} lie at {told.address}, since {instant(told.since)}")
    if away is not None:
        say(f"away: {away}; nothing is copied, and deletions wait")
    say(f"copied: {told.copied_files} files, {round_size(told.copied_bytes)}")
    oldest = "" if lag.oldest_at is None else f"; the oldest for {lag.seconds:.0f} s, since {instant(lag.oldest_at)}"
    say(f"waiting: {lag.files} files, {round_size(lag.size_bytes)}{oldest}")
    say(f"lost with the primary store, if that went now: {_lost(told)}")
    if lag.healing:
        say(f"{lag.healing} primaries are being mended from replicas")
    if (unmended := told.damaged_files - lag.healing) > 0:
        say(f"{unmended} primaries are damaged or missing, and nothing mends them; media-analysis verify names them")
    if told.failing:
        tabulate(("key", "tried in vain"), told.failing)


def _lost(told: ReplicaStatus) -> str:
    if told.walks:
        return "not known yet, for what was there before is still gone through"
    if not told.lag.files:
        return "nothing that the service has noted"
    return f"{told.lag.files} files, {round_size(told.lag.size_bytes)}"


def _print_repair(found: ComparisonReport, left: ReplicaStatus | None) -> None:
    say(
        f"compared {found.files} files: {found.lost_replicas} replicas and {found.damaged} primaries were missing "
        "or of another size"
    )
    for key in found.unknown_keys:
        say(f"nobody knows {key}, beside the replicas")
    if found.unknown > len(found.unknown_keys):
        say(f"{found.unknown - len(found.unknown_keys)} more of them were counted and not shown")
    if left is not None:
        _print(left, None)


def _document(told: ReplicaStatus | None, away: str | None) -> dict[str, Any]:
    if told is None:
        return {"address": None}
    lag = told.lag
    return {
        "address": told.address,
        "categories": list(told.categories),
        "since": told.since.isoformat(),
        "away_because": away,
        "copied_files": told.copied_files,
        "copied_bytes": told.copied_bytes,
        "pending_files": lag.files,
        "pending_bytes": lag.size_bytes,
        "lag_seconds": lag.seconds,
        "oldest_at": json_instant(lag.oldest_at),
        "healing_files": lag.healing,
        "damaged_files": told.damaged_files,
        "failing_files": lag.failing,
        "failing": [{"key": key, "reason": reason} for key, reason in told.failing],
        "is_gone_through": not told.walks,
    }
