"""Streaming multipart/form-data (RFC 7578): small fields around one file, which is never spooled."""

import re
from collections import deque
from collections.abc import AsyncIterator, Collection, Mapping
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from media_analysis.api.dispositions import Disposition, decode, read_disposition, read_parameters
from media_analysis.errors import IncompleteUpload, InvalidRequest

FIELD_BYTES: Final = 8 * 1024
"""Also what may come before the first boundary, and after the last."""
FIELDS: Final = 64
FORM_BYTES: Final = 2**20
"""More than a form can hold beside its file."""
FILE_FIELD: Final = "file"
LIST_FIELDS: Final = frozenset({"label"})
"""Fields that may be given several times."""
CHARSET_FIELD: Final = "_charset_"
"""Where browsers say the charset of a form (RFC 7578, section 4.6)."""
LONGEST_BOUNDARY: Final = 70
"""RFC 2046 section 5.1.1."""
UNENCODED: Final = frozenset({"", "7bit", "8bit", "binary", "identity"})
ENCODINGS: Final = ("content-transfer-encoding", "content-encoding")


@dataclass
class _Part:
    """The part being read."""

    headers: dict[str, bytes] = field(default_factory=dict)
    said: Disposition = field(default_factory=lambda: Disposition("", None))
    value: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class FilePart:
    """The file of a form, the fields before it, and those behind it, which come while `body` is read to its end.

    A field that may be given several times has behind it those before it, too.
    """

    fields: Mapping[str, str | list[str]]
    late: Mapping[str, str | list[str]]
    filename: str | None
    media_type: str
    body: AsyncIterator[bytes]


class FormStream:
    """Pulls a form apart while it arrives; only field values are kept, and they are bounded.

    Fields named in `may_follow` may come after the file. Those without a value count as absent, for browsers send
    every input there is.
    """

    def __init__(self, stream: AsyncIterator[bytes], boundary: bytes, *, may_follow: Collection[str] = ()) -> None:
        self._stream = stream
        self._may_follow = may_follow
        self._delimiter = b"--" + boundary
        self._opening = re.compile(rb"(?:\A|\r\n)%b(--|[ \t]*\r\n)" % re.escape(self._delimiter))
        self._preamble: bytearray | None = bytearray()
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin,
                "on_header_field": self._header_name_part,
                "on_header_value": self._header_value_part,
                "on_header_end": self._header_end,
                "on_headers_finished": self._headers_finished,
                "on_part_data": self._data,
                "on_part_end": self._end,
                "on_end": self._close,
            },
        )
        self._part = _Part()
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._names: list[str] = []
        self._fields: dict[str, str | list[str]] = {}
        self._late: dict[str, str | list[str]] = {}
        self._chunks: deque[bytes] = deque()
        self._file: _Part | None = None
        self._in_file = False
        self._is_chosen = False
        self._is_closed = False
        self._epilogue_bytes = 0

    async def open_file(self) -> FilePart:
        """Read up to the first bytes of the file.

        Raises:
            InvalidRequest: the form is malformed, its fields are too large or too many, or it has no file.
            IncompleteUpload: it ended before its closing boundary.

        """
        while self._file is None or not self._is_chosen:
            if not await self._advance():
                raise InvalidRequest(FILE_FIELD, "the form has no file part of this name")
        media_type = decode("Content-Type", self._file.headers.get("content-type", b""), "iso-8859-1")
        return FilePart(self._fields, self._late, self._file.said.filename, media_type, self._read_file())

    async def _read_file(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            if not await self._advance():
                return

    async def _advance(self) -> bool:
        """Take a piece of the form; return False at its end."""
        chunk = await anext(self._stream, None)
        if chunk is not None:
            self._feed(chunk)
        elif self._preamble is not None:
            raise InvalidRequest("body", "the boundary that the Content-Type names is not in it")
        elif not self._is_closed:
            raise IncompleteUpload("the closing boundary of its form")
        return chunk is not None

    def _feed(self, chunk: bytes) -> None:
        if self._is_closed:
            self._epilogue_bytes += len(chunk)
            if self._epilogue_bytes > FIELD_BYTES:
                raise InvalidRequest("body", f"goes on for more than {FIELD_BYTES} bytes after the end of its form")
        try:
            self._parser.write(chunk if self._preamble is None else self._without_preamble(chunk))
        except FormParserError as error:
            raise InvalidRequest("body", "not well-formed multipart/form-data") from error

    def _without_preamble(self, chunk: bytes) -> bytes:
        """Return what follows the preamble (RFC 2046, section 5.1.1), whose first boundary the parser wants bare."""
        preamble = self._preamble = bytearray() if self._preamble is None else self._preamble
        preamble += chunk
        match = self._opening.search(preamble)
        if (match.start() if match else len(preamble)) > FIELD_BYTES:
            raise InvalidRequest("body", f"the first boundary of the form does not come within {FIELD_BYTES} bytes")
        if match is None:
            return b""
        self._preamble = None
        return self._delimiter + match[1].lstrip(b" \t") + preamble[match.end() :]

    def _begin(self) -> None:
        self._part = _Part()

    def _header_name_part(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._require_small(self._header_name)

    def _header_value_part(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._require_small(self._header_value)

    def _header_end(self) -> None:
        name = self._header_name.decode("ascii").lower()
        if name in self._part.headers:
            raise InvalidRequest(name, "given twice for one part")
        self._part.headers[name] = bytes(self._header_value).strip()
        self._header_name, self._header_value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        part = self._part
        part.said = read_disposition(part.headers.get("content-disposition", b""))
        _require_plain(part.headers)
        if part.said.name == FILE_FIELD:
            if self._file is not None:
                raise InvalidRequest(FILE_FIELD, "one file at a time")
            self._file, self._in_file = part, True
            self._is_chosen = part.said.filename != ""
        elif self._file is not None and part.said.name not in {*self._may_follow, CHARSET_FIELD}:
            raise InvalidRequest(part.said.name, "must come before the file")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._is_chosen = True
            self._chunks.append(data[start:end])
        else:
            self._part.value += data[start:end]
            self._require_small(self._part.value)

    def _end(self) -> None:
        if self._in_file:
            self._in_file = False
            if not self._is_chosen:
                raise InvalidRequest(FILE_FIELD, "no file was chosen")
            return
        name = self._part.said.name
        if name in self._names and name not in LIST_FIELDS:
            raise InvalidRequest(name, "given twice")
        if len(self._names) >= FIELDS:
            raise InvalidRequest("body", "too many fields")
        self._names.append(name)
        value = decode(name, bytes(self._part.value), _charset_of(self._part.headers))
        if name == CHARSET_FIELD:
            decode(name, b"", value)
        elif value:
            fields = self._fields if self._file is None else self._late
            fields[name] = [*fields.get(name, self._fields.get(name, ())), value] if name in LIST_FIELDS else value

    def _close(self) -> None:
        self._is_closed = True

    def _require_small(self, value: bytearray) -> None:
        if len(value) > FIELD_BYTES:
            raise InvalidRequest(self._part.said.name or "body", f"longer than {FIELD_BYTES} bytes")


def _require_plain(headers: Mapping[str, bytes]) -> None:
    """Refuse a part that would have to be decoded, or is a form of its own (RFC 7578, sections 4.3 and 4.7)."""
    for header in ENCODINGS:
        encoding = headers.get(header, b"").decode("latin-1").lower()
        if encoding not in UNENCODED:
            raise InvalidRequest(header, "the parts of a form must be sent as they are, without an encoding")
    if headers.get("content-type", b"").lower().startswith(b"multipart/"):
        raise InvalidRequest("content-type", "a part may not have parts of its own; send one file as one part")


def _charset_of(headers: Mapping[str, bytes]) -> str:
    _, options = read_parameters("content-type", headers.get("content-type", b""))
    return options.get(b"charset", b"utf-8").decode("latin-1")


def is_form(content_type: str) -> bool:
    """Say whether a body is announced as a form."""
    return content_type.partition(";")[0].strip().lower() == "multipart/form-data"


def read_boundary(content_type: str) -> bytes:
    """Return the boundary of a multipart/form-data content type.

    Raises:
        InvalidRequest: there is none, or it is too long.

    """
    _, options = read_parameters("Content-Type", content_type.encode("latin-1"))
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= LONGEST_BOUNDARY:
        raise InvalidRequest("Content-Type", f"needs a boundary of 1 to {LONGEST_BOUNDARY} bytes")
    return boundary
