"""How files begin."""

from collections.abc import Callable, Mapping
from typing import Final, Literal

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
    (bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"), "video/x-ms-wmv"),
    (b"OggS", "audio/ogg"),
    (b"FLV\x01", "video/x-flv"),
    (b"DKIF", "video/x-ivf"),
    (b"nut/multimedia container\0", "video/x-nut"),
    (b".RMF", "application/vnd.rn-realmedia"),
    (b".ra\xfd", "audio/x-pn-realaudio"),
    (b"\x1f\x07\0\x3f", "video/dv"),
    (b"\x1f\x07\0\xbf", "video/dv"),
    (b"\0\0\x01\xba", "video/mpeg"),
    (b"\0\0\x01\xb3", "video/mpeg"),
    (b"\0\0\x01\xb0", "video/mp4v-es"),
    (b"\x12\0\x0a", "video/av1"),
    (b"DSD \x1c\0\0\0", "audio/x-dsf"),
    (b"MP+", "audio/x-musepack"),
    (b"MPCK", "audio/x-musepack"),
    (b"TTA1", "audio/x-tta"),
    (b"tBaK", "audio/x-tak"),
    (b"\x7f\xfe\x80\x01", "audio/vnd.dts"),
    (b"\xfe\x7f\x01\x80", "audio/vnd.dts"),
    (b"Creative Voice File\x1a", "audio/x-voc"),
    (b"YUV4MPEG2 ", "video/x-yuv4mpeg"),
    (b"NSVf", "video/x-nsv"),
    (b"NSVs", "video/x-nsv"),
    (b"\0\0\0\0\x01\xbc\0\0\0\0", "application/gxf"),
    (bytes.fromhex("b7d800203749da11a64e0007e95ead8d"), "video/x-ms-wtv"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
"""The ways formats begin, longest first where one is the beginning of another."""
_BRANDS: Final = {
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"crx ": "image/x-canon-cr3",
    b"qt  ": "video/quicktime",
    **dict.fromkeys((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"), "image/heic"),
}
"""ISO/IEC 14496-12 section 4.3, ISO/IEC 23008-12: the major brand of an ISO base media file."""
_HEIF_BRANDS: Final = frozenset({b"mif1", b"msf1", b"mif2"})
"""Pictures, of which other brands say how they are coded."""
_MOVIE_BOXES: Final = frozenset({b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_SEGMENT_BOXES: Final = frozenset({b"styp", b"sidx", b"moof"})
_RIFF_FORMS: Final = {b"AVI ": "video/x-msvideo", b"WAVE": "audio/wav", b"WEBP": "image/webp"}
_BMP_HEADERS: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
"""Lengths of the second header; two letters alone would make a BMP of any text that begins so."""
_MXF: Final = bytes.fromhex("060e2b34020501010d0102")
"""SMPTE ST 377-1, 7.1: a partition pack; a run-in of up to 64 KiB may come before it."""
_EBML: Final = b"\x1aE\xdf\xa3"
_ORDERS: Final[Mapping[bytes, Literal["little", "big"]]] = {b"II": "little", b"MM": "big"}
_DNG_VERSION: Final = 0xC612
_MAKE: Final = 0x010F
_RAW_MAKES: Final = {b"NIKON": "image/x-nikon-nef", b"SONY": "image/x-sony-arw"}


def type_of_head(head: bytes) -> str | None:
    """Return the media type of a file that begins with `head`, None where nothing here tells it."""
    for signature, media_type in _SIGNATURES:
        if head.startswith(signature):
            return media_type
    return next((found for look in _LOOKS if (found := look(head)) is not None), None)


def _iso_base_media(head: bytes) -> str | None:
    """Boxes: such as say what they are, and what QuickTime and segments of streams begin with."""
    kind, length = head[4:8], int.from_bytes(head[:4])
    if kind == b"ftyp":
        return _by_brands(head[8:12], {head[at : at + 4] for at in range(16, min(length, len(head)), 4)})
    if b"\0" not in head[:64] or 1 < length < 8:  # noqa: PLR2004 - a header
        return None
    return "video/quicktime" if kind in _MOVIE_BOXES else "video/mp4" if kind in _SEGMENT_BOXES else None


def _by_brands(major: bytes, others: set[bytes]) -> str:
    if major in _HEIF_BRANDS:
        return "image/avif" if others & {b"avif", b"avis"} else "image/heic"
    mobile = {b"3gp": "video/3gpp", b"3gr": "video/3gpp", b"3gs": "video/3gpp", b"3g2": "video/3gpp2"}
    return _BRANDS.get(major) or mobile.get(major[:3], "video/mp4")


def _matroska(head: bytes) -> str | None:
    if not head.startswith(_EBML):
        return None
    return "video/webm" if b"webm" in head[:64] else "video/x-matroska"


def _riff(head: bytes) -> str | None:
    if head[:4] in {b"RF64", b"BW64"} and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "audio/x-aiff"
    return _RIFF_FORMS.get(head[8:12]) if head[:4] == b"RIFF" else None


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
    _tiff,
    _bmp,
    type_of_stream,
    _mxf,
)
