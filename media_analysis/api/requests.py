"""What the head of a request asks for, and what of it is refused before anything is read: wishes that contradict."""

import re
from collections.abc import Collection, Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from media_analysis.api.errors import LONGEST_FIELD, printable, problem_of_status
from media_analysis.errors import BodyTooLarge, ContentCodingNotAccepted, DocumentTypeNotAccepted, InvalidRequest

Fields = Mapping[bytes, bytes]
"""Header fields by their names in small letters, the lines of each joined by commas (RFC 9110 section 5.3)."""
_SINGLE: Final = frozenset(
    {
        b"authorization",
        b"content-encoding",
        b"content-range",
        b"content-type",
        b"idempotency-key",
        b"if-modified-since",
        b"if-range",
        b"if-unmodified-since",
        b"last-event-id",
        b"range",
        b"tus-resumable",
        b"upload-checksum",
        b"upload-concat",
        b"upload-defer-length",
        b"upload-length",
        b"upload-metadata",
        b"upload-offset",
        b"x-http-method-override",
        b"x-request-id",
    }
)
"""Headers that say one thing; a second line could only say another."""
_WHOLE: Final = {b"upload-offset": b"0", b"upload-complete": b"?1", b"upload-incomplete": b"?0"}
"""What the headers of resumable uploads say of a body that is all there is (drafts of the IETF)."""
_PIECE: Final = (b"content-range", b"tus-resumable", b"upload-concat", b"upload-defer-length")
_JSON: Final = re.compile(r"application/(?:[a-z0-9!#$&^_.-]+\+)?json")
_UTF8: Final = frozenset({"utf-8", "utf8"})


def read_fields(headers: Sequence[tuple[bytes, bytes]]) -> Fields:
    """Return the header fields of a request.

    Raises:
        InvalidRequest: one that says one thing is there twice.

    """
    fields: dict[bytes, bytes] = {}
    for name, value in headers:
        known = fields.get(name)
        if known is not None and name in _SINGLE:
            raise InvalidRequest(name.decode("latin-1").title(), "given twice")
        fields[name] = value if known is None else b"%s, %s" % (known, value)
    return fields


def require_parameters_once(query: bytes, lists: Collection[str]) -> None:
    """Refuse a query that gives a parameter twice, in whatever spelling, unless it is one of `lists`.

    Raises:
        InvalidRequest: it does.

    """
    if b"&" not in query:
        return
    seen = set()
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name in seen and name not in lists:
            raise InvalidRequest(f"query.{printable(name)}"[:LONGEST_FIELD], "given twice")
        seen.add(name)


def require_known_expectation(fields: Fields) -> None:
    """Refuse an expectation other than the one HTTP knows (RFC 9110 section 10.1.1).

    Raises:
        Problem: 417.

    """
    if fields.get(b"expect", b"100-continue").lower() != b"100-continue":
        raise problem_of_status(417)


def accepting(method: str, accepted: tuple[str, ...]) -> dict[str, str]:
    """Return the headers that tell which documents a method takes (RFC 9110 section 12.5.1, RFC 5789 section 3.1)."""
    names = {"POST": ("Accept-Post", "Accept"), "PATCH": ("Accept-Patch", "Accept")}.get(method, ("Accept",))
    return dict.fromkeys(names, ", ".join(accepted))


def has_body(fields: Fields) -> bool:
    """Whether content comes after the head."""
    return b"transfer-encoding" in fields or fields.get(b"content-length", b"0").strip(b"0") != b""


def require_no_key(fields: Fields) -> None:
    """Refuse a key that makes a repeated request safe, where none is remembered and all would be done twice.

    Raises:
        InvalidRequest: there is one.

    """
    if b"idempotency-key" in fields:
        raise InvalidRequest("Idempotency-Key", "is remembered by POST /files only: here a repeated request is another")


def require_plain(fields: Fields) -> None:
    """Refuse a body in a coding, which would be taken for the thing itself.

    Raises:
        ContentCodingNotAccepted: the body is compressed.

    """
    coding = fields.get(b"content-encoding", b"").decode("latin-1")
    if coding.lower() not in {"", "identity"}:
        raise ContentCodingNotAccepted(printable(coding)[:LONGEST_FIELD])


def require_whole(fields: Fields) -> None:
    """Refuse a body that is a piece of something, which would be taken for all of it.

    Raises:
        InvalidRequest: it is one.

    """
    pieces = [name for name in _PIECE if name in fields]
    pieces += [name for name, whole in _WHOLE.items() if fields.get(name, whole) != whole]
    if pieces:
        raise InvalidRequest(
            pieces[0].decode().title(), "a body is taken whole here, in one request, and not in pieces"
        )


def require_document(fields: Fields, accepted: tuple[str, ...]) -> None:
    """Refuse a body that is not said to be the document that is taken: of JSON, or a form.

    Raises:
        DocumentTypeNotAccepted: it has another Content-Type, none, or another charset.

    """
    told = fields.get(b"content-type", b"").decode("latin-1")
    essence, _, parameters = told.partition(";")
    essence = essence.strip().lower()
    if essence not in accepted and not (_JSON.fullmatch(essence) and any(map(_JSON.fullmatch, accepted))):
        kind = "a JSON document" if any(map(_JSON.fullmatch, accepted)) else "a form"
        reason = "the body has no Content-Type" if not told else f"the body is not said to be {kind}"
        raise DocumentTypeNotAccepted(reason, accepted=accepted)
    if parameters and not _charsets(parameters) <= _UTF8:
        raise DocumentTypeNotAccepted("a document is UTF-8, in no other charset", accepted=accepted)


def require_length(fields: Fields, limit_bytes: int) -> None:
    """Refuse a body whose announced length alone is too much, before anything of it is asked for.

    Raises:
        BodyTooLarge: it is.

    """
    if (read_length(fields.get(b"content-length", b"")) or 0) > limit_bytes:
        raise BodyTooLarge(limit_bytes=limit_bytes)


def read_length(told: bytes) -> int | None:
    """Return the length that Content-Length tells, None where it tells none; any number of zeros may lead it."""
    return int(told.lstrip(b"0") or b"0") if told.isdigit() else None


def _charsets(parameters: str) -> set[str]:
    pairs = (parameter.partition("=") for parameter in parameters.split(";"))
    return {value.strip().strip('"').lower() for name, _, value in pairs if name.strip().lower() == "charset"}
