"""What is asked most, answered without FastAPI, which describes it and answers whatever is not the usual case."""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from hashlib import sha256
from typing import Final, cast
from urllib.parse import parse_qsl
from uuid import UUID

from pydantic import ValidationError
from starlette.types import Message, Receive, Scope, Send

from media_analysis.api import API_PATH
from media_analysis.api.bodies import normal_media_type
from media_analysis.api.content import Representation, content_headers
from media_analysis.api.digests import DIGESTS
from media_analysis.api.multipart import is_form
from media_analysis.api.place import address
from media_analysis.api.requests import Fields, has_body, read_length
from media_analysis.api.resources import Endpoint, Shortcut
from media_analysis.api.routes import files, pictures
from media_analysis.api.schemas.files import FileCreate, FileListQuery, FileRead, dump_document, dump_file, dump_files
from media_analysis.errors import MediaAnalysisError, MediaTypeNotAccepted, TooManyAtOnce
from media_analysis.files.upload.service import Upload
from media_analysis.files.upload.small import SMALL_BYTES, WHOLE_BYTES, HeldBody
from media_analysis.files.upload.storing import StoredUpload, WrittenUpload
from media_analysis.renditions.wishes import PictureWish
from media_analysis.runtime import Runtime
from media_analysis.sessions.admission import Activity
from media_analysis.sessions.models import Role
from media_analysis.sessions.roles import Scope as UserScope
from media_analysis.sessions.service import Caller, hash_token, is_token
from media_analysis.states import FileState
from media_analysis.storage.category import Category

Headers = list[tuple[bytes, bytes]]
_UNUSUAL: Final = (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"range", b"expect")
_UNUSUAL_UPLOAD: Final = (
    *(b"expect", b"idempotency-key", b"transfer-encoding", b"trailer"),
    *(name.encode() for name in DIGESTS),
)
SOON_SECONDS: Final = 1.0
"""How long a small body is waited for here: whoever takes longer is measured by the pace of uploads."""
_CACHED_QUERIES: Final = 256
_LIST: Final = "label"
"""The parameter that may be given several times."""
_ID: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
"""An id as answers spell it: `UUID` would take what no route takes."""


async def describe_file(scope: Scope, fields: Fields, receive: Receive, send: Send) -> Receive | None:
    """Answer with the document of a living file."""
    asked = _asked_of(scope["path"].rpartition("/")[2], fields)
    if asked is None or scope["query_string"]:
        return receive
    row = await _services(scope).files.reading.describe(*asked)
    if row is None:
        return receive
    document = dump_file(row)
    tag = f'"{sha256(document).hexdigest()[:32]}"'.encode()
    await _answer(send, document, [*_json_headers(document), (b"etag", tag)])
    return None


async def list_files(scope: Scope, fields: Fields, receive: Receive, send: Send) -> Receive | None:
    """Answer with a page of living files."""
    token_hash = _token_hash(fields)
    query = _list_query(scope["query_string"])
    services = _services(scope)
    caller = None if token_hash is None else services.admission.remembered(token_hash)
    if token_hash is None or caller is None or caller.limit is not None or query is None or has_body(fields):
        return receive
    wanted = query.wanted(scope=caller.scope)
    page = await services.files.reading.list(
        token_hash, caller.session_id, wanted, after=query.after(), limit=query.limit
    )
    if page is None:
        return receive
    document = dump_files(page)
    await _answer(send, document, _json_headers(document))
    return None


async def send_content(scope: Scope, fields: Fields, receive: Receive, send: Send) -> Receive | None:
    """Answer with the whole of a small file."""
    asked = _asked_of(scope["path"].split("/")[-2], fields)
    if asked is None or scope["query_string"]:
        return receive
    file = await _services(scope).files.reading.find_content(*asked)
    if file is None or file.size_bytes > SMALL_BYTES:
        return receive
    caller = Caller(file.session_id, file.reader, Role(file.role), frozenset({UserScope.FILES_READ}))
    try:
        with _services(scope).admission.admit(caller, Activity.DOWNLOAD):
            content = await _services(scope).store.read(file.key, size_bytes=file.size_bytes)
            await _answer(send, content, content_headers(Representation.of_file(file), len(content)))
            return None
    except MediaAnalysisError:
        return receive  # the route meets it again, and knows what is to be done


async def send_picture(scope: Scope, fields: Fields, receive: Receive, send: Send) -> Receive | None:
    """Answer with a picture that is kept of a file."""
    *_, file_id, what = scope["path"].split("/")
    asked, wish = _asked_of(file_id, fields), _wish(what, scope["query_string"])
    if asked is None or wish is None:
        return receive
    kept = await _services(scope).files.reading.find_rendition(*asked, wish.name)
    if kept is None:
        return receive
    caller = Caller(kept.session_id, kept.reader, Role(kept.role), frozenset({UserScope.FILES_READ}))
    try:
        with _services(scope).admission.admit(caller, Activity.DOWNLOAD):
            content = await _services(scope).store.read(kept.key, size_bytes=kept.size_bytes)
            told = pictures.representation_of(asked[1], wish, kept.stored_at)
            await _answer(send, content, pictures.picture_headers(told, len(content)))
            return None
    except MediaAnalysisError:
        return receive  # the route makes another one


async def store_file(scope: Scope, fields: Fields, receive: Receive, send: Send) -> Receive | None:
    """Store a small body, with all others that wait, and answer with its document."""
    services = _services(scope)
    uploads = services.files.uploads
    token_hash = _token_hash(fields)
    caller = None if token_hash is None else services.admission.remembered(token_hash)
    upload = None if caller is None or caller.limit is not None else _upload_of(caller.owner, scope, fields)
    if caller is None or upload is None or not caller.may(UserScope.FILES_WRITE):
        return receive
    try:
        with services.admission.admit(caller, Activity.UPLOAD), uploads.small.memory.hold(caller.owner) as held:
            content, receive = await _gather(receive, upload.declared_bytes or 0, held)
            if content is None:
                return receive
            stored = await uploads.store_small(upload, content, session_id=caller.session_id)
    except (MediaTypeNotAccepted, TooManyAtOnce):
        return receive  # whose token it is was only remembered: who may not even ask is told nothing else
    if stored is None:
        return receive
    document = dump_document(_document_of(*stored))
    location = address(f"{API_PATH}/files/{stored[0].registration.id}").encode()
    await _answer(send, document, [*_json_headers(document), (b"location", location)], 201)
    return None


def _document_of(written: WrittenUpload, stored: StoredUpload) -> dict[str, object]:
    """Return the document of a file that nobody derived, holds or has thrown away yet."""
    asked = written.registration
    return {
        **dict.fromkeys(FileRead.model_fields),
        "id": asked.id,
        "owner": asked.owner,
        "category": asked.category,
        "state": FileState.STORED,
        "filename": asked.filename,
        "media_type": asked.media_type,
        "size_bytes": written.size_bytes,
        "sha256": written.sha256.hex(),
        "created_at": stored.created_at,
        "expires_at": stored.expires_at,
        "labels": asked.labels or {},
        "held": False,
    }


def _upload_of(owner: str, scope: Scope, fields: Fields) -> Upload | None:
    length = read_length(fields.get(b"content-length", b""))
    declared = fields.get(b"content-type", b"").decode("latin-1")
    is_unusual = any(name in fields for name in _UNUSUAL_UPLOAD) or is_form(declared)
    if is_unusual or length is None or length > WHOLE_BYTES:
        return None
    try:
        asked = FileCreate.model_validate(_parameters(scope["query_string"]))
    except ValidationError:
        return None
    if asked.job_id is not None or asked.parent_id is not None or asked.category is Category.ARCHIVES:
        return None
    return Upload(
        owner=owner,
        category=asked.category,
        filename=asked.filename,
        declared_type=normal_media_type(declared),
        declared_bytes=length,
        expiry=asked.expiry(),
        labels=asked.labels(),
    )


def _parameters(query: bytes) -> dict[str, object]:
    """Return what a query says; whoever says anything else twice has been refused."""
    pairs = parse_qsl(query.decode("latin-1"), keep_blank_values=True)
    given: dict[str, object] = {name: value for name, value in pairs if name != _LIST}
    labels = [value for name, value in pairs if name == _LIST]
    return {**given, _LIST: labels} if labels else given


async def _gather(receive: Receive, length: int, held: HeldBody) -> tuple[bytes | None, Receive]:
    """Return a body, None unless all of it came soon and fits; and where whoever reads it again has it from."""
    taken: list[Message] = []
    fits = True
    with suppress(TimeoutError):
        async with asyncio.timeout(SOON_SECONDS):
            while fits and (not taken or taken[-1].get("more_body", False)):
                taken.append(await receive())
                fits = held.add(len(taken[-1].get("body", b"")))
    waiting = taken[::-1]

    async def again() -> Message:
        return waiting.pop() if waiting else await receive()

    is_over = fits and bool(taken) and taken[-1]["type"] == "http.request"
    content = b"".join(message.get("body", b"") for message in taken) if is_over else b""
    return (content if is_over and len(content) == length else None), again


def _services(scope: Scope) -> Runtime:
    return cast("Runtime", scope["app"].state.services)


def _asked_of(file_id: str, fields: Fields) -> tuple[bytes, UUID] | None:
    token_hash = _token_hash(fields)
    if token_hash is None or has_body(fields) or any(name in fields for name in _UNUSUAL):
        return None
    return (token_hash, UUID(file_id)) if _ID.fullmatch(file_id) else None


def _token_hash(fields: Fields) -> bytes | None:
    scheme, _, token = fields.get(b"authorization", b"").decode("latin-1").partition(" ")
    token = token.strip()
    return hash_token(token) if scheme.lower() == "bearer" and is_token(token) else None


@lru_cache(_CACHED_QUERIES)
def _list_query(query: bytes) -> FileListQuery | None:
    try:
        asked = FileListQuery.model_validate(_parameters(query))
        asked.after()
    except (ValidationError, MediaAnalysisError):
        return None
    return asked


@lru_cache(_CACHED_QUERIES)
def _wish(what: str, query: bytes) -> PictureWish | None:
    kind = pictures.ThumbnailQuery if what == "thumbnail" else pictures.FrameQuery
    try:
        return kind.model_validate(_parameters(query)).wish()
    except ValidationError:
        return None


def _json_headers(document: bytes) -> Headers:
    return [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(document))]


async def _answer(send: Send, content: bytes, headers: Headers, status: int = 200) -> None:
    start: Message = {"type": "http.response.start", "status": status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": content})


SHORTCUTS: Final[Mapping[Endpoint, Shortcut]] = {
    files.upload_file: store_file,
    files.read_file: describe_file,
    files.list_files: list_files,
    files.read_content: send_content,
    pictures.read_thumbnail: send_picture,
    pictures.read_frame: send_picture,
}
"""Before which routes they stand."""
