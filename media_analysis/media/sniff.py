"""Media types from content: magic numbers first, then what plain text looks like, else unknown bytes."""

import json
from typing import Final

import puremagic

HEAD_BYTES: Final = 4096
"""How much of a file's beginning is looked at."""
UNKNOWN: Final = "application/octet-stream"
_SURE: Final = 0.5
"""puremagic's confidence for signatures of at least five bytes; below it guesses among namesakes."""
_SHORT_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"PK\x03\x04", "application/zip"),
    (b"fLaC", "audio/flac"),
)

_EXTENSIONS: Final = {
    "application/gzip": "gz",
    "application/json": "json",
    "application/pdf": "pdf",
    "application/zip": "zip",
    "application/zstd": "zst",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "ogg",
    "audio/wav": "wav",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tiff",
    "image/webp": "webp",
    "text/plain": "txt",
    "video/mp2t": "ts",
    "video/mp4": "mp4",
    "video/mpeg": "mpg",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-matroska": "mkv",
    "video/x-msvideo": "avi",
}
_TYPES: Final = {extension: media_type for media_type, extension in _EXTENSIONS.items()} | {
    "jpeg": "image/jpeg",
    "m4v": "video/mp4",
    "mpeg": "video/mpeg",
    "opus": "audio/ogg",
    "tif": "image/tiff",
}
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
_FTYP_BRANDS: Final = {
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
}
"""ISO/IEC 14496-12 section 4.3: the major brand of an ISO base media file."""


def sniff(head: bytes, *, declared: str | None) -> str:
    """Return the media type of a file that begins with `head`; `declared` only tells kinds of text apart."""
    known = _by_container(head) or _by_magic(head)
    if known is not None:
        return _SYNONYMS.get(known, known)
    if not _is_text(head):
        return UNKNOWN
    if declared is not None and (declared.startswith("text/") or declared == "application/json"):
        return declared
    return "application/json" if _is_json(head) else "text/plain"


def extension_of(media_type: str) -> str:
    """Return a file extension without dot that is safe on every disk, `bin` where none is known."""
    return _EXTENSIONS.get(media_type, "bin")


def type_of_extension(extension: str) -> str:
    """Return the media type files so named usually have; who must know reads the file instead."""
    return _TYPES.get(extension.lower(), UNKNOWN)


def _by_container(head: bytes) -> str | None:
    if head[4:8] == b"ftyp":
        return _FTYP_BRANDS.get(head[8:12], "video/mp4")
    if head[:4] == b"\x1aE\xdf\xa3":
        return "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    if head[:4] == b"RIFF":
        return {b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav", b"WEBP": "image/webp"}.get(head[8:12])
    return None


def _by_magic(head: bytes) -> str | None:
    if not head:
        return None
    for signature, media_type in _SHORT_SIGNATURES:
        if head.startswith(signature):
            return media_type
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
