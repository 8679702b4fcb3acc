"""How an object is presented by whoever sends it in our place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Presented:
    """What the answer is to say of the bytes, in plain ASCII."""

    media_type: str
    disposition: str
    """Its Content-Disposition (RFC 6266)."""
    cache_control: str
