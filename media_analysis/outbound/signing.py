"""Signatures as receivers verify them (Standard Webhooks 1.0.0)."""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from typing import Final

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
SHORTEST_BYTES: Final = 24
LONGEST_BYTES: Final = 64


def new_secret() -> str:
    """Return a fresh secret of 256 random bits."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def parse_secret(secret: str) -> bytes:
    """Return the key that a secret stands for.

    Raises:
        ValueError: it is none, or too short or too long for one.

    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ValueError("not base64 behind whsec_") from None
    if not secret.startswith(PREFIX) or not SHORTEST_BYTES <= len(key) <= LONGEST_BYTES:
        raise ValueError(f"not whsec_ and {SHORTEST_BYTES} to {LONGEST_BYTES} bytes in base64")
    return key


def signed_headers(message_id: str, at_seconds: int, body: bytes, with_secrets: Sequence[str]) -> dict[str, str]:
    """Return the headers of a message, with one signature of each secret."""
    signed = b".".join((message_id.encode(), str(at_seconds).encode(), body))
    digests = (hmac.digest(parse_secret(secret), signed, hashlib.sha256) for secret in with_secrets)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at_seconds),
        "webhook-signature": " ".join(f"v1,{base64.b64encode(digest).decode()}" for digest in digests),
    }
