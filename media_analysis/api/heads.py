"""What the head of a request must be before anything acts on it (RFC 9112), and how one that is not is refused."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from fastapi_problem.error import Problem

Headers = Sequence[tuple[bytes, bytes]]
DECISIVE: Final = frozenset({b"host", b"transfer-encoding", b"content-length"})
"""Headers that say whom a request is for and where its body ends."""
FIELD_BYTES: Final = len(": \r\n")
_HOST: Final = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")


@dataclass(eq=False)
class RequestRefused(Exception):
    """A request ends before the application sees it."""

    status: int
    code: str
    detail: str
    retry_after_seconds: int | None = None

    def answer(self, headers: Headers) -> bytes:
        """Return the whole response, the server's own `headers` in it; nothing can follow it on its connection."""
        phrase = HTTPStatus(self.status).phrase
        body = self._document(phrase)
        lines = [b"HTTP/1.1 %d %s" % (self.status, phrase.encode())]
        lines += [b"%s: %s" % header for header in headers]
        lines += [b"date: " + formatdate(usegmt=True).encode()]
        lines += [b"content-type: application/problem+json", b"content-length: %d" % len(body), b"connection: close"]
        if self.retry_after_seconds is not None:
            lines.append(b"retry-after: %d" % self.retry_after_seconds)
        return b"\r\n".join([*lines, b"", body])

    def _document(self, title: str) -> bytes:
        problem = Problem(
            title=title,
            type_=f"urn:media-analysis:problem:{self.code}",
            status=self.status,
            detail=self.detail,
            code=self.code,
        )
        return json.dumps(problem.marshal()).encode()


MALFORMED: Final = RequestRefused(400, "malformed_request", "the request is not HTTP/1.1")
DIGESTS: Final = frozenset({b"content-digest", b"repr-digest", b"digest", b"content-md5"})
DIGEST_IN_TRAILER: Final = RequestRefused(
    400, "digest_in_trailer", "a digest is taken from the head of a request, not from behind its body"
)
HEAD_TOO_SLOW: Final = RequestRefused(408, "request_head_too_slow", "the head of the request did not come in time")
TOO_MANY_CONNECTIONS: Final = RequestRefused(
    503, "too_many_connections", "the service has as many connections as it may have", retry_after_seconds=5
)

TOO_MANY_HEADS: Final = RequestRefused(
    503, "too_many_heads", "too many requests are under way of which the head is not whole", retry_after_seconds=5
)


def too_long(url: bytes, limit_bytes: int) -> RequestRefused:
    """Return the refusal of a head that passes its limit, by what fills it."""
    if len(url) > limit_bytes // 2:
        return RequestRefused(414, "uri_too_long", f"the request line does not fit into a head of {limit_bytes} bytes")
    return RequestRefused(431, "request_head_too_large", f"the head of the request exceeds {limit_bytes} bytes")


def require_short(url: bytes, headers: Headers, limit_bytes: int) -> None:
    """Refuse a head of more than `limit_bytes`."""
    if len(url) + sum(len(name) + len(value) + FIELD_BYTES for name, value in headers) > limit_bytes:
        raise too_long(url, limit_bytes)


def require_valid(version: str, decisive: Headers) -> None:
    """Refuse a head whose `DECISIVE` headers name no host or several, or say in two ways where its body ends.

    Source: RFC 9112, 3.2 and 6.1 to 6.3.

    Raises:
        RequestRefused: the head is none of those that are taken.

    """
    hosts = [value for name, value in decisive if name == b"host"]
    if len(hosts) != 1 and (hosts or version != "1.0"):
        raise RequestRefused(400, "invalid_host", "a request names its host, once")
    if hosts and not _HOST.fullmatch(hosts[0]):
        raise RequestRefused(400, "invalid_host", "the host is not one")
    codings = [value for name, value in decisive if name == b"transfer-encoding"]
    if codings:
        _require_chunked(codings, is_ambiguous=version == "1.0" or len(decisive) > len(hosts) + len(codings))


def _require_chunked(codings: Sequence[bytes], *, is_ambiguous: bool) -> None:
    if is_ambiguous:
        raise RequestRefused(400, "ambiguous_length", "a chunked body has no length of its own, and needs HTTP/1.1")
    if len(codings) > 1 or codings[0].strip().lower() != b"chunked":
        raise RequestRefused(501, "unknown_transfer_coding", "chunked is the one transfer coding taken here")


def framing(decisive: Headers) -> bytes:
    """Return the header lines that say where the body ends."""
    return b"".join(b"%s: %s\r\n" % header for header in decisive if header[0] != b"host")
