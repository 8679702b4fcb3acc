"""Media types from content: magic numbers and what containers hold, then what plain text looks like, else unknown."""

import json
import re
from collections import defaultdict
from typing import IO, Final, NamedTuple

import puremagic

from media_analysis.media.reading import read_at
from media_analysis.media.types.contents import holds_pictures, tells_contents
from media_analysis.media.types.known import UNKNOWN, with_family
from media_analysis.media.types.signatures import type_of_head

HEAD_BYTES: Final = 4096
"""How much of a file's beginning is looked at."""
_MOST_TAGS: Final = 4
_SURE: Final = 0.5
"""puremagic's confidence for signatures of at least five bytes; below it guesses among namesakes."""
_CONTROL: Final = re.compile(rb"[\x00-\x08\x0b\x0e-\x1a\x1c-\x1f]")
"""The C0 controls that no text has: all but tabs, ends of lines and pages, and escapes."""
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


class Sniffed(NamedTuple):
    """What a file is, by its beginning or by all of it."""

    media_type: str
    is_certain: bool = True
    """Whether what lies behind cannot make it another."""


def sniff_file(file: IO[bytes], *, declared: str | None) -> Sniffed:
    """Return the media type of a file, or of its beginning; reads little of it, wherever that lies.

    A container is called by what it holds, sound by what stands behind its tags.
    """
    head = read_at(file, 0, HEAD_BYTES)
    start = behind_tags(file)
    behind = type_of_head(read_at(file, start, HEAD_BYTES)) if start else None
    known = behind or type_of_head(head) or _by_magic(head)
    if known is None:
        return Sniffed(_as_text(head, declared))
    known = _SYNONYMS.get(known, known)
    if not tells_contents(known):
        return Sniffed(known, is_certain=start < len(head))
    moves = holds_pictures(file, known)
    is_certain = moves is True or (moves is False and known == "image/jpeg")
    return Sniffed(known if moves is None else with_family(known, moves=moves), is_certain=is_certain)


def behind_tags(file: IO[bytes]) -> int:
    """Return where the ID3 tags in front end, one behind the other (ID3v2.4, section 3.1: seven bits of each byte)."""
    at = 0
    for _ in range(_MOST_TAGS):
        tag = read_at(file, at, 10)
        if not tag.startswith(b"ID3") or len(tag) < 10:  # noqa: PLR2004 - the header of a tag
            break
        has_footer = tag[5] & 0x10
        at += sum((byte & 0x7F) << 7 * (3 - place) for place, byte in enumerate(tag[6:])) + (20 if has_footer else 10)
    return at


def _as_text(head: bytes, declared: str | None) -> str:
    if not _is_text(head):
        return UNKNOWN
    if declared is not None and (declared.startswith("text/") or declared == "application/json"):
        return declared
    return "application/json" if _is_json(head) else "text/plain"


def _by_magic(head: bytes) -> str | None:
    if not may_have_magic(head):
        return None
    try:
        matches = puremagic.magic_string(head)
    except (puremagic.PureError, ValueError):
        return None
    return next((match.mime_type for match in matches if match.mime_type and match.confidence >= _SURE), None)


def may_have_magic(head: bytes) -> bool:
    """Whether puremagic knows any signature that is there: it would compare all of them in Python, one by one."""
    return any(
        known.match(head, offset)
        for offset, by_first in _HEADERS.items()
        if offset < len(head) and (known := by_first.get(head[offset])) is not None
    ) or any(head.startswith(ending, max(0, len(head) + offset)) for ending, offset in _FOOTERS)


def _by_offset_and_first_byte() -> dict[int, dict[int, re.Pattern[bytes]]]:
    found: defaultdict[int, defaultdict[int, set[bytes]]] = defaultdict(lambda: defaultdict(set))
    for known in puremagic.magic_header_array:
        found[known.offset][known.byte_match[0]].add(known.byte_match)
    return {
        offset: {first: re.compile(b"|".join(map(re.escape, sorted(those)))) for first, those in by_first.items()}
        for offset, by_first in found.items()
    }


_HEADERS: Final = _by_offset_and_first_byte()
_FOOTERS: Final = tuple((known.byte_match, known.offset) for known in puremagic.magic_footer_array)


def _is_text(head: bytes) -> bool:
    if not head or _CONTROL.search(head):
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
