"""What the headers of a form's part say of it, in every spelling that clients use (RFC 7578, section 4.2)."""

import base64
import binascii
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from media_analysis.errors import InvalidRequest

DISPOSITION: Final = "Content-Disposition"
CHARSETS: Final = frozenset({"utf-8", "us-ascii", "iso-8859-1"})
"""What old Java clients and MIME libraries name; others are refused, and never guessed."""
_PARAMETER: Final = re.compile(rb'[ \t]*;[ \t]*(?:([^\s;="]+)[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]*))[ \t]*)?')
_ESCAPED: Final = re.compile(rb'\\(["\\])')
_PERCENT: Final = re.compile(rb"%(?:22|0[DAda])")
_EXTENDED: Final = re.compile(rb"([A-Za-z0-9_.-]+)'[A-Za-z0-9-]*'((?:[A-Za-z0-9!#$&+.^_`|~-]|%[0-9A-Fa-f]{2})*)")
_WORD: Final = re.compile(rb"=\?([A-Za-z0-9_.-]+)\?([BbQq])\?([!->@-~]*)\?=")
_WORDS: Final = re.compile(rb"%b(?:[ \t]+%b)*" % (_WORD.pattern, _WORD.pattern))
_WINDOWS_PATH: Final = re.compile(r"(?:[A-Za-z]:\\|\\\\)")


@dataclass(frozen=True, slots=True)
class Disposition:
    """A part's name, and that of its file if it is one."""

    name: str
    filename: str | None


def read_disposition(value: bytes) -> Disposition:
    """Return what the Content-Disposition of a part says.

    Names may be plain or quoted UTF-8 with backslash escapes, have `%22`, `%0D` and `%0A` as browsers write them, be
    encoded words (RFC 2047) as .NET writes them, and a file's name may be a `filename*` (RFC 8187), which then counts.

    Raises:
        InvalidRequest: it is malformed, says something twice, or is not text.

    """
    kind, given = read_parameters(DISPOSITION, value)
    if kind != b"form-data":
        raise InvalidRequest(DISPOSITION, "the part of a form must be form-data")
    if b"name" not in given:
        raise InvalidRequest(DISPOSITION, "the part of a form needs a name")
    if any(name.startswith(b"filename*") and name != b"filename*" for name in given):
        raise InvalidRequest(DISPOSITION, "a name in several pieces is not understood; send it in one")
    name = _text("name", given[b"name"])
    if b"filename*" in given:
        return Disposition(name, _without_path(_extended(given[b"filename*"])))
    filename = given.get(b"filename")
    return Disposition(name, None if filename is None else _without_path(_text("filename", filename)))


def read_parameters(header: str, value: bytes) -> tuple[bytes, dict[bytes, bytes]]:
    """Return a header's value in lower case, and its parameters.

    Raises:
        InvalidRequest: they are malformed, or one is given twice.

    """
    kind, semicolon, _ = value.partition(b";")
    position = len(kind)
    found: dict[bytes, bytes] = {}
    while semicolon and position < len(value):
        match = _PARAMETER.match(value, position)
        if match is None:
            raise InvalidRequest(header, "not well-formed")
        position = match.end()
        name, quoted, plain = match.groups()
        if name is None:
            continue
        if name.lower() in found:
            raise InvalidRequest(header, f"{name.decode('ascii', 'replace')} is given twice")
        found[name.lower()] = plain if quoted is None else _ESCAPED.sub(rb"\1", quoted)
    return kind.strip().lower(), found


def decode(field: str, value: bytes, charset: str = "utf-8") -> str:
    """Return bytes as text.

    Raises:
        InvalidRequest: they are none in that charset, or it is not one of `CHARSETS`.

    """
    if charset.lower() not in CHARSETS:
        raise InvalidRequest(field, "must be UTF-8")
    try:
        return value.decode(charset)
    except UnicodeDecodeError as error:
        raise InvalidRequest(field, f"not {charset.upper()}") from error


def _text(field: str, value: bytes) -> str:
    if _WORDS.fullmatch(value):
        return "".join(_word(field, *match.groups()) for match in _WORD.finditer(value))
    return decode(field, _PERCENT.sub(lambda match: unquote_to_bytes(match[0]), value))


def _word(field: str, charset: bytes, encoding: bytes, content: bytes) -> str:
    try:
        is_base64 = encoding in b"Bb"
        raw = base64.b64decode(content, validate=True) if is_base64 else binascii.a2b_qp(content, header=True)
    except binascii.Error as error:
        raise InvalidRequest(field, "not an encoded word") from error
    return decode(field, raw, charset.decode())


def _extended(value: bytes) -> str:
    match = _EXTENDED.fullmatch(value)
    if match is None:
        raise InvalidRequest("filename*", "must be such as UTF-8''name%20of.mp4")
    return decode("filename*", unquote_to_bytes(match[2]), match[1].decode())


def _without_path(name: str) -> str:
    """Drop the directories of a whole Windows path, which old browsers send."""
    return name.rpartition("\\")[2] if _WINDOWS_PATH.match(name) else name
