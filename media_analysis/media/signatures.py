"""How files begin: signatures, and what a container says it holds."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, Literal

from media_analysis.media.media_types import with_family
from media_analysis.media.sync_words import type_of_stream

_SIGNATURES: Final = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"\xff\x0a", "image/jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\0\0\0\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"8BPS\0", "image/vnd.adobe.photoshop"),
    (b"v/1\x01", "image/x-exr"),
    (b"qoif", "image/x-qoi"),
    (b"SDPX", "image/x-dpx"),
    (b"XPDS", "image/x-dpx"),
    (b"FUJIFILMCCD-RAW", "image/x-fuji-raf"),
    (b"IIRO", "image/x-olympus-orf"),
    (b"IIRS", "image/x-olympus-orf"),
    (b"MMOR", "image/x-olympus-orf"),
    (b"IIU\0", "image/x-panasonic-rw2"),
    (b"ID3", "audio/mpeg"),
    (b"fLaC", "audio/flac"),
    (b"#!AMR-WB\n", "audio/amr-wb"),
    (b"#!AMR\n", "audio/amr"),
    (b".snd\0", "audio/basic"),
    (b"caff\0\x01", "audio/x-caf"),
    (b"wvpk", "audio/x-wavpack"),
    (b"MAC ", "audio/x-ape"),
    (b"riff\x2e\x91\xcf\x11", "audio/x-w64"),
    (b"FLV\x01", "video/x-flv"),
    (b"DKIF", "video/x-ivf"),
    (b"nut/multimedia container\0", "video/x-nut"),
    (b".RMF", "application/vnd.rn-realmedia"),
    (b"\x1f\x07\0", "video/dv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
    (b"\0\0\x01\xb0", "video/mp4v-es"),
    (b"\x12\0\x0a", "video/av1"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
"""The ways formats begin, longest first where one is the beginning of another."""
_FTYP_BRANDS: Final = {
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"crx ": "image/x-canon-cr3",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
    b"qt  ": "video/quicktime",
}
"""ISO/IEC 14496-12 section 4.3: the major brand of an ISO base media file."""
_RIFF_FORMS: Final = {b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav", b"WEBP": "image/webp"}
_BMP_HEADERS: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
"""Lengths of the second header; two letters alone would make a BMP of any text that begins so."""
_ASF: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_VIDEO: Final = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_ASF_AUDIO: Final = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
"""ASF specification, section 10.4: what a stream is."""
_MXF: Final = bytes.fromhex("060e2b34020501010d0102")
"""SMPTE ST 377-1, 7.1: a partition pack; a run-in of up to 64 KiB may come before it."""
_OGG_VIDEO: Final = (b"\x80theora", b"OVP80", b"BBCD\0", b"video\0\0\0")
_EBML: Final = b"\x1aE\xdf\xa3"
_SEGMENT: Final = b"\x18S\x80g"
_TRACKS: Final = b"\x16T\xaek"
_TRACK_TYPE: Final = b"\x83\x81"
_ORDERS: Final[Mapping[bytes, Literal["little", "big"]]] = {b"II": "little", b"MM": "big"}
_DNG_VERSION: Final = 0xC612
_MAKE: Final = 0x010F
_RAW_MAKES: Final = {b"NIKON": "image/x-nikon-nef", b"SONY": "image/x-sony-arw"}


def type_of_head(head: bytes) -> str | None:
    """Return the media type of a file that begins with `head`, None where nothing here tells it."""
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return _flash(head) if media_type == "video/x-flv" else media_type
    return next((found for look in _LOOKS if (found := look(head)) is not None), None)


def _flash(head: bytes) -> str:
    """The header says what follows, the lowest bit that pictures do (FLV specification, annex E)."""
    return with_family("video/x-flv", moves=head[4:5] != b"\x04")


def _iso_base_media(head: bytes) -> str | None:
    if head[4:8] != b"ftyp":
        return "video/quicktime" if head[4:8] in {b"moov", b"mdat", b"wide"} and b"\0\0" in head[:4] else None
    media_type = _FTYP_BRANDS.get(head[8:12], "video/mp4")
    return media_type if media_type.startswith("image/") else _by_tracks(media_type, _handlers(head))


def _handlers(head: bytes) -> tuple[frozenset[bytes], bool]:
    """Return the kinds of tracks that a movie box names within `head`, and whether it ends there."""
    start = head.find(b"moov") - 4
    if start < 0:
        return frozenset(), False
    movie = head[start : start + int.from_bytes(head[start : start + 4])]
    parts = movie.split(b"hdlr")[1:]
    return frozenset(part[8:12] for part in parts), len(movie) == int.from_bytes(head[start : start + 4])


def _by_tracks(media_type: str, tracks: tuple[frozenset[bytes], bool]) -> str:
    kinds, is_whole = tracks
    if b"vide" in kinds or b"\x01" in kinds:
        return with_family(media_type, moves=True)
    if is_whole and (b"soun" in kinds or b"\x02" in kinds):
        return with_family(media_type, moves=False)
    return media_type


def _matroska(head: bytes) -> str | None:
    if not head.startswith(_EBML):
        return None
    media_type = "video/webm" if b"webm" in head[:64] else "video/x-matroska"
    for start, end in _elements(head):
        if head.startswith(_TRACKS, start):
            kinds = frozenset(part[:1] for part in head[start:end].split(_TRACK_TYPE)[1:])
            return _by_tracks(media_type, (kinds, end <= len(head)))
    return media_type


def _elements(head: bytes) -> Iterator[tuple[int, int]]:
    """Yield where elements begin and end: the header, and what the segment behind it holds (RFC 8794 section 4)."""
    at = 0
    while at < len(head) and head[at]:
        id_length = 9 - head[at].bit_length()
        size, size_length = _ebml_size(head[at + id_length : at + id_length + 8])
        content = at + id_length + size_length
        is_segment = head.startswith(_SEGMENT, at)
        yield at, content if is_segment else content + size
        at = content if is_segment else content + size


def _ebml_size(data: bytes) -> tuple[int, int]:
    """Return a size and how many bytes it is written in."""
    if not data or not data[0]:
        return 0, 1
    length = 9 - data[0].bit_length()
    return int.from_bytes(data[:length]) & ((1 << 7 * length) - 1), length


def _riff(head: bytes) -> str | None:
    if head[:4] in {b"RF64", b"BW64"} and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "audio/x-aiff"
    return _RIFF_FORMS.get(head[8:12]) if head[:4] == b"RIFF" else None


def _asf(head: bytes) -> str | None:
    if not head.startswith(_ASF):
        return None
    return "audio/x-ms-wma" if _ASF_AUDIO in head and _ASF_VIDEO not in head else "video/x-ms-wmv"


def _ogg(head: bytes) -> str | None:
    if not head.startswith(b"OggS"):
        return None
    return "video/ogg" if any(mark in head for mark in _OGG_VIDEO) else "audio/ogg"


def _mxf(head: bytes) -> str | None:
    return "application/mxf" if _MXF in head else None


def _tiff(head: bytes) -> str | None:
    """Tell camera raws from other TIFF by the tags of the first directory (TIFF 6.0 section 2; DNG 1.7)."""
    order = _ORDERS.get(head[:2])
    if order is None or head[2:4] not in {b"*\0", b"\0*", b"+\0", b"\0+"}:
        return None
    if head[8:10] == b"CR":
        return "image/x-canon-cr2"
    tags = _directory(head, order)
    if _DNG_VERSION in tags:
        return "image/x-adobe-dng"
    make = tags.get(_MAKE, b"").upper()
    is_reduced = tags.get(0x00FE, b"")[:1] == b"\x01" or tags.get(0x00FE, b"")[-1:] == b"\x01"
    raws = (raw for name, raw in _RAW_MAKES.items() if is_reduced and make.startswith(name))
    return next(raws, "image/tiff")


def _directory(head: bytes, order: Literal["little", "big"]) -> Mapping[int, bytes]:
    """Return the values of the first directory as far as they lie within `head`, text in full."""

    def number(at: int, length: int) -> int:
        return int.from_bytes(head[at : at + length], order)

    start = number(4, 4)
    tags = {}
    for at in range(start + 2, min(start + 2 + 12 * number(start, 2), len(head) - 11), 12):
        count, value = number(at + 4, 4), number(at + 8, 4)
        is_far_text = number(at + 2, 2) == 2 and count > 4  # noqa: PLR2004 - ASCII, beyond what fits into the entry
        tags[number(at, 2)] = head[value : value + count] if is_far_text else head[at + 8 : at + 12]
    return tags


def _bmp(head: bytes) -> str | None:
    is_bmp = head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS
    return "image/bmp" if is_bmp else None


_LOOKS: Final[tuple[Callable[[bytes], str | None], ...]] = (
    _iso_base_media,
    _matroska,
    _riff,
    _asf,
    _ogg,
    _tiff,
    _bmp,
    type_of_stream,
    _mxf,
)
