"""What a request to upload brings: the bytes alone, or a form of fields and one file."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final

from fastapi import Header, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from media_analysis.api.bodies import announced_bytes, normal_media_type, require_length
from media_analysis.api.conditions import request_header
from media_analysis.api.content import ANY_BYTES
from media_analysis.api.multipart import FORM_BYTES, FormStream, is_form, read_boundary
from media_analysis.api.schemas.files import FileCreate, FileQuery
from media_analysis.errors import InvalidRequest, SessionLimited
from media_analysis.files.upload.bodies import timed
from media_analysis.files.upload.limits import UploadLimits
from media_analysis.files.upload.service import Completed, Upload
from media_analysis.sessions.service import Caller

FORM: Final[Mapping[str, Any]] = {
    "title": "UploadForm",
    "description": "A file, and what else may be said of it in the query",
    "type": "object",
    "required": ["file"],
    "properties": {
        "category": {"$ref": "#/components/schemas/Category"},
        "filename": {"type": "string"},
        "ttl_seconds": {"type": "integer"},
        "expires_at": {"type": "string"},
        "job_id": {"type": "string", "format": "uuid"},
        "parent_id": {"type": "string", "format": "uuid"},
        "label": {"type": "array", "items": {"type": "string"}},
        "file": {"type": "string", "format": "binary"},
    },
}
"""The schema of a form, under a name of its own: generators make none for what is one of several bodies."""
UPLOAD: Final[dict[str, Any]] = {
    "parameters": [
        request_header("Content-Digest", "SHA-256 or SHA-512 of the body (RFC 9530); nothing is kept unless it holds"),
        request_header("Repr-Digest", "The same"),
        request_header("Digest", "The same in its elder form (RFC 3230)"),
    ],
    "requestBody": {
        "required": True,
        "description": "The bytes themselves, or a form of one `file` and fields. `category` and `job_id` say where "
        "the file lies and come before it, as a frame's `parent_id` does; with an `Idempotency-Key`, or from a limited "
        "session, all fields do. Empty fields count as absent",
        "content": {
            **ANY_BYTES,
            "multipart/form-data": {
                "schema": {"$ref": "#/components/schemas/UploadForm"},
                "example": {"category": "uploads", "ttl_seconds": 3600, "file": "the bytes of the file"},
            },
        },
    },
}
_MAY_FOLLOW: Final = frozenset({"filename", "ttl_seconds", "expires_at", "parent_id", "label"})
"""Fields that change nothing of where a file lies, so that its bytes need not wait for them."""
_UNNAMED: Final = "unnamed"
"""What a file is called while its name may yet come."""
IdempotencyKey = Annotated[
    str | None, Header(pattern=r"^[\x21-\x7e]{1,255}$", description="Makes a repeated upload safe for 24 hours")
]


@dataclass(frozen=True, slots=True)
class UploadRequest:
    """What is to be stored, its bytes, and what a form may say behind them."""

    upload: Upload
    body: AsyncIterator[bytes]
    completed: Completed | None = None


@dataclass(frozen=True, slots=True)
class UploadReader:
    """Reads what somebody asks to be stored."""

    limits: UploadLimits
    caller: Caller
    idempotency_key: str | None

    async def read(self, request: Request, query: FileQuery, body: AsyncIterator[bytes]) -> UploadRequest:
        """Return what `request` asks for; of a form as much as comes before the bytes of its file.

        Raises:
            UploadTooLarge: it announces more than may be stored.
            InvalidRequest: the form is none, or says what the query says.
            SessionLimited: it would lie outside of what the session reaches.

        """
        declared_type = request.headers.get("content-type", "")
        fields = query.model_dump(exclude_none=True)
        if not is_form(declared_type):
            return UploadRequest(self._upload(fields, declared_type, declared_bytes=announced_bytes(request)), body)
        require_length(request, self.limits.max_bytes + FORM_BYTES)
        is_whole_first = self.idempotency_key is not None or self.caller.limit is not None
        boundary, may_follow = read_boundary(declared_type), () if is_whole_first else _MAY_FOLLOW
        part = await FormStream(timed(body, self.limits.pace), boundary, may_follow=may_follow).open_file()

        def completed() -> Upload:
            return self._upload(_merge(fields, {**part.fields, **part.late}, part.filename), part.media_type)

        early = _merge(fields, part.fields, part.filename or (None if is_whole_first else _UNNAMED))
        return UploadRequest(self._upload(early, part.media_type), part.body, completed)

    def _upload(self, fields: dict[str, Any], declared_type: str, *, declared_bytes: int | None = None) -> Upload:
        asked = _validated(fields)
        labels, limit = asked.labels(), self.caller.limit
        if limit is not None:
            if asked.job_id is not None:
                raise SessionLimited("a limited session gives no files to jobs")
            labels = limit.label(asked.category, labels)
        return Upload(
            owner=self.caller.owner,
            category=asked.category,
            filename=asked.filename,
            declared_type=normal_media_type(declared_type),
            declared_bytes=declared_bytes,
            expiry=asked.expiry(),
            job_id=asked.job_id,
            parent_id=asked.parent_id,
            labels=labels,
            idempotency_key=self.idempotency_key,
        )


def _merge(query: dict[str, Any], told: Mapping[str, Any], filename: str | None) -> dict[str, Any]:
    twice = query.keys() & told.keys()
    if twice:
        raise InvalidRequest(min(twice), "given in the query and in the form")
    return {**({"filename": filename} if filename else {}), **query, **told}


def _validated(fields: dict[str, Any]) -> FileCreate:
    try:
        return FileCreate.model_validate(fields)
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
