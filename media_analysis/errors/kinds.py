"""The kinds of errors: each decides one HTTP status, and knows nothing of HTTP."""

from collections.abc import Mapping
from typing import ClassVar


class ServicePath(str):
    """A path of the interface, which clients may find below another one."""

    __slots__ = ()


class MediaAnalysisError(Exception):
    """Root of every error this service raises on purpose."""

    code: ClassVar[str] = "error"
    of_others: ClassVar[frozenset[str]] = frozenset()
    """Facts that tell of what others have: they are for administrators alone (docs/decisions/0022)."""

    def facts(self) -> Mapping[str, object]:
        """Return what is known beside the message; values are JSON-ready or UUID / datetime."""
        return {name: value for name, value in vars(self).items() if not name.startswith("_")}

    def facts_for_users(self) -> Mapping[str, object]:
        """Return what any caller may be told beside the message."""
        return {name: value for name, value in self.facts().items() if name not in self.of_others}


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


class Unmet(MediaAnalysisError):
    """What the request says of the present state does not hold."""


class Invalid(MediaAnalysisError):
    """The request contradicts itself, its own bytes or a rule."""


class Malformed(MediaAnalysisError):
    """A part of the request cannot be understood."""


class Mismatched(MediaAnalysisError):
    """A piece of an upload is not what its sender says it is."""


class Unsupported(MediaAnalysisError):
    """The media type is not accepted here."""


class TooLarge(MediaAnalysisError):
    """More bytes than a limit allows."""


class TooSlow(MediaAnalysisError):
    """The client sent nothing for too long."""


class TooMany(MediaAnalysisError):
    """One owner has as many of something at once as an owner may have; it fits once some of them are over."""

    def __init__(self, message: str, *, retry_after_seconds: int) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QuotaExceeded(MediaAnalysisError):
    """There is no room for more bytes."""


class Unavailable(MediaAnalysisError):
    """A part the service depends on does not answer; trying again later may help."""


class Misconfigured(MediaAnalysisError):
    """The service refuses to start, or to go on, with this configuration."""
