"""What the server tells, as values; what a later server tells besides is in `document`, and no error."""

import dataclasses
import types
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints
from uuid import UUID

from media_analysis.client.errors import NotUnderstood

Document = Mapping[str, Any]
Kind = TypeVar("Kind")


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A file."""

    id: UUID
    owner: str
    category: str
    state: str
    filename: str
    media_type: str
    size_bytes: int | None
    sha256: str | None
    """Hexadecimal."""
    created_at: datetime
    expires_at: datetime | None
    """None is indefinite."""
    job_id: UUID | None = None
    parent_id: UUID | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    ordinal: int | None = None
    instant_seconds: float | None = None
    held: bool = False
    hold_reason: str | None = None
    restorable_until: datetime | None = None
    document: Document = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """Whose a token is, and what it may do."""

    id: UUID
    owner: str
    role: str
    scopes: list[str]
    expires_at: datetime
    categories: list[str] | None = None
    labels: list[str] | None = None
    document: Document = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_limited(self) -> bool:
        """Whether it reaches some of its owner's files only; such a one uploads nothing in pieces."""
        return self.categories is not None or self.labels is not None


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """A content that was asked for, and the file that has it, None if there is none."""

    sha256: str
    size_bytes: int
    file_id: UUID | None
    expires_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Amount:
    """Files, and their bytes."""

    files: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Obstacle:
    """A rule that keeps so many files from being deleted, until then or until somebody acts."""

    rule: str
    files: int
    until: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FileRemoval:
    """What went with a file, or would."""

    file_id: UUID
    dry_run: bool
    restorable_until: datetime | None
    derived: Amount
    results: int
    obstacles: list[Obstacle] = field(default_factory=list)
    pending: bool = False
    document: Document = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Removal:
    """What of the files that a filter names went, or would."""

    dry_run: bool
    matched: Amount
    files: int
    size_bytes: int
    derived: Amount
    results: int
    kept: list[Obstacle]
    needs: int | None
    """The number that `confirm` has to name, None where none has to be named."""
    left: int
    restorable_until: datetime | None
    document: Document = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Why a job failed, or what whoever reads its outcome should know."""

    code: str
    detail: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """An analysis job."""

    id: UUID
    owner: str
    name: str
    kind: str
    parameters: Document
    status: str
    progress: float
    """Share done, 0 to 1."""
    folder_name: str
    created_at: datetime
    source_file_ids: list[UUID] = field(default_factory=list)
    labels: Mapping[str, str] = field(default_factory=dict)
    stage: str | None = None
    attempts: int = 0
    worker: str | None = None
    retry_at: datetime | None = None
    error: Fault | None = None
    warnings: list[Fault] = field(default_factory=list)
    started_at: datetime | None = None
    completed_at: datetime | None = None
    expires_at: datetime | None = None
    held: bool = False
    hold_reason: str | None = None
    document: Document = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_over(self) -> bool:
        """Whether it completed, failed or was cancelled."""
        return self.status in {"completed", "failed", "cancelled"}


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRemoval:
    """What went with a job, or would; its sources stay."""

    job_id: UUID
    dry_run: bool
    cancelled: bool
    files: int
    size_bytes: int
    categories: Mapping[str, Amount]
    results: int
    restorable_until: datetime | None
    remaining: Amount | None
    """What is still in the store, None where nobody can tell."""
    obstacles: list[Obstacle] = field(default_factory=list)
    document: Document = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class JobResult:
    """A document that a job brought."""

    id: UUID
    job_id: UUID
    kind: str
    data: Document
    media_file_id: UUID | None
    created_at: datetime
    expires_at: datetime | None = None
    document: Document = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One event of a stream; `id` is where a reader goes on that comes back."""

    id: str
    kind: str
    data: Document


def read(kind: type[Kind], document: object) -> Kind:
    """Return a document as a value.

    Raises:
        NotUnderstood: something that it always has is missing, or is of another type.

    """
    try:
        return _read_object(kind, document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise NotUnderstood(f"the server's answer is no {kind.__name__}: {error!r:.200}") from error


def _read_object(kind: type[Kind], document: Any) -> Kind:
    fields = dict(_fields(cast("Any", kind)))
    values: dict[str, Any] = {"document": document} if fields.pop("document", None) else {}
    for name, (hint, is_required) in fields.items():
        if name in document:
            values[name] = _read_value(hint, document[name])
        elif is_required:
            raise KeyError(name)
    return kind(**values)


@cache
def _fields(kind: type[Any]) -> Mapping[str, tuple[Any, bool]]:
    """Return the type of each field, and whether it has to be told."""
    hints, missing = get_type_hints(kind), dataclasses.MISSING
    return {
        each.name: (hints[each.name], each.default is missing and each.default_factory is missing)
        for each in dataclasses.fields(kind)
    }


def _read_value(hint: Any, value: Any) -> Any:
    if get_origin(hint) in {Union, types.UnionType}:
        return (
            None if value is None else _read_value(next(arg for arg in get_args(hint) if arg is not type(None)), value)
        )
    if get_origin(hint) is list:
        return [_read_value(get_args(hint)[0], one) for one in value]
    if hint is UUID:
        return UUID(value)
    if hint is datetime:
        return datetime.fromisoformat(value)
    if dataclasses.is_dataclass(hint):
        return _read_object(hint, value)  # type: ignore[arg-type]
    return _read_plain(hint, value)


def _read_plain(hint: Any, value: Any) -> Any:
    origin = get_origin(hint)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return {name: _read_value(get_args(hint)[1], one) for name, one in value.items()}
    if hint is Any:
        return value
    if hint is float and isinstance(value, int):
        return float(value)
    if isinstance(hint, type) and not isinstance(value, hint):
        raise TypeError(f"{value!r:.50} is no {hint.__name__}")
    return value
