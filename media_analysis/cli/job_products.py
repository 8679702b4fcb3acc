"""`media-analysis job files` and `job results`: what a job brought."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from media_analysis.cli.console import AsAnswered, ConfigFile, DataDir, load, print_documents, run
from media_analysis.cli.ids import JobId, job_id
from media_analysis.cli.services import with_services
from media_analysis.cli.tables import SizeCell, tabulate
from media_analysis.storage.category import Category

if TYPE_CHECKING:
    from media_analysis.files.models import MediaFile
    from media_analysis.files.products import ProductFilter
    from media_analysis.jobs.models import AnalysisResult
    from media_analysis.jobs.results import ResultFilter
    from media_analysis.runtime import Runtime

PAGE: Final = 1_000


def files(
    job: JobId,
    *,
    category: Annotated[Category | None, typer.Option(help="Only of this category", show_default=False)] = None,
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the files a job has, in time order."""
    from media_analysis.files.products import ProductFilter

    async def work(runtime: Runtime) -> list[MediaFile]:
        return await _all_files(runtime, ProductFilter(job_id=await job_id(runtime, job), category=category))

    found = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        from media_analysis.api.schemas.files import FileRead

        print_documents(map(FileRead.model_validate, found))
        return
    tabulate(
        ("file", "category", "role", "at", "name", "bytes", "expires"),
        [
            (
                *(file.id, file.category.value, _place(file), _seconds_in(file), file.filename),
                *(SizeCell(file.size_bytes or 0), file.expires_at or "never"),
            )
            for file in found
        ],
        empty="the job has no files",
        piped=("at",),
    )


def results(
    job: JobId,
    *,
    kind: Annotated[str | None, typer.Option(help="Only of this kind, such as probe", show_default=False)] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the documents a job brought, as JSON."""
    from media_analysis.jobs.results import ResultFilter

    async def work(runtime: Runtime) -> list[AnalysisResult]:
        return await _all_results(runtime, ResultFilter(job_id=await job_id(runtime, job), kind=kind))

    found = run(with_services(load(config, data_dir).settings, work))
    from media_analysis.api.schemas.results import ResultRead

    print_documents(map(ResultRead.model_validate, found))


async def _all_files(runtime: Runtime, wanted: ProductFilter) -> list[MediaFile]:
    await runtime.jobs.catalog.get(wanted.job_id, owner=None)
    page = await runtime.files.products.list(wanted, after=None, limit=PAGE)
    found = list(page.files)
    while page.next_after is not None:
        page = await runtime.files.products.list(wanted, after=page.next_after, limit=PAGE)
        found += page.files
    return found


async def _all_results(runtime: Runtime, wanted: ResultFilter) -> list[AnalysisResult]:
    if wanted.job_id is not None:
        await runtime.jobs.catalog.get(wanted.job_id, owner=None)
    page = await runtime.jobs.results.list(wanted, before=None, limit=PAGE)
    found = list(page.results)
    while page.next_before is not None:
        page = await runtime.jobs.results.list(wanted, before=page.next_before, limit=PAGE)
        found += page.results
    return found


def _place(file: MediaFile) -> str:
    return "" if file.role is None else f"{file.role} {file.ordinal}"


def _seconds_in(file: MediaFile) -> str:
    return "" if file.instant_seconds is None else f"{file.instant_seconds:.3f} s"
