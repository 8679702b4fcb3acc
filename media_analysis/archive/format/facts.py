"""What an archive says of itself: the facts of its run and, of every file in it, all that a restore needs."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, PlainSerializer

from media_analysis.labels import Labels

FORMAT: Final = "media-analysis archive"
MANIFEST_BYTES: Final = 256 * 1024 * 1024
"""The most a manifest may take; it is copied aside while the members are compared with it."""
MEMBER_NAME_LENGTH: Final = 4096
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_STRICT: Final = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def manifest_name(segment: int) -> str:
    """Return the name of a segment's manifest below its folder."""
    return f"manifest.{segment}.json" if segment else "manifest.json"


def unsafe(name: str) -> str | None:
    """Return what is wrong with a member's name or path, None when nothing is."""
    if not 0 < len(name) <= MEMBER_NAME_LENGTH:
        return "its name is empty or too long"
    if "\x00" in name or "\\" in name:
        return "its name has a NUL or a backslash"
    if name.startswith("/"):
        return "its name is absolute"
    if any(part in {"", ".", ".."} for part in name.split("/")):
        return "its name has an empty part, `.` or `..`"
    return None


def _member_name(name: str) -> str:
    wrong = unsafe(name)
    if wrong is not None:
        raise ValueError(wrong)
    return name


def _folder_name(name: str) -> str:
    if "/" in name:
        raise ValueError("it is more than one folder")
    return _member_name(name)


def _instant(value: object) -> datetime:
    instant = datetime.fromisoformat(value) if isinstance(value, str) and "T" in value else None
    if instant is None or instant.utcoffset() != timedelta(0):
        raise ValueError("it is not an instant in UTC")
    return instant.astimezone(UTC)


def _digest(value: object) -> bytes:
    if not isinstance(value, str) or _DIGEST.fullmatch(value) is None:
        raise ValueError("it is not a SHA-256 in hexadecimal")
    return bytes.fromhex(value)


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise ValueError("it has a NUL")
    return value


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()


Text = Annotated[str, AfterValidator(_without_nul)]
MemberName = Annotated[str, AfterValidator(_member_name)]
FolderName = Annotated[str, AfterValidator(_folder_name)]
Instant = Annotated[datetime, BeforeValidator(_instant), PlainSerializer(_iso)]
Digest = Annotated[bytes, BeforeValidator(_digest), PlainSerializer(bytes.hex)]
Bytes = Annotated[int, Field(ge=0, lt=2**63)]
Version = Annotated[int, Field(ge=1, le=1)]
Count = Annotated[int, Field(ge=0, lt=2**31)]


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestFile:
    """One file in an archive, with all that brings its row back."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    id: UUID
    name: MemberName
    """Its member below the archive's folder."""
    filename: Text
    category: Text
    media_type: Text
    size_bytes: Bytes
    sha256: Digest
    parent_id: UUID | None
    role: Text | None
    ordinal: Count | None
    instant_seconds: float | None
    created_at: Instant
    stored_at: Instant
    expires_at: Instant | None
    expiry_explicit: bool
    min_retain_until: Instant | None
    labels: Labels | None = None
    """Of one without any, and in an archive from before there were labels, nothing is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestHead:
    """What an archive is: which segment of which run, packed when, and how much is in it."""

    __pydantic_config__: ClassVar[ConfigDict] = _STRICT

    version: Version = 1
    folder_name: FolderName
    segment: Count
    compression: Text
    packed_at: Instant
    files: Count
    size_bytes: Bytes
    """All files' contents together."""
    job: Mapping[str, Any]
    """JSON-ready facts of the job."""
    sources: Sequence[UUID]

    @property
    def member(self) -> str:
        """The manifest's own member, with the folder."""
        return f"{self.folder_name}/{manifest_name(self.segment)}"
