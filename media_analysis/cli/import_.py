"""`media-analysis import`: an existing tree becomes files of ours."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, err, load, out, run
from media_analysis.cli.grammar import IdPart, parse_owner
from media_analysis.cli.ids import id_option, job_id
from media_analysis.cli.progress import counting_bar
from media_analysis.cli.services import open_services
from media_analysis.errors import InvalidRequest
from media_analysis.storage.category import Category
from media_analysis.units import round_size

if TYPE_CHECKING:
    from media_analysis.imports.tree.buckets import BucketTree
    from media_analysis.imports.tree.service import TreeImportReport, TreeImportRequest, TreeImportService
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings
    from media_analysis.storage.sites import Site

Place = Annotated[
    bool | None,
    typer.Option("--in-place/--copy", help="Default: in place inside the store, else by copy", show_default=False),
]


def import_(
    tree: Annotated[
        str, typer.Argument(metavar="DIR", help="The tree to import: a directory, s3://bucket/prefix, gs://… or az://…")
    ],
    *,
    category: Annotated[Category, typer.Option(help="What its files are for")],
    owner: Annotated[str, typer.Option(help="Whose they become")] = "admin",
    in_place: Place = None,
    read: Annotated[bool, typer.Option("--hash", help="Read files imported in place, for hash and media type")] = False,
    job: Annotated[IdPart | None, id_option("--job", "The job they belong to")] = None,
    over_quota: Annotated[bool, typer.Option("--over-quota", help="Even beyond the category's quota")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Import an existing tree: rows for its files, each as old as its bytes and kept as its category says.

    Nothing in DIR is changed or deleted. Interrupted, the same command goes on where it stopped. Of a bucket the
    credentials are the provider's usual variables, behind IMPORT_ where they are not those of the store.
    """
    from media_analysis.imports.tree.service import TreeImportRequest

    whose = parse_owner(owner)
    site = _site_of(tree)
    settings = load(config, data_dir).settings
    request = TreeImportRequest(
        directory=Path(tree),
        category=category,
        owner=whose,
        actor="command line",
        in_place=in_place,
        read=read,
        over_quota=over_quota,
    )
    _print(run(_import(settings, request, site, job)), as_json=as_json)


def _site_of(tree: str) -> Site:
    """Read where a tree is.

    Raises:
        InvalidRequest: there is none; what is said never repeats what may be a password in it.

    """
    from media_analysis.settings.remote import StoreUrl

    try:
        site = StoreUrl().parse(tree) if "://" in tree else Path(tree)
    except ValueError as error:
        raise InvalidRequest("DIR", str(error)) from None
    if isinstance(site, Path):
        require_directory(site)
    return site


def require_directory(directory: Path) -> None:
    """Return if there is a directory to import.

    Raises:
        InvalidRequest: there is none.

    """
    if directory.is_file():
        raise InvalidRequest(
            "DIR",
            f"{directory} is a file, and an import takes a directory with all that is in it; "
            "move the file into a directory of its own, or upload it over the API",
        )
    if not directory.is_dir():
        raise InvalidRequest("DIR", f"{directory} is no directory")


@asynccontextmanager
async def _opened(site: Site, settings: Settings) -> AsyncIterator[Path | BucketTree]:
    if isinstance(site, Path):
        yield site
        return
    from media_analysis.imports.tree.buckets import open_tree

    async with open_tree(site, settings) as tree:
        yield tree


async def _import(settings: Settings, request: TreeImportRequest, site: Site, job: IdPart | None) -> TreeImportReport:
    async with open_services(settings) as runtime, _opened(site, settings) as tree:
        request = replace(request, directory=tree)
        service = destination_of(runtime)
        if job is not None:
            request = replace(request, job_id=await job_id(runtime, job))
        if not err.is_terminal:
            return await service.run(request)
        with counting_bar() as bar:
            task = bar.add_task("importing", total=None)
            return await service.run(
                request,
                progress=lambda so_far, measure: bar.update(task, completed=so_far.seen, total=measure.names),
            )


def destination_of(runtime: Runtime) -> TreeImportService:
    """Return the service that imports with this process's collaborators."""
    from media_analysis.imports.tree.copying import Copier
    from media_analysis.imports.tree.service import TreeImportService

    copier = Copier(runtime.db, runtime.uploads)
    return TreeImportService(runtime.db, runtime.store, copier, runtime.retention.pressure)


def _print(outcome: TreeImportReport, *, as_json: bool) -> None:
    skipped = {skip.value: count for skip, count in sorted(outcome.skipped.items())}
    if as_json:
        told = {
            "in_place": outcome.in_place,
            "files": outcome.files,
            "size_bytes": outcome.size_bytes,
            "known": outcome.known,
            "due_at_once": outcome.due_at_once,
            "skipped": skipped,
        }
        out.print_json(json.dumps(told))
        return
    out.print(f"imported {outcome.files} files, {round_size(outcome.size_bytes)}; {outcome.known} were known already")
    if skipped:
        out.print("skipped " + ", ".join(f"{count} ({name})" for name, count in skipped.items()))
    if outcome.due_at_once:
        out.print(f"{outcome.due_at_once} of them are past their lifetime: the next sweep takes them", style="yellow")
