"""Digests of message content: `Content-Digest` (RFC 9530) and its elder `Digest` (RFC 3230)."""

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.datastructures import Headers

from media_analysis.errors import DigestMismatch, InvalidRequest

_ALGORITHMS: Final = {"sha-256": "sha256", "sha-512": "sha512"}


@dataclass(frozen=True, slots=True)
class Digest:
    """What a client says its bytes hash to."""

    algorithm: str
    value: bytes


def read_digests(headers: Headers) -> Sequence[Digest]:
    """Return every announced digest; the two headers may announce different ones, and then one must fail.

    Raises:
        InvalidRequest: a digest header is malformed, or names no algorithm known here.

    """
    announced: list[Digest] = []
    for header, quoted in (("content-digest", True), ("digest", False)):
        lines = headers.getlist(header)
        if not lines:
            continue
        members = [member for line in lines for member in _members(line)]
        found = [Digest(name, _decode(header, text, quoted=quoted)) for name, text in members if name in _ALGORITHMS]
        if not found:
            raise InvalidRequest(header, f"must give one of {', '.join(_ALGORITHMS)}")
        announced += found
    return announced


async def verified(body: AsyncIterator[bytes], announced: Sequence[Digest]) -> AsyncIterator[bytes]:
    """Pass `body` on and fail at its end unless it has all the announced digests.

    Raises:
        DigestMismatch: the bytes are not the ones announced.

    """
    hashes = {digest.algorithm: hashlib.new(_ALGORITHMS[digest.algorithm]) for digest in announced}
    async for chunk in body:
        for running in hashes.values():
            running.update(chunk)
        yield chunk
    for digest in announced:
        if hashes[digest.algorithm].digest() != digest.value:
            raise DigestMismatch(algorithm=digest.algorithm)


def _members(value: str) -> list[tuple[str, str]]:
    pairs = (member.partition("=") for member in value.split(","))
    return [(name.strip().lower(), text.strip()) for name, _, text in pairs]


def _decode(header: str, text: str, *, quoted: bool) -> bytes:
    if quoted:
        if len(text) < 2 or text[0] != ":" or text[-1] != ":":  # noqa: PLR2004 - two colons
            raise InvalidRequest(header, "must be a byte sequence between colons")
        text = text[1:-1]
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidRequest(header, "not base64") from error
