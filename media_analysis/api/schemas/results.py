"""Documents about the results of jobs."""

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import Field

from media_analysis.api import API_PATH
from media_analysis.api.documents import parse_json, require_storable
from media_analysis.api.pages import PageQuery
from media_analysis.api.schemas.base import ReadModel, RequestDocument
from media_analysis.errors import InvalidRequest
from media_analysis.jobs.attempts.attempt import NewResult
from media_analysis.jobs.results import ResultFilter
from media_analysis.storage.category import Category
from media_analysis.values import Instant, Line, Owner

MOST_BYTES: Final = 16 * 1024
SCHEMAS: Final = f"{API_PATH}/results/schemas/{{kind}}"
ResultKind = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_.-]{0,63}$")]
Containment = Annotated[
    str,
    Field(
        max_length=MOST_BYTES,
        description="A JSON object that the result's `data` contains (PostgreSQL's `@>`): "
        "every field of it, at any depth, and of arrays at least these elements",
        examples=['{"video_codec": "h264", "width": 1920}'],
        json_schema_extra={"contentMediaType": "application/json", "contentSchema": {"type": "object"}},
    ),
]


class JobResultsQuery(PageQuery):
    """Which results of a job a list shows."""

    kind: Line | None = None

    def wanted(self, job_id: UUID, *, scope: str | None) -> ResultFilter:
        """Return the filter for a caller who may see `scope`, everybody's results if None."""
        return ResultFilter(owner=scope, job_id=job_id, kind=self.kind)


class ResultListQuery(PageQuery):
    """Which results a search finds; all that is given must hold."""

    job_id: UUID | None = None
    kind: Line | None = None
    file_id: UUID | None = Field(None, description="The source that a result is about")
    owner: Owner | None = Field(None, description="Administrators only; others see their own")
    created_after: Instant | None = Field(None, description="Made at this instant or later")
    created_before: Instant | None = Field(None, description="Made earlier than this instant")
    contains: Containment | None = None

    def wanted(self, *, scope: str | None) -> ResultFilter:
        """Return the filter for a caller who may see `scope`, everybody's results if None.

        Raises:
            InvalidRequest: `contains` is no JSON object, or not one that can be looked for.

        """
        asked = self.model_dump(exclude={"limit", "cursor", "owner", "contains"})
        contains = None if self.contains is None else _parsed(self.contains)
        return ResultFilter(owner=scope or self.owner, contains=contains, **asked)


def _parsed(contains: str) -> dict[str, Any]:
    if len(contains.encode("utf-8", "replace")) > MOST_BYTES:
        raise InvalidRequest("contains", f"must not be longer than {MOST_BYTES:,} bytes")
    wanted = parse_json(contains, "contains")
    if not isinstance(wanted, dict):
        raise InvalidRequest("contains", "must be a JSON object")
    require_storable(wanted, "contains")
    return wanted


class ResultCreate(RequestDocument):
    """A result as an analyser puts it, by path, query and body together."""

    kind: ResultKind
    data: dict[str, Any]
    source_file_id: UUID | None = None

    def result(self) -> NewResult:
        """Return what a run writes down."""
        return NewResult(kind=self.kind, data=self.data, file_id=self.source_file_id)


class ResultUpdate(RequestDocument, json_schema_extra={"examples": [{"expires_at": "2030-01-01T00:00:00Z"}]}):
    """A new end for a result; `expires_at: null` keeps it until its job is deleted."""

    expires_at: Instant | None


class ResultRead(ReadModel):
    """A result as its owner sees it."""

    id: UUID
    owner: str
    job_id: UUID
    media_file_id: UUID | None = Field(description="The source it is about; null where it is about the whole job")
    kind: str
    data: dict[str, Any] = Field(description=f"Of kinds built in, as the schema at `{SCHEMAS}` says")
    category: Category
    created_at: datetime
    expires_at: datetime | None = Field(description="It answers 404 from this instant on; null is indefinite")


class ResultList(ReadModel):
    """One page of results, newest first."""

    items: list[ResultRead]
    next_cursor: str | None
