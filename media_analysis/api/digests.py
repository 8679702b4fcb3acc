"""Digests of message content: `Content-Digest` (RFC 9530) and its elder `Digest` (RFC 3230)."""

import base64
import binascii
import hashlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

from starlette.datastructures import Headers

from media_analysis.errors import DigestMismatch, InvalidRequest

_ALGORITHMS: Final = {"sha-256": "sha256", "sha-512": "sha512"}


def read_digests(headers: Headers) -> Mapping[str, bytes]:
    """Return the announced digests by algorithm.

    Raises:
        InvalidRequest: a digest header is malformed, or names no algorithm known here.

    """
    announced: dict[str, bytes] = {}
    for header, quoted in (("content-digest", True), ("digest", False)):
        value = headers.get(header)
        if value is None:
            continue
        found = {name: _decode(header, text, quoted=quoted) for name, text in _members(value) if name in _ALGORITHMS}
        if not found:
            raise InvalidRequest(header, f"must give one of {', '.join(_ALGORITHMS)}")
        announced |= found
    return announced


async def verified(body: AsyncIterator[bytes], announced: Mapping[str, bytes]) -> AsyncIterator[bytes]:
    """Pass `body` on and fail at its end unless it has the announced digests.

    Raises:
        DigestMismatch: the bytes are not the ones announced.

    """
    hashes = {name: hashlib.new(_ALGORITHMS[name]) for name in announced}
    async for chunk in body:
        for running in hashes.values():
            running.update(chunk)
        yield chunk
    for name, running in hashes.items():
        if running.digest() != announced[name]:
            raise DigestMismatch(algorithm=name)


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
