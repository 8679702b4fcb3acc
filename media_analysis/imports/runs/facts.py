"""What the manifest of an old archive says of its run, checked before anything of it becomes a row of ours."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from io import BytesIO
from typing import Annotated, Any, Final
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from media_analysis.archive.format.manifest import ManifestFile, ManifestHead
from media_analysis.errors import ArchiveDamaged
from media_analysis.files.archived import ARCHIVE_ROLE
from media_analysis.imports.runs.naming import NEVER_ARCHIVED, RunName
from media_analysis.imports.tree.candidates import allowed_name
from media_analysis.jobs.models import JobStatus
from media_analysis.labels import Labels
from media_analysis.media.types.known import with_family
from media_analysis.media.types.sniff import sniff_file
from media_analysis.storage.category import Category

_ARCHIVED: Final = frozenset(category.value for category in Category if category not in NEVER_ARCHIVED)
_MEDIA_TYPE: Final = re.compile(
    r"[\w!#$&^.+-]{1,127}/[\w!#$&^.+-]{1,127}(; ?[\w!#$&^.+-]{1,64}=[\w.+-]{1,64})*", re.ASCII
)
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
Instant = Annotated[AwareDatetime, Field(ge=datetime(1970, 1, 1, tzinfo=UTC), lt=datetime(9999, 1, 1, tzinfo=UTC))]
Line = Annotated[str, Field(max_length=4096)]
Word = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$")]


class Amounts(BaseModel):
    """What a run produced in one category."""

    files: Annotated[int, Field(ge=0, lt=2**63)]
    size_bytes: Annotated[int, Field(ge=0, lt=2**63)]


class Warned(BaseModel):
    """A warning of a run."""

    code: Word
    detail: Line


class JobFacts(BaseModel):
    """The row of a run that was archived."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    id: UUID
    name: Line
    kind: Word
    parameters: dict[str, Any] = {}
    status: JobStatus
    priority: Annotated[int, Field(ge=-(2**31), lt=2**31)] = 0
    attempts: Annotated[int, Field(ge=0, lt=2**31)] = 0
    error_code: Word | None = None
    error: Line | None = None
    folder_name: str
    category: Category = Category.OUTPUTS
    warnings: list[Warned] = []
    labels: Labels | None = None
    produced: dict[Category, Amounts] = {}
    created_at: Instant
    started_at: Instant | None = None
    completed_at: Instant

    @classmethod
    def of(cls, head: ManifestHead) -> "JobFacts":
        """Return what a manifest says of its run.

        Raises:
            ArchiveDamaged: it cannot be that of a run that has ended.

        """
        document = storable(head.job)
        try:
            facts = cls.model_validate_json(document)
        except ValidationError as error:
            first = error.errors()[0]
            raise ArchiveDamaged(f"the manifest's job: {'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        if not facts.status.is_over:
            raise ArchiveDamaged(f"the archive's run is {facts.status}, and only those that have ended are archived")
        folder = RunName.parse(facts.folder_name)
        if facts.folder_name != head.folder_name or folder is None or folder.id != facts.id:
            raise ArchiveDamaged("the manifest has another folder name than the run")
        if folder.stamped_at is None:
            raise ArchiveDamaged("the folder name does not say when the run was made")
        return facts


class ResultFacts(BaseModel):
    """A result of a run."""

    model_config = ConfigDict(extra="ignore", allow_inf_nan=False)

    id: UUID
    kind: Word
    category: Category
    media_file_id: UUID | None
    created_at: Instant
    expires_at: Instant | None
    data: dict[str, Any]


_RESULT: Final = TypeAdapter(ResultFacts)


def result_line(result: Mapping[str, Any]) -> bytes:
    """Return a result of a manifest as a line for a spool.

    Raises:
        ArchiveDamaged: it cannot be a result.

    """
    line = storable(result)
    read_result(line)
    return line + b"\n"


def read_result(line: bytes) -> ResultFacts:
    """Return what `result_line` wrote.

    Raises:
        ArchiveDamaged: it cannot be a result.

    """
    try:
        return _RESULT.validate_json(line)
    except ValidationError as error:
        raise ArchiveDamaged(f"a result in its manifest: {error.errors()[0]['msg']}") from error


def storable(document: Mapping[str, Any]) -> bytes:
    """Return a document as one line of JSON that PostgreSQL can keep.

    Raises:
        ArchiveDamaged: it has a NUL, or is nested too deep.

    """
    try:
        line = json.dumps(document).encode()
    except RecursionError as error:
        raise ArchiveDamaged("a document in its manifest is nested too deep") from error
    if _NUL.search(line):
        raise ArchiveDamaged("a text in its manifest has a NUL")
    return line


def require_file(file: ManifestFile, places: set[tuple[str, int | None]]) -> None:
    """Return if a file of a manifest can have been archived; `places` are those of the files before it.

    Raises:
        ArchiveDamaged: no run's archive holds such a file.

    """
    if file.category not in _ARCHIVED:
        raise ArchiveDamaged(
            f"the file's category is {file.category}, of which archives hold nothing", member=file.name
        )
    if _MEDIA_TYPE.fullmatch(file.media_type) is None:
        raise ArchiveDamaged("the file's media type is none", member=file.name)
    if file.filename != allowed_name(file.filename):
        raise ArchiveDamaged("the file's name cannot be shown", member=file.name)
    if file.role is None:
        return
    if file.role == ARCHIVE_ROLE or (file.role, file.ordinal) in places:
        raise ArchiveDamaged(f"the file's place, {file.role} {file.ordinal}, is taken", member=file.name)
    places.add((file.role, file.ordinal))


def believable_type(head: bytes, declared: str) -> str:
    """Return the media type that the first bytes of a file bear out; an empty file is what it says.

    Whether a container holds pictures or sound alone may stand behind them.
    """
    if not head:
        return declared
    found = sniff_file(BytesIO(head), declared=declared)
    same = {with_family(found.media_type, moves=moves) for moves in (True, False)}
    return declared if declared in same and not found.is_certain else found.media_type


def facts_of_nameless(job_id: UUID, *, name: str, kind: str, folder_name: str, created_at: datetime) -> JobFacts:
    """Return the facts of a run that says nothing of itself."""
    return JobFacts(
        id=job_id,
        name=allowed_name(name),
        kind=kind,
        status=JobStatus.COMPLETED,
        folder_name=folder_name,
        created_at=created_at,
        completed_at=created_at,
    )
