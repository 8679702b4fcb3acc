"""How files begin."""

from collections.abc import Callable
from typing import Final

from media_analysis.media.parts import EBML
from media_analysis.media.types.picture_signatures import by_first_byte, type_by_signature, type_of_picture
from media_analysis.media.types.sync_words import type_of_stream

_SIGNATURES: Final = (
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
    (b"\0\0\0\0\x01\xbc\0\0", "application/gxf"),
    (bytes.fromhex("b7d800203749da11a64e0007e95ead8d"), "video/x-ms-wtv"),
    (b"\x1f\x8b\x08", "application/gzip"),
    (b"\x28\xb5\x2f\xfd", "application/zstd"),
    (b"%PDF-", "application/pdf"),
    (b"PK\x03\x04", "application/zip"),
)
"""The ways formats begin, longest first where one is the beginning of another."""
_BY_FIRST_BYTE: Final = by_first_byte(_SIGNATURES)
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
MXF_PARTITION: Final = bytes.fromhex("060e2b34020501010d0102")
"""SMPTE ST 377-1, 7.1: a partition pack; a run-in of up to 64 KiB may come before it."""


def type_of_head(head: bytes) -> str | None:
    """Return the media type of a file that begins with `head`, None where nothing here tells it."""
    told = type_by_signature(head, _BY_FIRST_BYTE)
    return told or next((found for look in _LOOKS if (found := look(head)) is not None), None)


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
    if not head.startswith(EBML):
        return None
    return "video/webm" if b"webm" in head[:64] else "video/x-matroska"


def _riff(head: bytes) -> str | None:
    if head[:4] in {b"RF64", b"BW64"} and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[:4] == b"FORM" and head[8:12] in {b"AIFF", b"AIFC"}:
        return "audio/x-aiff"
    return _RIFF_FORMS.get(head[8:12]) if head[:4] == b"RIFF" else None


def _marked_within(head: bytes) -> str | None:
    """Marks that do not come first: the major sync of MLP, the name of CRI in ADX."""
    if head[4:8] in {b"\xf8\x72\x6f\xba", b"\xf8\x72\x6f\xbb"}:
        return "audio/vnd.dolby.mlp"
    return "audio/x-adx" if head.startswith(b"\x80\0") and b"(c)CRI" in head[:1024] else None


def _mxf(head: bytes) -> str | None:
    return "application/mxf" if MXF_PARTITION in head else None


_LOOKS: Final[tuple[Callable[[bytes], str | None], ...]] = (
    type_of_picture,
    _iso_base_media,
    _matroska,
    _riff,
    type_of_stream,
    _marked_within,
    _mxf,
)
