"""What stands in the path of a link: its id, and a signature over it (HMAC-SHA256, RFC 2104)."""

import hmac
import re
import secrets
from base64 import urlsafe_b64encode
from typing import Final, NamedTuple, Self
from uuid import UUID

SECRET_BYTES: Final = 32
_PURPOSE: Final = b"media-analysis link\0"
REFERENCE: Final = r"([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\.([A-Za-z0-9_-]{43})"
_REFERENCE: Final = re.compile(REFERENCE)
_NOBODYS: Final = secrets.token_bytes(SECRET_BYTES)
"""Signs nothing: a link that is not there takes as long to refuse as one that is."""


class Reference(NamedTuple):
    """Which link is meant, and what is to prove it."""

    link_id: UUID
    signature: str

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return what a part of a path refers to, None where it can be no link."""
        match = _REFERENCE.fullmatch(text)
        return None if match is None else cls(UUID(match[1]), match[2])

    def is_signed(self, secret: bytes | None) -> bool:
        """Whether the key with this secret signed it; nobody's did if there is none."""
        expected = sign(secret or _NOBODYS, self.link_id)
        return hmac.compare_digest(expected, self.signature) and secret is not None

    def __str__(self) -> str:
        return f"{self.link_id}.{self.signature}"


def sign(secret: bytes, link_id: UUID) -> str:
    """Return the signature of a link, 43 characters."""
    return urlsafe_b64encode(hmac.digest(secret, _PURPOSE + link_id.bytes, "sha256")).decode().rstrip("=")


def new_secret() -> bytes:
    """Return what a new key signs with."""
    return secrets.token_bytes(SECRET_BYTES)
