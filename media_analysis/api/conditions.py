"""What a request wants to be true of a file before it is answered (RFC 9110 section 13)."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256
from typing import Any, Final, Self

from starlette.datastructures import Headers
from starlette.requests import Request

from media_analysis.api.schemas.files import FileRead
from media_analysis.errors import FileNotFound, InvalidRequest, PreconditionFailed
from media_analysis.files.archived import ArchivedFile
from media_analysis.files.models import MediaFile
from media_analysis.files.reading import StoredContent
from media_analysis.files.service import Condition
from media_analysis.sessions.service import Caller

_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"')


def request_header(name: str, description: str) -> dict[str, Any]:
    """Return the OpenAPI parameter of a header."""
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


_MATCH: Final = request_header("If-Match", "Answered 412 unless one of these entity tags is the file's, or `*`")
_UNMODIFIED: Final = request_header("If-Unmodified-Since", "Answered 412 if its bytes came after this date")
CHANGING: Final[dict[str, Any]] = {"parameters": [_MATCH, _UNMODIFIED]}
_NONE_MATCH: Final = request_header("If-None-Match", "Entity tags the client has")
ROW: Final[dict[str, Any]] = {"parameters": [_MATCH, _NONE_MATCH]}
READING: Final[dict[str, Any]] = {
    "parameters": [
        _MATCH,
        _UNMODIFIED,
        _NONE_MATCH,
        request_header("If-Modified-Since", "Answered 304 unless its bytes came after this date"),
    ]
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Conditions:
    """The conditions of one request."""

    match: frozenset[str] | None
    """Entity tags, one of which must be the file's; `*` is any."""
    none_match: frozenset[str] | None
    modified_since: datetime | None
    unmodified_since: datetime | None

    @classmethod
    def of_read(cls, headers: Headers) -> Self:
        """Return the conditions of a GET or HEAD; a date that is none counts as absent (sections 13.1.3, 13.1.4)."""
        return cls(
            match=_tags(headers, "if-match"),
            none_match=_tags(headers, "if-none-match"),
            modified_since=_date(headers.get("if-modified-since")),
            unmodified_since=_date(headers.get("if-unmodified-since")),
        )

    @classmethod
    def of_change(cls, headers: Headers) -> Self:
        """Return the conditions of a PATCH or DELETE, none of which may be overlooked.

        Raises:
            InvalidRequest: a date is none.

        """
        read = cls.of_read(headers)
        if "if-unmodified-since" in headers and read.unmodified_since is None:
            raise InvalidRequest("If-Unmodified-Since", "no date as in Sun, 06 Nov 1994 08:49:37 GMT")
        return read

    def require(self, tags: frozenset[str], modified_at: datetime | None) -> None:
        """Return if the file is what the request says (section 13.2.2, steps 1 and 2).

        Raises:
            PreconditionFailed: it is not.

        """
        if self.match is not None:
            holds = "*" in self.match or bool(tags & self.match)
        else:
            holds = _holds_since(self.unmodified_since, modified_at, otherwise=True)
        if not holds:
            raise PreconditionFailed

    def is_known(self, tag: str, modified_at: datetime | None) -> bool:
        """Whether the client of a GET or HEAD has it already: 304 (section 13.2.2, steps 3 and 4)."""
        if self.none_match is not None:
            return "*" in self.none_match or tag in {known.removeprefix("W/") for known in self.none_match}
        return _holds_since(self.modified_since, modified_at, otherwise=False)


def changing(request: Request, caller: Caller, *, content_too: bool) -> Condition | None:
    """Return what a row must be to be changed as the request asks, None where it does not care.

    The tag of the bytes is taken as well with `content_too`. A limited session has to reach the row still.
    """
    asked, limit = Conditions.of_change(request.headers), caller.limit
    if asked == _NONE and limit is None:
        return None

    def require(file: MediaFile) -> None:
        if limit is not None and not limit.admits(file.category, file.labels):
            raise FileNotFound(file.id)
        tags = frozenset({row_tag(file), content_tag(file)} if content_too else {row_tag(file)})
        asked.require(tags, file.stored_at)
        if asked.none_match is not None and any(asked.is_known(tag, None) for tag in tags):
            raise PreconditionFailed

    return require


def require_unconditional(headers: Headers, *, changes: bool) -> None:
    """Refuse what a request wants to be true of a resource without entity tag and date: nobody could say that it is.

    `*` asks for no tag, and is met by what exists. A read ignores dates (RFC 9110 section 13.1.4); for a change, which
    would then happen unchecked, they are refused.

    Raises:
        PreconditionFailed: there is such a condition.

    """
    match = _tags(headers, "if-match")
    if match is not None and "*" not in match:
        raise PreconditionFailed("this resource has no entity tag that If-Match could name")
    if changes and match is None and "if-unmodified-since" in headers:
        raise PreconditionFailed("this resource has no date that If-Unmodified-Since could be compared with")
    if changes and "*" in (_tags(headers, "if-none-match") or ()):
        raise PreconditionFailed("If-None-Match: * is for resources that a request creates, and this one is not")


def row_tag(file: MediaFile) -> str:
    """Return the entity tag of the document that describes a file."""
    return f'"{sha256(FileRead.model_validate(file).model_dump_json().encode()).hexdigest()[:32]}"'


def content_tag(file: MediaFile | ArchivedFile | StoredContent) -> str:
    """Return the entity tag of a file's bytes, which never change.

    They are named by their hash, or, while an imported file has none, by whose they are.
    """
    return f'"{file.id.hex}-{file.size_bytes}"' if file.sha256 is None else f'"{file.sha256.hex()}"'


def _tags(headers: Headers, name: str) -> frozenset[str] | None:
    if name not in headers:
        return None
    lines = ",".join(headers.getlist(name))
    return frozenset({"*"}) if lines.strip() == "*" else frozenset(_TAG.findall(lines))


def _date(value: str | None) -> datetime | None:
    try:
        told = parsedate_to_datetime(value) if value else None
    except (ValueError, OverflowError):
        return None
    return told if told is None or told.tzinfo is not None else told.replace(tzinfo=UTC)


def _holds_since(date: datetime | None, modified_at: datetime | None, *, otherwise: bool) -> bool:
    """Whether nothing was modified after `date`; HTTP knows whole seconds."""
    if date is None or modified_at is None:
        return otherwise
    return modified_at.replace(microsecond=0) <= date


_NONE: Final = Conditions(match=None, none_match=None, modified_since=None, unmodified_since=None)
