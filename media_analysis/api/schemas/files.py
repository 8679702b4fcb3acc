"""Documents about files."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, Self
from uuid import UUID

import orjson
from pydantic import Field, model_validator

from media_analysis.api.pages import PageQuery, decode_moment, encode_cursor, encode_moment
from media_analysis.api.schemas.base import OF_LABELS, Hex, ReadModel, RequestDocument
from media_analysis.files.expiry import Expiry
from media_analysis.files.filters import FileFilter
from media_analysis.files.models import MediaFile
from media_analysis.files.queries import ContentDigest
from media_analysis.files.reading import FilePage, FilePlace, Row
from media_analysis.labels import (
    LabelChanges,
    LabelFilters,
    LabelTexts,
    Relabel,
    parse_filters,
    parse_labels,
    relabelling,
)
from media_analysis.policy.decision import find_hold
from media_analysis.states import FileState, RetentionRule, finite
from media_analysis.storage.category import Category
from media_analysis.units import LARGEST_SIZE
from media_analysis.values import Filename, Instant, Owner, Seconds

REQUIRED: Final[dict[str, Any]] = {"x-required": True}
"""For the document: what only some bodies may leave out (`api/document.py`)."""
IN_A_FORM: Final = "Always in the query, but where the body is a form that has it as a field"


class FileEnd(RequestDocument):
    """When a file is to end that is about to be uploaded."""

    ttl_seconds: Seconds | None = Field(None, description="Lifetime from the end of the upload")
    expires_at: Instant | Literal["never"] | None = None

    @model_validator(mode="after")
    def _one_expiry(self) -> Self:
        if self.ttl_seconds is not None and self.expires_at is not None:
            raise ValueError("ttl_seconds and expires_at exclude each other")
        return self

    def expiry(self) -> Expiry | None:
        """Return the expiry asked for, None for the category's own."""
        if self.ttl_seconds is not None:
            return Expiry(lifetime=timedelta(seconds=self.ttl_seconds))
        if self.expires_at is None:
            return None
        return Expiry(at=None if self.expires_at == "never" else self.expires_at)


class FileCreate(FileEnd):
    """What is said of a file at its upload, in the query or as multipart fields."""

    category: Category
    filename: Filename
    job_id: UUID | None = None
    parent_id: UUID | None = None
    label: LabelTexts | None = None

    def labels(self) -> dict[str, str] | None:
        """Return the labels asked for, None for none."""
        return parse_labels(self.label) if self.label else None


class FileQuery(RequestDocument):
    """The query of an upload; multipart uploads may give any of it as fields instead."""

    category: Category | None = Field(None, description=IN_A_FORM, json_schema_extra=REQUIRED)
    filename: Filename | None = Field(None, description=IN_A_FORM, json_schema_extra=REQUIRED)
    ttl_seconds: Seconds | None = Field(None, description="Lifetime from the end of the upload, in seconds")
    expires_at: Instant | Literal["never"] | None = Field(None, description="An instant with offset, or `never`")
    job_id: UUID | None = None
    parent_id: UUID | None = Field(None, description="The file this one was derived from")
    label: LabelTexts | None = Field(
        None, description="A label, such as `event:evt42`; the first colon splits, and it may be given several times"
    )


class FileListQuery(PageQuery):
    """Which files a list shows."""

    category: Category | None = None
    job_id: UUID | None = None
    state: FileState | None = None
    expires_before: Instant | None = Field(None, description="Ends before then; what ends next comes first")
    owner: Owner | None = Field(None, description="Administrators only; others see their own")
    label: LabelFilters | None = Field(None, description=OF_LABELS)
    renditions: bool = Field(False, description="Whether pictures that are kept of files are listed, too")

    def after(self) -> FilePlace | None:
        """Return the file after which the page begins.

        Raises:
            InvalidRequest: the cursor is none of ours, or one of the other order.

        """
        if self.expires_before is None:
            before = self.before()
            return None if before is None else FilePlace(before)
        if self.cursor is None:
            return None
        ends_at, file_id = decode_moment(self.cursor)
        return FilePlace(file_id, ends_at)

    def wanted(self, *, scope: str | None) -> FileFilter:
        """Return the filter for a caller who may see `scope`, everybody's files if None."""
        return FileFilter(
            owner=scope or self.owner,
            category=self.category,
            job_id=self.job_id,
            state=self.state,
            expires_before=self.expires_before,
            labels=parse_filters(self.label or ()),
            renditions=self.renditions,
        )


class FileUpdate(
    RequestDocument,
    json_schema_extra={"examples": [{"filename": "at-sea.mp4", "labels": {"event": "evt42", "camera": None}}]},
):
    """A new name, a new end, or labels; `expires_at: null` keeps the file until it is deleted."""

    filename: Filename | None = None
    ttl_seconds: Seconds | None = Field(None, description="Lifetime from now")
    expires_at: Instant | None = None
    labels: LabelChanges | None = Field(
        None, description="What is named is set, or taken away by null; null alone takes all away (RFC 7396)"
    )

    @model_validator(mode="after")
    def _something_consistent(self) -> Self:
        given = self.model_fields_set
        if not given or (given == {"filename"} and self.filename is None):
            raise ValueError("nothing to change")
        if "ttl_seconds" in given and self.ttl_seconds is None:
            raise ValueError("ttl_seconds must be a number; send expires_at: null to keep the file indefinitely")
        if {"ttl_seconds", "expires_at"} <= given:
            raise ValueError("ttl_seconds and expires_at exclude each other")
        return self

    def expiry(self) -> Expiry | None:
        """Return the new expiry, None to leave it as it is."""
        if self.ttl_seconds is not None:
            return Expiry(lifetime=timedelta(seconds=self.ttl_seconds))
        return Expiry(at=self.expires_at) if "expires_at" in self.model_fields_set else None

    def relabel(self) -> Relabel | None:
        """Return what makes the new labels of the old ones, None to leave them as they are."""
        return relabelling(self.labels) if "labels" in self.model_fields_set else None


class FileContent(RequestDocument):
    """Bytes by what they hash to."""

    sha256: str = Field(pattern="^[0-9A-Fa-f]{64}$", description="Hexadecimal")
    size_bytes: int = Field(strict=True, ge=0, le=LARGEST_SIZE)

    def content(self) -> ContentDigest:
        """Return it as it is looked for."""
        return ContentDigest(bytes.fromhex(self.sha256), self.size_bytes)


class FileCheck(
    RequestDocument, json_schema_extra={"examples": [{"items": [{"sha256": "e3b0c442" * 8, "size_bytes": 115278}]}]}
):
    """Contents that somebody is about to upload."""

    items: list[FileContent] = Field(min_length=1, max_length=1_000)


class ContentRead(ReadModel):
    """A content that was asked for, and the file that has it."""

    sha256: Hex
    size_bytes: int
    file_id: UUID | None = Field(description="The caller's own living file of these bytes; null if there is none")
    expires_at: datetime | None = Field(description="When that one ends; null is never, or that there is none")


class FileCheckRead(ReadModel):
    """What was asked for, in the same order."""

    items: list[ContentRead]


class FileRead(ReadModel):
    """A file as its owner sees it."""

    id: UUID
    owner: str
    category: Category
    state: FileState
    filename: str
    media_type: str
    size_bytes: int | None
    sha256: Hex | None = Field(description="Lower-case hexadecimal; null while the upload runs")
    created_at: datetime
    expires_at: datetime | None = Field(description="Content answers 410 from this instant on; null is indefinite")
    job_id: UUID | None
    parent_id: UUID | None = Field(description="The file it was derived from")
    labels: dict[str, str] = Field(description="What whoever made it calls it by; empty where it has none")
    role: str | None = Field(description="What it is to its job, such as `frame`; null for what no job made")
    ordinal: int | None = Field(description="Its place among those of its role, from 0, in time order")
    instant_seconds: float | None = Field(description="Where in its parent it was taken")
    held: bool = Field(description="Nothing may delete it now: it is held itself, or its job is")
    held_until: datetime | None = Field(description="When the longer of the two holds ends; null is until its release")
    hold_reason: str | None = Field(description="Of its own hold")
    held_by: str | None = Field(description="Who holds the file itself")
    trashed_at: datetime | None = Field(description="Since when it is in the trash; null where it is not")
    restorable_until: datetime | None = Field(description="It can be restored at least until then")
    rule: RetentionRule | None = Field(description="Why it is in the trash")

    @model_validator(mode="before")
    @classmethod
    def _described(cls, given: object) -> object:
        return _facts(given) if isinstance(given, MediaFile) else given


def _facts(file: MediaFile) -> dict[str, Any]:
    """Return what is told of a row; of one that was just made, or is repeated, some columns may be missing."""
    now = datetime.now(UTC)
    own = file.held_until if file.held_until is not None and file.held_until > now else None
    held_until = find_hold(file, now)
    return {
        **{name: getattr(file, name) for name in _COLUMNS},
        "labels": file.labels or {},
        "held": held_until is not None,
        "held_until": finite(held_until),
        "hold_reason": file.hold_reason if own else None,
        "held_by": file.held_by if own else None,
        "restorable_until": file.trash_ends_at,
        "rule": file.trash_rule,
    }


_COLUMNS: Final = frozenset(FileRead.model_fields) & frozenset(MediaFile.__mapper__.columns.keys()) - {"labels"}


class FileList(ReadModel):
    """One page of files, newest first; with `expires_before` that which ends next comes first."""

    items: list[FileRead]
    next_cursor: str | None = Field(description="Of the same order only: with `expires_before`, or without")


def dump_files(page: FilePage) -> bytes:
    """Return a page as JSON, in the shape of a `FileList`."""
    names = tuple(page.files[0].keys()) if page.files else ()
    items = [_with_labels(dict(zip(names, row.values(), strict=True))) for row in page.files]
    return dump_document({"items": items, "next_cursor": next_cursor(page)})


def next_cursor(page: FilePage) -> str | None:
    """Return the cursor of the page behind one, None behind the last."""
    place = page.next_after
    if place is None:
        return None
    return encode_cursor(place.id) if place.ends_at is None else encode_moment(place.ends_at, place.id)


def dump_file(row: Row) -> bytes:
    """Return a file as JSON, in the shape of a `FileRead`."""
    return dump_document(_with_labels(dict(row)))


def _with_labels(document: dict[str, Any]) -> dict[str, Any]:
    document["labels"] = orjson.loads(document["labels"])
    return document


def dump_document(document: dict[str, Any]) -> bytes:
    """Return what PostgreSQL told, as JSON."""
    return orjson.dumps(document, default=str, option=orjson.OPT_UTC_Z)
