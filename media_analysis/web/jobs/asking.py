"""What a form asks for that starts a job: fields made of the schema of a kind, and files to start it with."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self
from uuid import UUID

from pydantic import BaseModel

from media_analysis.analysis.kinds import Kind
from media_analysis.api.schemas.job_requests import MOST_SOURCES, ExternalParameters
from media_analysis.files.filters import FileFilter
from media_analysis.files.models import MediaFile
from media_analysis.files.reading import Row
from media_analysis.jobs.attempts.turns import EXTERNAL
from media_analysis.runtime import Runtime
from media_analysis.sessions.service import Caller
from media_analysis.states import FileState
from media_analysis.storage.category import Category
from media_analysis.web.jobs.sources import list_files

CHOICES: Final = 24


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a kind as a field of a form."""

    name: str
    type: str
    """As JSON Schema calls it; of a list, what its items are."""
    is_list: bool
    is_required: bool
    description: str
    default: str
    """In words, empty where there is none."""
    choices: Sequence[str]
    smallest: float | None
    largest: float | None
    pattern: str | None


@dataclass(frozen=True, kw_only=True)
class KindForm:
    """A kind of job that can be asked for."""

    name: str
    summary: str
    fewest: int
    most: int
    parameters: Sequence[Parameter]


def list_kinds(kinds: Mapping[str, Kind]) -> Sequence[KindForm]:
    """Return what can be asked for: the kinds that are installed, and work for programs elsewhere."""
    forms = [
        KindForm(
            name=kind.name,
            summary=kind.summary,
            fewest=kind.min_sources,
            most=kind.max_sources,
            parameters=list(_parameters(kind.parameters)),
        )
        for kind in kinds.values()
    ]
    external = KindForm(
        name=EXTERNAL,
        summary="Work for a program elsewhere that claims it",
        fewest=0,
        most=MOST_SOURCES,
        parameters=list(_parameters(ExternalParameters)),
    )
    return [*forms, external]


def _parameters(model: type[BaseModel]) -> Iterator[Parameter]:
    schema = model.model_json_schema()
    required, known = schema.get("required", ()), schema.get("$defs", {})
    for name, told in schema.get("properties", {}).items():
        value = _value_of(told, known)
        items = _value_of(value["items"], known) if "items" in value else value
        yield Parameter(
            name=name,
            type=items.get("type", "object"),
            is_list="items" in value,
            is_required=name in required,
            description=told.get("description", ""),
            default=_in_words(told.get("default")),
            choices=items.get("enum", ()),
            smallest=items.get("minimum", items.get("exclusiveMinimum")),
            largest=items.get("maximum", items.get("exclusiveMaximum")),
            pattern=items.get("pattern"),
        )


def _value_of(told: Mapping[str, Any], known: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what a value may be if it is given: not null, and what a reference stands for."""
    others = [one for one in told.get("anyOf", ()) if one.get("type") != "null"]
    value = others[0] if len(others) == 1 else told
    return known.get(value["$ref"].rpartition("/")[2], {}) if "$ref" in value else value


def _in_words(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    return "" if default is None or default == {} else str(default)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is filled in already."""

    kind: str | None = None
    name: str = ""
    sources: Sequence[MediaFile] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    lost: int = 0
    """How many files of the job before are gone."""

    @classmethod
    async def read(
        cls, services: Runtime, caller: Caller, *, kind: str | None, sources: Sequence[UUID], again: UUID | None
    ) -> Self:
        """Return what a form begins with: files, or all that another job was asked with.

        Raises:
            JobNotFound, JobGone: there is none to do again.

        """
        if again is None:
            files = await list_files(services, caller, sources)
            named = f"{kind or 'analysis'} of {files[0].filename}"[:500] if files else ""
            return cls(kind=kind, name=named, sources=files, lost=len(sources) - len(files))
        view = await services.jobs.catalog.view(again, owner=caller.scope)
        job, files = view.job, await list_files(services, caller, view.sources)
        return cls(
            kind=kind or job.kind,
            name=job.name,
            sources=files,
            parameters=job.parameters if kind in {None, job.kind} else {},
            labels=job.labels or {},
            lost=len(view.sources) - len(files),
        )


async def list_choices(services: Runtime, caller: Caller) -> Sequence[Row]:
    """Return the caller's latest uploads: a job is of files of its owner."""
    wanted = FileFilter(owner=caller.owner, state=FileState.STORED, category=Category.UPLOADS)
    return (await services.files.catalog.list(wanted, after=None, limit=CHOICES)).files
