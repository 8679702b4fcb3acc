"""What goes wrong, in the words of the server's problem documents (RFC 9457)."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Self
from uuid import UUID

from media_analysis.client.steps import Answer

LONGEST_TEXT: Final = 500


class ClientError(Exception):
    """Root of all that the client raises on purpose."""


class Unreachable(ClientError):
    """The server does not answer, or broke off; `is_unsent` says that it cannot have had the request."""

    def __init__(self, message: str, *, is_unsent: bool = False) -> None:
        super().__init__(message)
        self.is_unsent = is_unsent


class NotUnderstood(ClientError):
    """Something answered that is no such server, or a later one."""


class SourceChanged(ClientError):
    """What is to be uploaded is no file, or changed while it was; nothing of it stays on the server."""


class ContentDiffers(ClientError):
    """What came is not what the server says it has; nothing of it is kept."""


class TargetTaken(ClientError):
    """Another file is where a download is to go."""


class Problem(ClientError):
    """The server refused, and says why."""

    def __init__(self, status: int, document: Mapping[str, Any], retry_after_seconds: float | None = None) -> None:
        self.status = status
        self.type = str(document.get("type", "about:blank"))
        self.title = str(document.get("title", f"status {status}"))
        self.detail = str(document.get("detail") or "")
        self.code = str(document.get("code") or self.type.rpartition(":")[2])
        self.facts = {name: value for name, value in document.items() if name not in _OWN}
        """What it says beside: its extension members."""
        self.retry_after_seconds = retry_after_seconds
        super().__init__(_sentence(self.title, self.detail, self.facts))


class Invalid(Problem):
    """The request makes no sense, or its bytes are not those it announces."""


class Unauthorized(Problem):
    """There is no token, or it is not good any more."""


class Forbidden(Problem):
    """The token does not do that."""


class NotFound(Problem):
    """It does not exist, or belongs to somebody else."""


class Conflict(Problem):
    """The present state does not allow it."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """What is left of what is gone: by which rule, since when, and until when it can be restored."""

    rule: str | None
    gone_at: datetime | None
    deleted_at: datetime | None
    restorable_until: datetime | None
    file_id: UUID | None = None
    job_id: UUID | None = None

    @classmethod
    def of(cls, facts: Mapping[str, Any]) -> Self:
        """Return what a problem tells."""
        rule = facts.get("rule")
        return cls(
            rule=rule if isinstance(rule, str) else None,
            gone_at=_instant(facts.get("gone_at")),
            deleted_at=_instant(facts.get("deleted_at")),
            restorable_until=_instant(facts.get("restorable_until")),
            file_id=_uuid(facts.get("file_id")),
            job_id=_uuid(facts.get("job_id")),
        )


class Gone(Problem):
    """It was deleted, or has expired."""

    @property
    def tombstone(self) -> Tombstone:
        """What is left of it."""
        return Tombstone.of(self.facts)


class TooLarge(Problem):
    """More bytes than a limit allows."""


class Unsupported(Problem):
    """The category does not take what these bytes are."""


class TooMany(Problem):
    """As many at once as an owner may have."""


class QuotaExceeded(Problem):
    """There is no room."""


class Unavailable(Problem):
    """The server cannot do it now."""


_KINDS: Final[Mapping[int, type[Problem]]] = {
    400: Invalid,
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    412: Conflict,
    413: TooLarge,
    415: Unsupported,
    422: Invalid,
    429: TooMany,
    503: Unavailable,
    507: QuotaExceeded,
}
_OWN: Final = frozenset({"type", "title", "status", "detail", "code"})


def problem_of(answer: Answer) -> Problem:
    """Return the error that an answer tells, of whichever status from 400 on."""
    try:
        document = json.loads(answer.content)
    except ValueError:
        document = None
    if not isinstance(document, dict):  # of a proxy between
        document = {"title": f"the server answered {answer.status}, and no reason"}
    return _KINDS.get(answer.status, Problem)(answer.status, document, retry_after(answer))


def retry_after(answer: Answer) -> float | None:
    """Return after how many seconds an answer wants to be asked again, None where it does not say."""
    told = answer.headers.get("retry-after", "")
    return float(told) if told.isascii() and told.isdigit() and len(told) < 10 else None  # noqa: PLR2004 - 30 years


def _sentence(title: str, detail: str, facts: Mapping[str, Any]) -> str:
    """Return what people read: the detail, else the title, and which fields were wrong."""
    found: object = facts.get("errors")
    listed = found if isinstance(found, list) else []
    wrong = [f"{one.get('field')}: {one.get('reason')}" for one in listed if isinstance(one, dict)]
    return "; ".join([detail or title, *wrong])[:LONGEST_TEXT]


def _instant(told: object) -> datetime | None:
    try:
        return datetime.fromisoformat(told) if isinstance(told, str) else None
    except ValueError:
        return None


def _uuid(told: object) -> UUID | None:
    try:
        return UUID(told) if isinstance(told, str) else None
    except ValueError:
        return None
