"""Media types from content: magic numbers first, then what plain text looks like, else unknown bytes."""

import json
from typing import Final

import puremagic

from media_analysis.media.media_types import UNKNOWN
from media_analysis.media.signatures import type_of_head

HEAD_BYTES: Final = 4096
"""How much of a file's beginning is looked at."""
_SURE: Final = 0.5
"""puremagic's confidence for signatures of at least five bytes; below it guesses among namesakes."""
_SYNONYMS: Final = {
    "application/x-gzip": "application/gzip",
    "audio/mp3": "audio/mpeg",
    "audio/vnd.wave": "audio/wav",
    "audio/wave": "audio/wav",
    "audio/x-flac": "audio/flac",
    "audio/x-wav": "audio/wav",
    "image/x-ms-bmp": "image/bmp",
    "video/avi": "video/x-msvideo",
    "video/x-m4v": "video/mp4",
}


def sniff(head: bytes, *, declared: str | None) -> str:
    """Return the media type of a file that begins with `head`; `declared` only tells kinds of text apart."""
    known = type_of_head(head) or _by_magic(head)
    if known is not None:
        return _SYNONYMS.get(known, known)
    if not _is_text(head):
        return UNKNOWN
    if declared is not None and (declared.startswith("text/") or declared == "application/json"):
        return declared
    return "application/json" if _is_json(head) else "text/plain"


def _by_magic(head: bytes) -> str | None:
    if not head:
        return None
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return None
    return next((match.mime_type for match in matches if match.mime_type and match.confidence >= _SURE), None)


def _is_text(head: bytes) -> bool:
    if not head or any(byte < 32 and byte not in b"\t\n\r\f\x1b" for byte in head):  # noqa: PLR2004 - C0 controls
        return False
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start >= len(head) - 3  # a character cut off at the end of what was read
    return True


def _is_json(head: bytes) -> bool:
    if head.lstrip()[:1] not in (b"{", b"["):
        return False
    try:
        json.loads(head)
    except (ValueError, RecursionError):
        return False
    return True
