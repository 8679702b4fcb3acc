"""Jobs of the database of this machine."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from media_analysis.cli.console import load, run
from media_analysis.cli.ids import file_id, job_id
from media_analysis.cli.job_watch import follow
from media_analysis.cli.services import ACTOR, with_services
from media_analysis.client.answers import File, Job, JobRemoval, JobResult, read
from media_analysis.errors import InvalidRequest

if TYPE_CHECKING:
    from uuid import UUID

    from pydantic import BaseModel

    from media_analysis.cli.grammar import IdPart
    from media_analysis.jobs.service import JobView
    from media_analysis.runtime import Runtime

PAGE: Final = 1_000
Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class LocalDesk:
    """Asks the services themselves, beside a running one or alone."""

    config: Path | None
    data_dir: Path | None

    def create(self, asked: Mapping[str, Any], *, sources: Sequence[IdPart], owner: str | None) -> Job:
        from media_analysis.jobs.service import JobView

        async def work(runtime: Runtime) -> JobView:
            found = [await file_id(runtime, part) for part in sources]
            whose = owner or await _owner_of(runtime, found)
            wanted = _checked(runtime, {**asked, "source_file_ids": list(map(str, found))})
            job = await runtime.jobs.control.create(wanted.asked(whose, by_administrator=True))
            return JobView(job, wanted.source_file_ids, job.created_at)

        return _read_job(self._do(work))

    def list(
        self, *, statuses: Sequence[str], kind: str | None, owner: str | None, limit: int
    ) -> tuple[Sequence[Job], bool]:
        from media_analysis.jobs.queries import JobFilter
        from media_analysis.jobs.status import JobStatus

        wanted = JobFilter(owner=owner, statuses=[JobStatus(status) for status in statuses], kind=kind)
        page = self._do(lambda runtime: runtime.jobs.catalog.list(wanted, before=None, limit=limit))
        return list(map(_read_job, page.views)), page.next_before is not None

    def show(self, job: IdPart) -> Job:
        return self._view(job, None)

    def retry(self, job: IdPart) -> Job:
        return self._view(job, lambda runtime, wanted: runtime.jobs.control.retry(wanted, owner=None))

    def cancel(self, job: IdPart) -> Job:
        return self._view(job, lambda runtime, wanted: runtime.jobs.control.cancel(wanted, owner=None))

    def cancel_waiting(self, *, kind: str | None, owner: str | None) -> int:
        from media_analysis.jobs.queries import JobFilter

        wanted = JobFilter(owner=owner, kind=kind)
        return self._do(lambda runtime: runtime.jobs.control.cancel_waiting(wanted))

    def watch(self, job: IdPart) -> str | None:
        async def work(runtime: Runtime) -> str | None:
            return await follow(runtime, await job_id(runtime, job))

        return self._do(work)

    def files(self, job: IdPart, *, category: str | None) -> Sequence[File]:
        from media_analysis.api.schemas.files import FileRead
        from media_analysis.files.products import ProductFilter
        from media_analysis.storage.category import Category

        async def work(runtime: Runtime) -> list[File]:
            wanted = ProductFilter(
                job_id=await job_id(runtime, job), category=None if category is None else Category(category)
            )
            await runtime.jobs.catalog.get(wanted.job_id, owner=None)
            found: list[File] = []
            page = await runtime.files.products.list(wanted, after=None, limit=PAGE)
            while True:
                found += [_read(File, FileRead.model_validate(file)) for file in page.files]
                if page.next_after is None:
                    return found
                page = await runtime.files.products.list(wanted, after=page.next_after, limit=PAGE)

        return self._do(work)

    def results(self, job: IdPart, *, kind: str | None) -> Sequence[JobResult]:
        from media_analysis.api.schemas.results import ResultRead
        from media_analysis.jobs.results import ResultFilter

        async def work(runtime: Runtime) -> list[JobResult]:
            wanted_id = await job_id(runtime, job)
            wanted = ResultFilter(job_id=wanted_id, kind=kind)
            await runtime.jobs.catalog.get(wanted_id, owner=None)
            found: list[JobResult] = []
            page = await runtime.jobs.results.list(wanted, before=None, limit=PAGE)
            while True:
                found += [_read(JobResult, ResultRead.model_validate(result)) for result in page.results]
                if page.next_before is None:
                    return found
                page = await runtime.jobs.results.list(wanted, before=page.next_before, limit=PAGE)

        return self._do(work)

    def delete(self, job: IdPart, *, reason: str | None, hard: bool, secure: bool, dry_run: bool) -> JobRemoval:
        from media_analysis.api.schemas.removals import JobRemovalRead
        from media_analysis.deletion.requests import DeletionRequest

        asked = DeletionRequest(actor=ACTOR, reason=reason, hard=hard, secure=secure)

        async def work(runtime: Runtime) -> JobRemoval:
            act = runtime.jobs.deletions.preview if dry_run else runtime.jobs.deletions.delete
            told = await act(await job_id(runtime, job), asked, owner=None)
            return _read(JobRemoval, JobRemovalRead.from_removal(told))

        return self._do(work)

    def undo(self, told: JobRemoval) -> str:
        return f"media-analysis restore --job {told.job_id}"

    def _view(self, job: IdPart, act: Callable[[Runtime, UUID], Awaitable[object]] | None) -> Job:
        async def work(runtime: Runtime) -> JobView:
            wanted = await job_id(runtime, job)
            if act is not None:
                await act(runtime, wanted)
            return await runtime.jobs.catalog.view(wanted, owner=None)

        return _read_job(self._do(work))

    def _do(self, work: Callable[[Runtime], Awaitable[Value]]) -> Value:
        return run(with_services(load(self.config, self.data_dir).settings, work))


def _read_job(view: JobView) -> Job:
    from media_analysis.api.schemas.jobs import JobRead

    return _read(Job, JobRead.from_view(view))


def _read(kind: type[Value], answer: BaseModel) -> Value:
    """Return what the API would answer, as its clients read it."""
    return read(kind, answer.model_dump(mode="json"))


def _checked(runtime: Runtime, asked: dict[str, Any]) -> Any:
    from pydantic import TypeAdapter, ValidationError

    from media_analysis.api.schemas.job_requests import job_request

    try:
        return TypeAdapter(job_request(runtime.jobs.kinds)).validate_python(asked)
    except ValidationError as error:
        wrong = error.errors()[0]
        field = ".".join(str(part) for part in wrong["loc"][1:]) or "job"
        raise InvalidRequest(field, str(wrong["msg"]).removeprefix("Value error, ")) from error


async def _owner_of(runtime: Runtime, sources: Sequence[UUID]) -> str:
    if not sources:
        raise InvalidRequest("--owner", "a job without a source needs an owner; give one, or a --source FILE_ID")
    return (await runtime.files.catalog.get(sources[0], owner=None)).owner
