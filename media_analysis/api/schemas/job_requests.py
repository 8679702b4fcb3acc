"""What can be asked of jobs: one document per kind, made from the kinds that are installed."""

import json
from collections.abc import Mapping
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, ValidationError, create_model

from media_analysis.analysis.kinds import Kind
from media_analysis.api.documents import require_storable
from media_analysis.api.schemas.base import RequestDocument
from media_analysis.errors import UnknownKind
from media_analysis.jobs.attempts.turns import EXTERNAL
from media_analysis.jobs.control import NewJob
from media_analysis.labels import Labels
from media_analysis.media.options import Options
from media_analysis.values import Line, Seconds

MOST_SOURCES: Final = 100
LONGEST_KIND: Final = 40
Priority = Annotated[
    int,
    Field(
        strict=True,
        ge=-100,
        le=100,
        description="Higher ones of an owner are begun first. Owners take turns whatever their priorities; only what "
        "an administrator asks for with a positive one goes before everybody's",
    ),
]


class JobCreate(RequestDocument):
    """What every kind of job is asked with; each kind adds its own `kind`, `parameters` and number of sources."""

    name: Line
    source_file_ids: list[UUID]
    priority: Priority = 0
    ttl_seconds: Seconds | None = Field(
        None, description="How long files and results are kept once the job has ended; else as their categories say"
    )
    labels: Labels = Field({}, description="What you call it by; its products get them, too")
    pin_sources: bool = Field(
        True, description="Keep the sources while the job waits, up to the service's limit, whatever their own expiry"
    )

    def asked(self, owner: str, *, by_administrator: bool) -> NewJob:
        """Return the job that this asks for; its parameters are those that were given."""
        given = self.model_dump(mode="json", exclude_unset=True, include={"kind", "parameters"})
        return NewJob(
            owner=owner,
            name=self.name,
            kind=given["kind"],
            source_file_ids=self.source_file_ids,
            parameters=given.get("parameters", {}),
            priority=self.priority,
            by_administrator=by_administrator,
            lifetime=None if self.ttl_seconds is None else timedelta(seconds=self.ttl_seconds),
            labels=self.labels,
            pins=self.pin_sources,
        )


class ExternalParameters(Options):
    """Which program elsewhere is to claim the job, and what it is told."""

    analyser: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$", description="Programs claim jobs by this name")
    options: dict[str, Any] = Field(default_factory=dict, description="Handed to the program as it is")


def job_request(kinds: Mapping[str, Kind]) -> Any:
    """Return the type of a request for a job: the union of all kinds, told apart by `kind`."""
    known = sorted([*kinds, EXTERNAL])

    def require_known(request: Any) -> Any:
        kind = request.get("kind") if isinstance(request, dict) else None
        if isinstance(kind, str) and kind not in known:
            raise UnknownKind(kind[:LONGEST_KIND].encode("ascii", "replace").decode(), known=known)
        if kind is not None and not isinstance(kind, str):
            raise ValueError(f"kind is one of {', '.join(known)}")  # pydantic would repeat what was sent
        return request

    external = _request(EXTERNAL, ExternalParameters, (0, MOST_SOURCES), "Work for a program elsewhere that claims it")
    requests = (
        _request(kind.name, kind.parameters, (kind.min_sources, kind.max_sources), kind.summary)
        for kind in kinds.values()
    )
    union: Any = reduce(or_, [*requests, external])
    return Annotated[union, Discriminator("kind"), BeforeValidator(require_known)]


def _request(name: str, parameters: type[Options], sources: tuple[int, int], summary: str) -> type[JobCreate]:
    fewest, most = sources
    bounds = Field(min_length=fewest, max_length=most, json_schema_extra={"uniqueItems": True})
    several = Annotated[list[UUID], bounds, AfterValidator(_distinct)]
    fields: dict[str, Any] = {
        "kind": (Literal[name], ...),
        "parameters": (Annotated[parameters, BeforeValidator(_storable)], _default_of(parameters)),
        "source_file_ids": (several, ... if fewest else Field(default_factory=list)),
    }
    title = "".join(part.capitalize() for part in name.split("_"))
    about = f"{summary or f'A job of kind {name}'}."
    return create_model(f"{title}JobCreate", __base__=JobCreate, __doc__=about, __module__=__name__, **fields)


def _default_of(parameters: type[Options]) -> Any:
    """Return what stands for parameters that are left out: nothing, where the kind has any that must be given."""
    try:
        parameters()
    except ValidationError:
        return ...
    return Field({}, validate_default=True)


def _distinct(ids: list[UUID]) -> list[UUID]:
    if len(set(ids)) < len(ids):
        raise ValueError("names a file twice")
    return ids


def _storable(given: Any) -> Any:
    """Refuse what JSON parsers let through and PostgreSQL does not."""
    require_storable(given, "parameters")
    try:
        json.dumps(given, ensure_ascii=False, allow_nan=False).encode()
    except ValueError as error:
        raise ValueError("holds a lone surrogate, or a number that is not finite") from error
    return given
