"""What is asked most, answered without FastAPI, which describes it and answers whatever is not the usual case."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, cast
from urllib.parse import parse_qsl
from uuid import UUID

import orjson
from pydantic import ValidationError
from starlette.types import Message, Scope, Send

from media_analysis.api.content import Representation, content_headers
from media_analysis.api.pages import encode_cursor
from media_analysis.api.requests import Fields
from media_analysis.api.resources import Endpoint, Shortcut
from media_analysis.api.routes import files
from media_analysis.api.schemas.files import FileListQuery
from media_analysis.errors import MediaAnalysisError
from media_analysis.runtime import Runtime
from media_analysis.sessions.admission import Activity
from media_analysis.sessions.models import Role
from media_analysis.sessions.service import Caller, hash_token, is_token

Headers = list[tuple[bytes, bytes]]
SMALL_BYTES: Final = 64 * 1024
"""Contents up to it are read at once, by one thread."""
_UNUSUAL: Final = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"range", b"expect")
_CACHED_QUERIES: Final = 256


async def describe_file(scope: Scope, fields: Fields, send: Send) -> bool:
    """Answer with the document of a living file."""
    asked = _asked_of(scope["path"].rpartition("/")[2], fields)
    if asked is None or scope["query_string"]:
        return False
    row = await _services(scope).files.reading.describe(*asked)
    if row is None:
        return False
    document = _json(dict(row))
    tag = f'"{sha256(document).hexdigest()[:32]}"'.encode()
    return await _answer(send, document, [*_json_headers(document), (b"etag", tag)])


async def list_files(scope: Scope, fields: Fields, send: Send) -> bool:
    """Answer with a page of living files."""
    token_hash = _token_hash(fields)
    query = _list_query(scope["query_string"])
    if token_hash is None or query is None:
        return False
    wanted, before, limit = query.wanted(scope=None), query.before(), query.limit
    rows = await _services(scope).files.reading.list(token_hash, wanted, before=before, limit=limit + 1)
    if rows is None:
        return False
    listed = [dict(row) for row in rows[:limit]]
    cursor = encode_cursor(rows[limit - 1]["id"]) if len(rows) > limit else None
    document = _json({"items": listed, "next_cursor": cursor})
    return await _answer(send, document, _json_headers(document))


async def send_content(scope: Scope, fields: Fields, send: Send) -> bool:
    """Answer with the whole of a small file."""
    asked = _asked_of(scope["path"].split("/")[-2], fields)
    if asked is None or scope["query_string"]:
        return False
    file = await _services(scope).files.reading.find_content(*asked)
    if file is None or file.size_bytes > SMALL_BYTES:
        return False
    caller = Caller(file.session_id, file.reader, Role(file.role))
    try:
        with _services(scope).admission.admit(caller, Activity.DOWNLOAD):
            content = await _services(scope).store.read(file.key, size_bytes=file.size_bytes)
            return await _answer(send, content, content_headers(Representation.of_file(file), len(content)))
    except MediaAnalysisError:
        return False  # the route meets it again, and knows what is to be done


def _services(scope: Scope) -> Runtime:
    return cast("Runtime", scope["app"].state.services)


def _asked_of(file_id: str, fields: Fields) -> tuple[bytes, UUID] | None:
    token_hash = _token_hash(fields)
    if token_hash is None or any(name in fields for name in _UNUSUAL):
        return None
    try:
        return token_hash, UUID(file_id)
    except ValueError:
        return None


def _token_hash(fields: Fields) -> bytes | None:
    scheme, _, token = fields.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = token.strip()
    return hash_token(token) if scheme.lower() == "bearer" and is_token(token) else None


@lru_cache(_CACHED_QUERIES)
def _list_query(query: bytes) -> FileListQuery | None:
    try:
        asked = FileListQuery.model_validate(dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)))
        asked.before()
    except (ValidationError, MediaAnalysisError):
        return None
    return asked


def _json(document: dict[str, Any]) -> bytes:
    return orjson.dumps(document, default=str, option=orjson.OPT_UTC_Z)


def _json_headers(document: bytes) -> Headers:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(document))]


async def _answer(send: Send, content: bytes, headers: Headers) -> bool:
    start: Message = {"type": "http.response.start", "status": 200, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": content})
    return True


SHORTCUTS: Final[Mapping[Endpoint, Shortcut]] = {
    files.read_file: describe_file,
    files.list_files: list_files,
    files.read_content: send_content,
}
"""Before which routes they stand."""
