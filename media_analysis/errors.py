"""What can go wrong, in words of the domain: eight kinds, and leaves that carry the facts."""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar
from uuid import UUID


class MediaAnalysisError(Exception):
    """Root of every error this service raises on purpose."""

    code: ClassVar[str] = "error"

    def facts(self) -> Mapping[str, object]:
        """Return what a caller may be told beside the message; values are JSON-ready or UUID / datetime."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}


class Unauthenticated(MediaAnalysisError):
    """Nobody known is asking."""


class Forbidden(MediaAnalysisError):
    """Somebody known asks for what their role does not allow."""


class NotFound(MediaAnalysisError):
    """It does not exist, or belongs to somebody else; the two are never told apart."""


class Gone(MediaAnalysisError):
    """It existed and is no longer to be had."""


class Conflict(MediaAnalysisError):
    """The present state does not allow it."""


class Invalid(MediaAnalysisError):
    """The request contradicts itself, its own bytes or a rule."""


class Unsupported(MediaAnalysisError):
    """The media type is not accepted here."""


class TooLarge(MediaAnalysisError):
    """More bytes than a limit allows."""


class TooSlow(MediaAnalysisError):
    """The client sent nothing for too long."""


class QuotaExceeded(MediaAnalysisError):
    """There is no room for more bytes."""


class Unavailable(MediaAnalysisError):
    """A part the service depends on does not answer; trying again later may help."""


class Misconfigured(MediaAnalysisError):
    """The service refuses to start, or to go on, with this configuration."""


class TokenRejected(Unauthenticated):
    """The bearer token is missing, malformed, unknown, expired or revoked."""

    code = "token_rejected"

    def __init__(self) -> None:
        super().__init__("a valid bearer token is required")


class AdminRequired(Forbidden):
    """The route is for administrators."""

    code = "admin_required"

    def __init__(self) -> None:
        super().__init__("this needs the role admin")


class SessionNotFound(NotFound):
    """No such session for this caller."""

    code = "session_not_found"

    def __init__(self, session_id: UUID) -> None:
        super().__init__("no such session")
        self.session_id = session_id


class FileNotFound(NotFound):
    """No such file for this caller."""

    code = "file_not_found"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("no such file")
        self.file_id = file_id


class SweepNotFound(NotFound):
    """No such sweep."""

    code = "sweep_not_found"

    def __init__(self, sweep_id: UUID) -> None:
        super().__init__("no such sweep")
        self.sweep_id = sweep_id


class SlotTaken(Conflict):
    """Another replica answers this tick of the schedule."""

    code = "slot_taken"

    def __init__(self, kind: str) -> None:
        super().__init__("another replica runs this sweep")
        self.kind = kind


class FileGone(Gone):
    """The file was deleted or has expired; the facts are those of its tombstone."""

    code = "file_gone"

    def __init__(
        self, file_id: UUID, *, rule: str, gone_at: datetime, deleted_at: datetime | None, restorable_until: None = None
    ) -> None:
        super().__init__("the file is gone")
        self.file_id = file_id
        self.rule = rule
        self.gone_at = gone_at
        self.deleted_at = deleted_at
        self.restorable_until = restorable_until


class FileHeld(Conflict):
    """A hold or a minimum retention stands against the deletion."""

    code = "file_held"

    def __init__(self, file_id: UUID, *, rule: str, until: datetime | None) -> None:
        super().__init__("the file may not be deleted yet")
        self.file_id = file_id
        self.rule = rule
        self.until = until


class FileNotReady(Conflict):
    """The upload has not ended, so there is nothing to read or change."""

    code = "file_not_ready"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("the upload of this file has not ended")
        self.file_id = file_id


class UploadLeaseLost(Conflict):
    """The upload stalled past its lease and the sweep took the row."""

    code = "upload_lease_lost"

    def __init__(self, file_id: UUID) -> None:
        super().__init__("the upload stalled for too long and was given up; start it again")
        self.file_id = file_id


class UploadInFlight(Conflict):
    """Another request with the same idempotency key is still uploading."""

    code = "upload_in_flight"

    def __init__(self, *, retry_after_seconds: int) -> None:
        super().__init__("a request with this Idempotency-Key is in flight")
        self.retry_after_seconds = retry_after_seconds


class IdempotencyKeyReused(Invalid):
    """The idempotency key was used before, for something else."""

    code = "idempotency_key_reused"

    def __init__(self) -> None:
        super().__init__("this Idempotency-Key belongs to a different request")


class InvalidRequest(Invalid):
    """A part of the request has a value that is not allowed."""

    code = "invalid_request"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class DigestMismatch(Invalid):
    """The bytes received are not the ones the client announced (RFC 9530)."""

    code = "digest_mismatch"

    def __init__(self, *, algorithm: str) -> None:
        super().__init__(f"the {algorithm} digest of the received body differs from the announced one")
        self.algorithm = algorithm


class IncompleteUpload(Invalid):
    """The body ended before its announced length."""

    code = "incomplete_upload"

    def __init__(self) -> None:
        super().__init__("the body ended before its announced length")


class UploadStalled(TooSlow):
    """No byte of the body arrived within the idle limit."""

    code = "upload_stalled"

    def __init__(self, *, idle_seconds: float) -> None:
        super().__init__(f"no data arrived for {idle_seconds:g} seconds")
        self.idle_seconds = idle_seconds


class MediaTypeNotAccepted(Unsupported):
    """The category takes only certain media types."""

    code = "media_type_not_accepted"

    def __init__(self, media_type: str, *, category: str, accepted: tuple[str, ...]) -> None:
        super().__init__(f"{category} does not accept {media_type}")
        self.media_type = media_type
        self.category = category
        self.accepted = accepted


class UploadTooLarge(TooLarge):
    """The body went past the limit before it ended."""

    code = "upload_too_large"

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(f"upload exceeds {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class BodyTooLarge(TooLarge):
    """A request document is larger than its route allows."""

    code = "body_too_large"

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(f"the request body exceeds {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class DiskReserveReached(QuotaExceeded):
    """Storing more would eat the space kept free for the database and for deletion itself."""

    code = "disk_reserve_reached"

    def __init__(self, *, free_bytes: int, reserve_bytes: int, needed_bytes: int) -> None:
        super().__init__("the disk has no room for this file beside its reserve")
        self.free_bytes = free_bytes
        self.reserve_bytes = reserve_bytes
        self.needed_bytes = needed_bytes


class DiskFull(QuotaExceeded):
    """The disk filled up, or its quota did, while bytes were written."""

    code = "disk_full"

    def __init__(self) -> None:
        super().__init__("the disk is full; nothing of this upload is kept")


class DatabaseUnavailable(Unavailable):
    """PostgreSQL cannot be reached, or did not answer in time."""

    code = "database_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("the database does not answer; nothing was changed unless a later read shows it")
        self._reason = reason

    def __str__(self) -> str:
        return f"{self.args[0]} ({self._reason})"


class StoreUnavailable(Unavailable):
    """The store fails to read or write."""

    code = "store_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("the store does not answer")
        self._reason = reason

    def __str__(self) -> str:
        return f"{self.args[0]} ({self._reason})"


class MarkerMismatch(Unavailable):
    """The store's root does not carry this database's marker, so nothing may be written or deleted there."""

    code = "marker_mismatch"

    def __init__(self, reason: str) -> None:
        super().__init__(f"the store is not the one this database belongs to: {reason}")
        self._reason = reason


class ObjectMissing(Unavailable):
    """A row names bytes that the store does not have."""

    code = "object_missing"

    def __init__(self, key: str) -> None:
        super().__init__("the bytes of this file are missing from the store")
        self._key = key


class SchemaBehind(Misconfigured):
    """The database schema is not the one this version needs."""

    code = "schema_behind"

    def __init__(self, *, current: str | None, needed: str) -> None:
        super().__init__(
            f"the database schema is at {current or 'nothing'}, this version needs {needed}; "
            "run: media-analysis migrate"
        )
        self.current = current
        self.needed = needed


class UnsafeDatabase(Misconfigured):
    """PostgreSQL is set up to lose acknowledged data."""

    code = "unsafe_database"

    def __init__(self, setting: str, value: str) -> None:
        super().__init__(f"PostgreSQL runs with {setting}={value}, which can lose acknowledged files; turn it on")
        self.setting = setting
        self.value = value


class EmbeddedServerFailed(Misconfigured):
    """The embedded PostgreSQL cannot be started here."""

    code = "embedded_server_failed"


class InvalidSettings(Misconfigured):
    """A setting is unknown or has a value that is not allowed."""

    code = "invalid_settings"
