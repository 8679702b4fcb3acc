"""Streaming multipart/form-data (RFC 7578): small fields first, then one file, never spooled."""

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header

from media_analysis.errors import InvalidRequest

FIELD_BYTES: Final = 8 * 1024
FIELDS: Final = 32
FILE_FIELD: Final = "file"
LONGEST_BOUNDARY: Final = 70
"""RFC 2046 section 5.1.1."""


@dataclass
class _Part:
    """The part being read."""

    headers: dict[str, str] = field(default_factory=dict)
    name: str = ""
    filename: str | None = None
    value: bytearray = field(default_factory=bytearray)


@dataclass(frozen=True)
class FilePart:
    """The file of a form, with the fields that came before it; `body` must be read to its end."""

    fields: dict[str, str]
    filename: str | None
    media_type: str | None
    body: AsyncIterator[bytes]


class FormStream:
    """Pulls a form apart while it arrives; only field values are kept, and they are bounded."""

    def __init__(self, stream: AsyncIterator[bytes], boundary: bytes) -> None:
        self._stream = stream
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
            },
        )
        self._part = _Part()
        self._header_name = bytearray()
        self._header_value = bytearray()
        self._fields: dict[str, str] = {}
        self._chunks: deque[bytes] = deque()
        self._file: _Part | None = None
        self._in_file = False

    async def open_file(self) -> FilePart:
        """Read up to the file part.

        Raises:
            InvalidRequest: the form is malformed, its fields are too large or too many, or it has no file.

        """
        while self._file is None:
            chunk = await anext(self._stream, None)
            if chunk is None:
                raise InvalidRequest(FILE_FIELD, "the form has no file part of this name")
            self._feed(chunk)
        return FilePart(self._fields, self._file.filename, self._file.headers.get("content-type"), self._read_file())

    async def _read_file(self) -> AsyncIterator[bytes]:
        while True:
            while self._chunks:
                yield self._chunks.popleft()
            chunk = await anext(self._stream, None)
            if chunk is None:
                break
            self._feed(chunk)
        if self._in_file:
            raise InvalidRequest("body", "the form ended inside its file")

    def _feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise InvalidRequest("body", "not well-formed multipart/form-data") from error

    def _begin(self) -> None:
        self._part = _Part()

    def _header_name_part(self, data: bytes, start: int, end: int) -> None:
        self._header_name += data[start:end]
        self._require_small(self._header_name)

    def _header_value_part(self, data: bytes, start: int, end: int) -> None:
        self._header_value += data[start:end]
        self._require_small(self._header_value)

    def _header_end(self) -> None:
        name = self._header_name.decode("latin-1").lower()
        # Latin-1 keeps every byte, as the parser of options expects; what is text in it is decoded afterwards.
        self._part.headers[name] = self._header_value.decode("latin-1")
        self._header_name, self._header_value = bytearray(), bytearray()

    def _headers_finished(self) -> None:
        _, options = parse_options_header(self._part.headers.get("content-disposition", ""))
        self._part.name = options.get(b"name", b"").decode("utf-8", "replace")
        filename = options.get(b"filename")
        self._part.filename = None if filename is None else filename.decode("utf-8", "replace")
        if self._part.name == FILE_FIELD:
            if self._file is not None:
                raise InvalidRequest(FILE_FIELD, "one file at a time")
            self._file, self._in_file = self._part, True
        elif self._file is not None:
            raise InvalidRequest(self._part.name, "fields must come before the file")

    def _data(self, data: bytes, start: int, end: int) -> None:
        if self._in_file:
            self._chunks.append(data[start:end])
        else:
            self._part.value += data[start:end]
            self._require_small(self._part.value)

    def _end(self) -> None:
        if self._in_file:
            self._in_file = False
            return
        if self._part.name in self._fields:
            raise InvalidRequest(self._part.name, "given twice")
        if len(self._fields) >= FIELDS:
            raise InvalidRequest("body", "too many fields")
        try:
            self._fields[self._part.name] = self._part.value.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequest(self._part.name, "not UTF-8") from error

    def _require_small(self, value: bytearray) -> None:
        if len(value) > FIELD_BYTES:
            raise InvalidRequest(self._part.name or "body", f"longer than {FIELD_BYTES} bytes")


def read_boundary(content_type: str) -> bytes:
    """Return the boundary of a multipart/form-data content type.

    Raises:
        InvalidRequest: there is none, or it is too long.

    """
    _, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= LONGEST_BOUNDARY:
        raise InvalidRequest("Content-Type", f"needs a boundary of 1 to {LONGEST_BOUNDARY} bytes")
    return boundary
