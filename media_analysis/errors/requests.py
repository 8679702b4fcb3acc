"""Why a caller, or what is asked for, is refused."""

from uuid import UUID

from media_analysis.errors.kinds import Conflict, Forbidden, Invalid, NotFound, TooLarge, Unauthenticated, Unmet


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


class PreconditionFailed(Unmet):
    """The file is not, or no longer, what a condition of the request says; nothing was done."""

    code = "precondition_failed"

    def __init__(self) -> None:
        super().__init__("the file is not what the condition of the request says")


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
