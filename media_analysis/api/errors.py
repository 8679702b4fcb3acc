"""Problem details (RFC 9457): the one place where an error becomes an HTTP status."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any, Final
from uuid import UUID

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi_problem.error import Problem
from fastapi_problem.handler import ExceptionHandler, add_exception_handler, new_exception_handler
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException
from starlette.types import Scope

from media_analysis import errors
from media_analysis.api.place import address
from media_analysis.errors import MediaAnalysisError
from media_analysis.errors.kinds import ServicePath
from media_analysis.sessions.models import Role
from media_analysis.sessions.service import Caller

STATUSES: Final[Mapping[type[MediaAnalysisError], int]] = {
    errors.Malformed: 400,
    errors.Unauthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.TooSlow: 408,
    errors.Conflict: 409,
    errors.Gone: 410,
    errors.Unmet: 412,
    errors.TooLarge: 413,
    errors.Unsupported: 415,
    errors.Invalid: 422,
    errors.TooMany: 429,
    errors.Mismatched: 460,
    errors.Misconfigured: 503,
    errors.Unavailable: 503,
    errors.QuotaExceeded: 507,
}
RETRY_AFTER_SECONDS: Final = 2
MOST_REASONS: Final = 20
LONGEST_FIELD: Final = 200
"""A small request never draws a large problem."""
log = structlog.get_logger()


class ProblemRead(BaseModel):
    """A problem, with facts of its own beside these fields."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str
    title: str
    status: int
    code: str = Field(description="What `type` ends with, for programs")
    detail: str = ""


PROBLEM_CONTENT: Final[Mapping[str, Any]] = {
    "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
}


ADMIN_PROBLEMS: Final = (errors.TokenRejected, errors.AdminRequired, errors.InvalidRequest)
"""What every route may raise that is, in all or in part, for administrators."""


def status_of(error: type[MediaAnalysisError]) -> int:
    """Return the HTTP status of an error by its kind."""
    return next((status for kind, status in STATUSES.items() if issubclass(error, kind)), 500)


def problems(*kinds: type[MediaAnalysisError]) -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route that may raise these errors."""
    responses: dict[int | str, dict[str, Any]] = {}
    of_tokens = (
        (errors.TooManyWrongTokens, errors.ScopeMissing, errors.SessionLimited) if errors.TokenRejected in kinds else ()
    )
    for kind in (*kinds, *of_tokens):
        known = responses.setdefault(status_of(kind), {"content": PROBLEM_CONTENT, "description": ""})
        known["description"] = f"{known['description']}\n\n`{kind.code}`: {(kind.__doc__ or '').strip()}".strip()
    return responses


def document_problems() -> dict[int | str, dict[str, Any]]:
    """Return the OpenAPI responses of a route that reads a document."""
    unreadable = {"content": PROBLEM_CONTENT, "description": "The body is not a JSON document"}
    return {
        400: unreadable,
        **problems(
            errors.UploadStalled,
            errors.BodyTooLarge,
            errors.DocumentTypeNotAccepted,
            errors.ContentCodingNotAccepted,
            errors.DigestMismatch,
        ),
    }


def install_problem_handlers(app: FastAPI) -> None:
    """Answer every error as a problem document without inputs, traces or secrets."""
    kinds: dict[type[Exception], Any] = {MediaAnalysisError: _from_domain, Exception: _from_bug}
    handler = new_exception_handler(
        handlers=kinds,
        http_exception_handler=_from_http,
        request_validation_handler=_from_validation,
    )
    add_exception_handler(app, handler, generic_swagger_defaults=False)
    app.add_exception_handler(MediaAnalysisError, handler)


def problem_of(error: MediaAnalysisError, *, to_administrator: bool = False) -> Problem:
    """Return the problem document of a domain error; what it knows of others is for administrators."""
    status = status_of(type(error))
    facts = error.facts() if to_administrator else error.facts_for_users()
    return Problem(
        title=_title(type(error).__name__),
        type_=f"urn:media-analysis:problem:{error.code}",
        status=status,
        detail=error.args[0] if error.args else "",
        headers=_headers(error, status),
        code=error.code,
        **{name: _jsonable(value) for name, value in facts.items()},
    )


def problem_of_status(status: int, *, title: str | None = None, headers: dict[str, str] | None = None) -> Problem:
    """Return the problem document of a refusal that HTTP itself has a word for."""
    phrase = title or HTTPStatus(status).phrase
    return _problem(_code(phrase), phrase, status, headers=headers)


def problem_for(scope: Scope, error: MediaAnalysisError) -> Problem:
    """Return the problem document of a domain error for whoever asked; what is the service's fault is logged."""
    if status_of(type(error)) >= 500:  # noqa: PLR2004 - server's fault
        log.warning("request.failed", code=error.code, reason=str(error))
    caller: Caller | None = scope.get("state", {}).get("caller")
    return problem_of(error, to_administrator=caller is not None and caller.role is Role.ADMIN)


def _from_domain(_handler: ExceptionHandler, request: Request, error: MediaAnalysisError) -> Problem:
    return problem_for(request.scope, error)


def _from_bug(_handler: ExceptionHandler, request: Request, error: Exception) -> Problem | None:
    if isinstance(error, MediaAnalysisError | HTTPException | RequestValidationError):
        return None
    if isinstance(error, RuntimeError) and isinstance(error.__cause__, MediaAnalysisError):
        return problem_for(request.scope, error.__cause__)  # to nobody: an answer had begun, and breaks off
    log.error("request.crashed", kind=type(error).__name__, exc_info=error)
    return _problem("internal_error", "Internal server error", 500)


def _from_http(_handler: ExceptionHandler, _request: Request, error: HTTPException) -> Problem:
    code = _code(str(error.detail)) if error.status_code != 400 else "bad_request"  # noqa: PLR2004
    return _problem(code, str(error.detail), error.status_code, headers=dict(error.headers or {}))


def _from_validation(_handler: ExceptionHandler, _request: Request, error: RequestValidationError) -> Problem:
    # The offending input is left out: it may be huge, secret, or not encodable at all.
    found = [
        {"field": _field(item["loc"]), "reason": printable(str(item["msg"])).removeprefix("Value error, ")}
        for item in error.errors()[:MOST_REASONS]
    ]
    return _problem("invalid_request", "The request is not valid", 422, errors=found)


def _field(location: Sequence[object]) -> str:
    # Parts with brackets name our validators, not the client's field.
    parts = [part for part in map(str, location) if "[" not in part]
    return printable(".".join(parts))[:LONGEST_FIELD] or "request"


def _problem(code: str, title: str, status: int, *, headers: dict[str, str] | None = None, **facts: Any) -> Problem:
    return Problem(
        title=title, type_=f"urn:media-analysis:problem:{code}", status=status, headers=headers, code=code, **facts
    )


def _headers(error: MediaAnalysisError, status: int) -> dict[str, str]:
    match error:
        case errors.Unauthenticated():
            return {"WWW-Authenticate": "Bearer"}
        case errors.TooMany() | errors.UploadInFlight() | errors.LinkInUse():
            return {"Retry-After": str(error.retry_after_seconds)}
        case errors.QuotaReached() | errors.DiskReserveReached() if error.space_frees_at is not None:
            return {"Retry-After": str(3600 * _hours_until(error.space_frees_at))}
        case errors.ContentCodingNotAccepted():
            return {"Accept-Encoding": "identity"}
    return {"Retry-After": str(RETRY_AFTER_SECONDS)} if status == 503 else {}  # noqa: PLR2004 - unavailable


def _hours_until(instant: datetime) -> int:
    """Return full hours, which say when to come back and not when a file of somebody else goes."""
    return max(1, math.ceil((instant - datetime.now(UTC)) / timedelta(hours=1)))


def _title(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", name).capitalize()


def _code(title: str) -> str:
    return re.sub(r"\W+", "_", title).strip("_").lower()


def _jsonable(value: Any) -> Any:
    match value:
        case ServicePath():
            return address(value)
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case UUID():
            return str(value)
        case list() | tuple():
            return [_jsonable(part) for part in value]
    return value


def printable(text: str) -> str:
    """Return `text` in a form that UTF-8 can encode."""
    return text.encode("utf-8", "replace").decode()
