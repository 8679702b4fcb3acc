"""What requests and answers of tus 1.0 say in their headers (https://tus.io/protocols/resumable-upload)."""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator, Mapping
from email.utils import format_datetime
from typing import Any, Final, cast
from uuid import UUID

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from media_analysis.api import API_PATH
from media_analysis.api.bodies import normal_media_type
from media_analysis.api.conditions import request_header
from media_analysis.api.documents import parse_json
from media_analysis.api.schemas.files import FileCreate
from media_analysis.errors import ChecksumMismatch, InvalidRequest, MalformedHeader
from media_analysis.files.resumable.known import KnownUpload
from media_analysis.files.upload.service import Upload
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category

UPLOADS_PATH: Final = f"{API_PATH}/uploads"
PIECE: Final = "application/offset+octet-stream"
VERSION: Final = "1.0.0"
EXTENSIONS: Final = "creation,creation-with-upload,creation-defer-length,expiration,termination,checksum,concatenation"
ALGORITHMS: Final = ("sha1", "sha256")
SPOKEN: Final = {
    "Tus-Version": VERSION,
    "Tus-Extension": EXTENSIONS,
    "Tus-Checksum-Algorithm": ",".join(ALGORITHMS),
}
MOST_METADATA: Final = 8 * 1024
MOST_PARTS: Final = 1_000
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_KEY: Final = re.compile(r"[!-+\--~]+")
_FIELDS: Final = ("category", "ttl_seconds", "expires_at", "job_id", "parent_id")
_UNNAMED: Final = "unnamed"

_CREATES: Final = (
    request_header("Tus-Resumable", f"`{VERSION}`"),
    request_header("Upload-Length", "How many bytes the upload has in all"),
    request_header("Upload-Defer-Length", "`1` where that is said only later"),
    request_header(
        "Upload-Metadata",
        "Pairs of a key and its value in base64: `filename` (or `name`), `filetype` (or `type`), `category`, "
        "`ttl_seconds` or `expires_at`, `job_id`, `parent_id`, `labels` (`event:evt42,camera:north`, or a "
        "JSON object); others are kept and told again",
    ),
    request_header("Upload-Concat", "`partial`, or `final;` and the addresses of the parts, in their order"),
)
_VERSION: Final = {**_CREATES[0], "required": True}
_TOLD: Final = {
    "Upload-Offset": "How many bytes are durable",
    "Upload-Length": "How many there are to be in all",
    "Upload-Defer-Length": "`1` while that is yet to be said",
    "Upload-Metadata": "What was said of it, as it was said",
    "Upload-Concat": "What was said of parts, as it was said",
    "Upload-Expires": "When it is given up unless more comes; absent once it is a file",
    "File-Id": "The file it has become",
}
_CHECKSUM: Final = request_header("Upload-Checksum", f"{' or '.join(ALGORITHMS)} of the body, and that in base64")
_BODY: Final = {"content": {PIECE: {"schema": {"type": "string", "format": "binary"}, "example": "the bytes"}}}
CREATING: Final[dict[str, Any]] = {
    "parameters": [_VERSION, *_CREATES[1:], _CHECKSUM],
    "requestBody": {"required": False, "description": "The first bytes, if they come at once", **_BODY},
}
APPENDING: Final[dict[str, Any]] = {
    "parameters": [
        _VERSION,
        {**request_header("Upload-Offset", "Where the bytes begin"), "required": True},
        request_header("Upload-Length", "Of an upload that was made without"),
        _CHECKSUM,
    ],
    "requestBody": {"required": True, "description": "Bytes behind those that are there", **_BODY},
}
ASKING: Final[dict[str, Any]] = {"parameters": [_VERSION]}
PROGRESS: Final[dict[str, Any]] = {
    name: {"description": description, "schema": {"type": "string"}} for name, description in _TOLD.items()
}
"""The headers of answers that tell all of an upload."""
MOVED: Final[dict[str, Any]] = {name: PROGRESS[name] for name in ("Upload-Offset", "Upload-Expires", "File-Id")}


class TusHeaders:
    """Around the uploads' routes: says the version with every answer, and takes paths and methods as clients send them.

    A slash at the end of a path means nothing; `X-HTTP-Method-Override` is for clients that know only GET and POST.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not f"{scope['path']}/".startswith(f"{UPLOADS_PATH}/"):
            await self._app(scope, receive, send)
            return
        told = Headers(scope=scope)
        method = told.get("x-http-method-override", scope["method"]) if scope["method"] == "POST" else scope["method"]
        path = scope["path"].rstrip("/")

        async def send_version(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["Tus-Resumable"] = VERSION
                if method == "OPTIONS" or message["status"] == 412:  # noqa: PLR2004 - another version was spoken
                    most = cast("Runtime", scope["app"].state.services).files.uploads.limits.max_bytes
                    headers.update({**SPOKEN, "Tus-Max-Size": str(most)})
            await send(message)

        await self._app({**scope, "method": method, "path": path, "raw_path": path.encode()}, receive, send_version)


def read_number(headers: Headers, name: str) -> int | None:
    """Return the number of bytes that a header tells, None where it is absent.

    Raises:
        MalformedHeader: it is no such number.

    """
    told = headers.get(name)
    if told is None:
        return None
    if _LENGTH.fullmatch(told) is None:
        raise MalformedHeader(name, "must be a number of bytes")
    return int(told)


def read_length(headers: Headers) -> int | None:
    """Return how much an upload has in all, None where that is yet to be said.

    Raises:
        MalformedHeader: neither is said, or both are.

    """
    length, defers = read_number(headers, "Upload-Length"), headers.get("Upload-Defer-Length")
    if defers not in {None, "1"}:
        raise MalformedHeader("Upload-Defer-Length", "must be 1")
    if (length is None) == (defers is None):
        raise MalformedHeader("Upload-Length", "must be there, or Upload-Defer-Length, and not both")
    return length


def read_metadata(told: str) -> Mapping[str, str]:
    """Return what Upload-Metadata says, by its keys.

    Raises:
        MalformedHeader: it is no list of keys and values in base64, or names one twice.

    """
    found: dict[str, str] = {}
    if len(told) > MOST_METADATA:
        raise MalformedHeader("Upload-Metadata", f"must not be longer than {MOST_METADATA} characters")
    for pair in filter(None, (part.strip() for part in told.split(","))):
        key, _, value = pair.partition(" ")
        if _KEY.fullmatch(key) is None or key in found:
            raise MalformedHeader("Upload-Metadata", "must name each key once, in ASCII")
        try:
            found[key] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError) as error:
            raise MalformedHeader("Upload-Metadata", f"the value of {key} is no text in base64") from error
    return found


def upload_of(metadata: Mapping[str, str], owner: str, length_bytes: int | None) -> Upload:
    """Return what is said of a file, where nothing is with its usual meaning.

    Raises:
        RequestValidationError: a value is not allowed.

    """
    filename = metadata.get("filename") or metadata.get("name") or _UNNAMED
    told = {name: metadata[name] for name in _FIELDS if metadata.get(name)}
    labels = _read_labels(metadata.get("labels", ""))
    try:
        asked = FileCreate.model_validate(
            {"category": Category.UPLOADS.value, **told, "filename": filename, "label": labels}
        )
    except ValidationError as error:
        raise RequestValidationError(error.errors()) from error
    return Upload(
        owner=owner,
        category=asked.category,
        filename=asked.filename,
        declared_type=normal_media_type(metadata.get("filetype") or metadata.get("type") or ""),
        declared_bytes=length_bytes,
        expiry=asked.expiry(),
        job_id=asked.job_id,
        parent_id=asked.parent_id,
        labels=asked.labels(),
    )


def _read_labels(told: str) -> list[str]:
    """Return labels as queries say them, of a JSON object or of pairs between commas.

    Raises:
        InvalidRequest: it begins as an object, and is none of texts.

    """
    if not told.startswith("{"):
        return told.split(",") if told else []
    labels = parse_json(told, "labels")
    if not all(isinstance(value, str) and ":" not in key for key, value in labels.items()):
        raise InvalidRequest("labels", "must be an object of texts, with no colon in a key")
    return [f"{key}:{value}" for key, value in labels.items()]


def read_concat(headers: Headers) -> tuple[UUID, ...] | None:
    """Return the parts an upload is to be made of, none for a part itself, None where it has nothing to do with others.

    Raises:
        MalformedHeader: it is neither, or has a length of its own.

    """
    told = headers.get("Upload-Concat")
    if told is None:
        return None
    if told == "partial":
        return ()
    kind, _, addresses = told.partition(";")
    try:
        parts = tuple(UUID(address.rstrip("/").rpartition("/")[2]) for address in addresses.split())
    except ValueError:
        parts = ()
    if kind != "final" or not parts:
        raise MalformedHeader("Upload-Concat", "must be partial, or final; and the addresses of parts")
    if len(parts) > MOST_PARTS:
        raise MalformedHeader("Upload-Concat", f"must not name more than {MOST_PARTS} parts")
    if "Upload-Length" in headers or "Upload-Defer-Length" in headers:
        raise MalformedHeader("Upload-Length", "is that of the parts together")
    return parts


def checked(body: AsyncIterator[bytes], headers: Headers) -> AsyncIterator[bytes]:
    """Return a body that fails at its end unless its checksum holds, as it is where it has none.

    Raises:
        MalformedHeader: the checksum is none that is known here.

    """
    told = headers.get("Upload-Checksum")
    if told is None:
        return body
    algorithm, _, value = told.partition(" ")
    if algorithm not in ALGORITHMS:
        raise MalformedHeader("Upload-Checksum", f"must be one of {', '.join(ALGORITHMS)}")
    try:
        expected = base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise MalformedHeader("Upload-Checksum", "is not base64") from error
    return _checked(body, algorithm, expected)


async def _checked(body: AsyncIterator[bytes], algorithm: str, expected: bytes) -> AsyncIterator[bytes]:
    running = hashlib.new(algorithm, usedforsecurity=False)
    async for chunk in body:
        running.update(chunk)
        yield chunk
    if running.digest() != expected:
        raise ChecksumMismatch(algorithm=algorithm)


def describe(known: KnownUpload) -> dict[str, str]:
    """Return the headers that tell how far an upload is, and where the file is that it became."""
    return {"Upload-Offset": str(known.offset_bytes), **describe_end(known)}


def describe_end(known: KnownUpload) -> dict[str, str]:
    """Return the header that tells which file an upload is, or when it is given up unless more comes."""
    if known.is_stored:
        return {"File-Id": str(known.id)}
    return {"Upload-Expires": format_datetime(known.ends_at, usegmt=True)}


def describe_all(known: KnownUpload) -> dict[str, str]:
    """Return those that tell besides what was said of it."""
    told = describe(known)
    if known.length_bytes is None:
        told["Upload-Defer-Length"] = "1"
    else:
        told["Upload-Length"] = str(known.length_bytes)
    if known.metadata:
        told["Upload-Metadata"] = known.metadata
    if known.concat is not None:
        told["Upload-Concat"] = known.concat
    return {**told, "Cache-Control": "no-store"}
