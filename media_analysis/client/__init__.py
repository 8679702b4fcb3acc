"""The API for Python programs: typed, resumed and retried where that is safe; of the server it imports nothing.

`Client` waits, `AsyncClient` is for event loops; both do the same operations (decision 43).
"""

from typing import TYPE_CHECKING, Any

from media_analysis.client.answers import (
    Amount,
    Event,
    Fault,
    File,
    FileRemoval,
    Job,
    JobRemoval,
    JobResult,
    Known,
    Obstacle,
    Removal,
    Session,
)
from media_analysis.client.errors import (
    ClientError,
    Conflict,
    ContentDiffers,
    Forbidden,
    Gone,
    Invalid,
    NotFound,
    NotUnderstood,
    Problem,
    QuotaExceeded,
    SourceChanged,
    TargetTaken,
    Tombstone,
    TooLarge,
    TooMany,
    Unauthorized,
    Unavailable,
    Unreachable,
    Unsupported,
)
from media_analysis.client.wishes import Memory, MemoryFile

if TYPE_CHECKING:
    from media_analysis.client.asynchronous import AsyncClient
    from media_analysis.client.blocking import Client

__all__ = [
    "Amount",
    "AsyncClient",
    "Client",
    "ClientError",
    "Conflict",
    "ContentDiffers",
    "Event",
    "Fault",
    "File",
    "FileRemoval",
    "Forbidden",
    "Gone",
    "Invalid",
    "Job",
    "JobRemoval",
    "JobResult",
    "Known",
    "Memory",
    "MemoryFile",
    "NotFound",
    "NotUnderstood",
    "Obstacle",
    "Problem",
    "QuotaExceeded",
    "Removal",
    "Session",
    "SourceChanged",
    "TargetTaken",
    "Tombstone",
    "TooLarge",
    "TooMany",
    "Unauthorized",
    "Unavailable",
    "Unreachable",
    "Unsupported",
]


def __getattr__(name: str) -> Any:
    """Load a client with httpx, which takes longer than all the rest, only once it is wanted."""
    match name:
        case "Client":
            from media_analysis.client.blocking import Client  # noqa: PLC0415 - as above

            return Client
        case "AsyncClient":
            from media_analysis.client.asynchronous import AsyncClient  # noqa: PLC0415 - as above

            return AsyncClient
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
