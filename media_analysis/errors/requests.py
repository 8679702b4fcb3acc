"""Why a caller, or what is asked for, is refused."""

from typing import Final
from uuid import UUID

from media_analysis.errors.kinds import (
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    TooLarge,
    TooMany,
    Unauthenticated,
    Unmet,
    Unsupported,
)

RETRY_AFTER_SECONDS: Final = 5


class TokenRejected(Unauthenticated):
    """The bearer token is missing, malformed, unknown, expired or revoked."""

    code = "token_rejected"

    def __init__(self) -> None:
        super().__init__("a valid bearer token is required")


class TooManyWrongTokens(TooMany):
    """Too many wrong bearer tokens came from one address; good ones are taken all the same."""

    code = "too_many_wrong_tokens"

    def __init__(self, *, retry_after_seconds: int) -> None:
        message = "too many wrong bearer tokens came from this address"
        super().__init__(message, retry_after_seconds=retry_after_seconds)


class TooManyAtOnce(TooMany):
    """The owner has as many requests of this kind under way as one may; one that ends makes room."""

    code = "too_many_at_once"

    def __init__(self, activity: str, *, limit: int) -> None:
        message = f"{limit} {activity} of this owner are under way, which is as many as may be"
        super().__init__(message, retry_after_seconds=RETRY_AFTER_SECONDS)
        self.limit = limit


class ForeignOrigin(Forbidden):
    """The request came with a browser's cookie from a page of another origin, or of none that is known."""

    code = "foreign_origin"

    def __init__(self) -> None:
        super().__init__("a request that changes something by a cookie must come from a page of this very origin")


class ScopeMissing(Forbidden):
    """The token is good, and was not made for this."""

    code = "scope_missing"

    def __init__(self, scope: str) -> None:
        super().__init__(f"the request needs the scope {scope}")
        self.scope = scope


class AdminRequired(ScopeMissing):
    """The request is for administrators."""

    code = "admin_required"

    def __init__(self, scope: str = "admin") -> None:
        super().__init__(scope)


class SessionLimited(Forbidden):
    """The session is limited to some categories or labels, and this is not among what it may do with them."""

    code = "session_limited"


class SessionNotFound(NotFound):
    """No such session for this caller."""

    code = "session_not_found"

    def __init__(self, session_id: UUID) -> None:
        super().__init__("no such session")
        self.session_id = session_id


class SweepNotFound(NotFound):
    """No such sweep."""

    code = "sweep_not_found"

    def __init__(self, sweep_id: UUID) -> None:
        super().__init__("no such sweep")
        self.sweep_id = sweep_id


class SlotTaken(Conflict):
    """Another process answers this tick of the schedule."""

    code = "slot_taken"

    def __init__(self, kind: str) -> None:
        super().__init__("another process runs this sweep")
        self.kind = kind


class PreconditionFailed(Unmet):
    """What is asked for is not, or no longer, what a condition of the request says; nothing was done."""

    code = "precondition_failed"

    def __init__(self, reason: str = "the file is not what the condition of the request says") -> None:
        super().__init__(reason)


class InvalidRequest(Invalid):
    """A part of the request has a value that is not allowed."""

    code = "invalid_request"

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class BodyTooLarge(TooLarge):
    """A request document is larger than its route allows."""

    code = "body_too_large"

    def __init__(self, *, limit_bytes: int) -> None:
        super().__init__(f"the request body exceeds {limit_bytes} bytes")
        self.limit_bytes = limit_bytes


class DocumentTypeNotAccepted(Unsupported):
    """The body is not said to be a document of a type that is read here."""

    code = "document_type_not_accepted"

    def __init__(self, reason: str, *, accepted: tuple[str, ...]) -> None:
        super().__init__(f"{reason}; accepted: {', '.join(accepted)}")
        self.accepted = accepted


class ContentCodingNotAccepted(Unsupported):
    """The body is compressed, or coded in another way, and nothing here undoes that."""

    code = "content_coding_not_accepted"

    def __init__(self, coding: str) -> None:
        super().__init__(f"bodies are taken as they are, without Content-Encoding, and not in {coding}")
