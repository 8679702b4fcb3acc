"""Digests of content: `Content-Digest`, `Repr-Digest` (RFC 9530), and their elders `Digest`, `Content-MD5` (RFC 1864).

What is sent here is sent whole and without a coding: all of them speak of the same bytes, the body, of a form too.
"""

import base64
import binascii
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers

from media_analysis.errors import DigestMismatch, InvalidRequest

_KEY: Final = r"[a-z*][a-z0-9_.*-]*"
_WORD: Final = r"[A-Za-z*][!#$%&'*+.^_`|~0-9A-Za-z:/-]*"
_STRING: Final = r'"(?:[ !#-\[\]-~]|\\["\\])*"'
_BARE: Final = rf":[A-Za-z0-9+/=]*:|{_STRING}|-?[0-9]{{1,15}}(?:\.[0-9]{{1,3}})?|\?[01]|{_WORD}"
_MEMBER: Final = re.compile(rf"({_KEY})(?:=({_BARE}))?(?:; *{_KEY}(?:=(?:{_BARE}))?)*[ \t]*")
_COMMA: Final = re.compile(r",[ \t]*")
_MD5: Final = "content-md5"
DIGESTS: Final = ("content-digest", "repr-digest", "digest", _MD5)
_ALGORITHMS: Final = {"sha-256": "sha256", "sha-512": "sha512"}
_HASHES: Final = _ALGORITHMS | {"md5": "md5"}
"""That of an elder header guards against accidents only, which is what it was sent for."""
_ELDER: Final = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+)=([^\s,]+)")


@dataclass(frozen=True, slots=True)
class Digest:
    """What a client says its bytes hash to."""

    algorithm: str
    value: bytes

    def holds(self, running: "hashlib._Hash") -> bool:
        """Whether this is what was hashed."""
        return running.digest() == self.value


def read_digests(headers: Headers) -> Sequence[Digest]:
    """Return every announced digest; the headers may announce different ones, and then one must fail.

    Raises:
        InvalidRequest: a digest header is malformed, names no algorithm known here, contradicts itself, or is to come
            behind the body.

    """
    if any(name.strip().lower() in DIGESTS for name in headers.get("trailer", "").split(",")):
        raise InvalidRequest("Trailer", "a digest is taken from the head of a request, not from behind its body")
    return [digest for field in DIGESTS if field in headers for digest in _announced(field, headers.getlist(field))]


def _announced(field: str, lines: Sequence[str]) -> list[Digest]:
    if field == _MD5:
        return [Digest("md5", _decode(field, f":{value.strip()}:")) for value in lines]
    found: dict[str, bytes] = {}
    members = _elder_members(field, lines) if field == "digest" else parse_dictionary(field, lines)
    for name, item in members:
        if name in _ALGORITHMS:
            value = _decode(field, item)
            if found.setdefault(name, value) != value:
                raise InvalidRequest(field, f"gives {name} twice, and not the same")
    if not found:
        raise InvalidRequest(field, f"must give one of {', '.join(_ALGORITHMS)}")
    return [Digest(name, value) for name, value in found.items()]


async def verified(body: AsyncIterator[bytes], announced: Sequence[Digest]) -> AsyncIterator[bytes]:
    """Pass `body` on and fail at its end unless it has all the announced digests.

    Raises:
        DigestMismatch: the bytes are not the ones announced.

    """
    hashes = {digest.algorithm: hashlib.new(_HASHES[digest.algorithm], usedforsecurity=False) for digest in announced}
    async for chunk in body:
        for running in hashes.values():
            running.update(chunk)
        yield chunk
    for digest in announced:
        if not digest.holds(hashes[digest.algorithm]):
            raise DigestMismatch(algorithm=digest.algorithm)


def require_digests(body: bytes, announced: Sequence[Digest]) -> None:
    """Return if a whole body has all the announced digests.

    Raises:
        DigestMismatch: the bytes are not the ones announced.

    """
    for digest in announced:
        if not digest.holds(hashlib.new(_HASHES[digest.algorithm], body, usedforsecurity=False)):
            raise DigestMismatch(algorithm=digest.algorithm)


def _elder_members(field: str, lines: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield algorithms, whose case means nothing, with what is announced in them, in colons as the newer have it."""
    for member in filter(None, (part.strip() for line in lines for part in line.split(","))):
        pair = _ELDER.fullmatch(member)
        if pair is None:
            raise InvalidRequest(field, "must be a list as in SHA-256=… (RFC 3230)")
        yield pair[1].lower(), f":{pair[2]}:"


def _decode(field: str, item: str) -> bytes:
    if len(item) < 2 or item[0] != ":" or item[-1] != ":":  # noqa: PLR2004 - two colons
        raise InvalidRequest(field, "must be a byte sequence between colons")
    text = item[1:-1]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(field, "not base64") from error


def parse_dictionary(field: str, lines: Sequence[str]) -> list[tuple[str, str]]:
    """Return the members of a dictionary in their order, each with its item as it was written, without parameters.

    A member named twice is there twice; one that stands alone is `?1`.

    Raises:
        InvalidRequest: the lines of this field are no dictionary of items.

    """
    text = ", ".join(lines).strip(" ")
    members: list[tuple[str, str]] = []
    position = 0
    while position < len(text):
        if members:
            comma = _COMMA.match(text, position)
            position = comma.end() if comma else position
        member = _MEMBER.match(text, position)
        if member is None or (members and not comma):
            raise InvalidRequest(field, "must be a dictionary as in sha-256=:…: (RFC 8941)")
        members.append((member[1], member[2] or "?1"))
        position = member.end()
    return members
