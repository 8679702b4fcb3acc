"""How pictures begin: those that are read, and those that are refused by their name."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Literal

Signatures = Mapping[bytes, Sequence[tuple[bytes, str]]]
"""How formats begin, by the first byte of each, in the order in which they are looked for."""


def by_first_byte(signatures: Sequence[tuple[bytes, str]]) -> Signatures:
    """Return signatures so that few of them have to be looked at."""
    found: dict[bytes, list[tuple[bytes, str]]] = {}
    for signature, media_type in signatures:
        found.setdefault(signature[:1], []).append((signature, media_type))
    return found


def type_by_signature(head: bytes, signatures: Signatures) -> str | None:
    """Return the media type of the first signature that `head` begins with."""
    for signature, media_type in signatures.get(head[:1], ()):
        if head.startswith(signature):
            return media_type
    return None


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
    (b"BPG\xfb", "image/bpg"),
    (b"#?RADIANCE", "image/vnd.radiance"),
    (b"#?RGBE", "image/vnd.radiance"),
    (b"DDS |\0\0\0", "image/x-dds"),
    (b"II\xbc\x01", "image/jxr"),
    (b"gimp xcf", "image/x-xcf"),
    (b"FOVb", "image/x-sigma-x3f"),
    (b"\0MRM", "image/x-minolta-mrw"),
    (b"SIMPLE  =                    T", "image/fits"),
    (b"AT&TFORM", "image/vnd.djvu"),
    (b"\x01\xda\x00\x01\x00", "image/sgi"),
    (b"\x01\xda\x01\x01\x00", "image/sgi"),
    (b"\x59\xa6\x6a\x95", "image/x-cmu-raster"),
    (b"/* XPM */", "image/x-xpixmap"),
    (b"\x8aMNG\r\n\x1a\n", "video/x-mng"),
    (b"\x8bJNG\r\n\x1a\n", "image/x-jng"),
    (b"\xd7\xcd\xc6\x9a\0\0", "image/wmf"),
    (b"\xabKTX 11\xbb\r\n\x1a\n", "image/ktx"),
    (b"\xabKTX 20\xbb\r\n\x1a\n", "image/ktx2"),
    (b"%!PS", "application/postscript"),
    (b"\xc5\xd0\xd3\xc6", "application/postscript"),
)
"""The ways formats begin."""
_BY_FIRST_BYTE: Final = by_first_byte(_SIGNATURES)
_LOSSLESS_JPEG: Final = b"\xff\xd8\xff\xf7"
"""JPEG-LS begins as JPEG does, but for its frame (ITU-T T.87, table C.1)."""
_BMP_HEADERS: Final = frozenset({12, 40, 52, 56, 64, 108, 124})
"""Lengths of the second header; two letters alone would make a BMP of any text that begins so."""
_ORDERS: Final[Mapping[bytes, Literal["little", "big"]]] = {b"II": "little", b"MM": "big"}
_DNG_VERSION: Final = 0xC612
_MAKE: Final = 0x010F
_RAW_MAKES: Final = {b"NIKON": "image/x-nikon-nef", b"SONY": "image/x-sony-arw"}
_NETPBM: Final = re.compile(rb"P[1-6]\s+(?:#[^\n]*\n\s*)*\d{1,9}\s+\d{1,9}\s|P7\n(?:#[^\n]*\n)*WIDTH ")
_SVG: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?(?>\s+|<\?.*?>|<!--.*?-->|<!DOCTYPE\s+svg[^>\[]*(?:\[.*?\]\s*)?>)*+<svg[\s>/]", re.DOTALL
)
"""Nothing is tried twice, so that nobody's comments take long to be looked through."""
_ICON_KINDS: Final = {1: "image/vnd.microsoft.icon", 2: "image/x-win-cursor"}
_ICON_ENTRY_BYTES: Final = 16
_EMF_HEADER: Final = b"\x01\0\0\0"


def type_of_picture(head: bytes) -> str | None:
    """Return the media type of a picture, still or vector, that begins with `head`; None where it is none."""
    if head.startswith(_LOSSLESS_JPEG):
        return "image/jls"
    told = type_by_signature(head, _BY_FIRST_BYTE)
    if told is not None:
        return told
    return next((found for look in _LOOKS if (found := look(head)) is not None), None)


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


def _icon(head: bytes) -> str | None:
    """Icons and cursors of Windows, whose first picture lies behind the table of all; and those of Apple."""
    if head[:4] == b"icns":
        return "image/x-icns" if 8 <= int.from_bytes(head[4:8]) < 2**24 else None  # noqa: PLR2004 - a header's length
    kind, pictures = int.from_bytes(head[2:4], "little"), int.from_bytes(head[4:6], "little")
    table = 6 + _ICON_ENTRY_BYTES * pictures
    is_one = head[:2] == b"\0\0" and pictures and head[9:10] == b"\0" and int.from_bytes(head[18:22], "little") >= table
    return _ICON_KINDS.get(kind) if is_one else None


def _netpbm(head: bytes) -> str | None:
    return "image/x-portable-anymap" if _NETPBM.match(head) else None


def _svg(head: bytes) -> str | None:
    return "image/svg+xml" if _SVG.match(head) else None


def _pcx(head: bytes) -> str | None:
    """Source: ZSoft's technical reference: its version, how it is coded, and how many bits each plane has."""
    told = head[:1] == b"\x0a" and head[1:2] in {b"\0", b"\2", b"\3", b"\4", b"\5"} and head[2:3] == b"\1"
    return "image/vnd.zbrush.pcx" if told and head[3:4] in {b"\1", b"\2", b"\4", b"\x08"} else None


def _emf(head: bytes) -> str | None:
    return "image/emf" if head.startswith(_EMF_HEADER) and head[40:44] == b" EMF" else None


def _dicom(head: bytes) -> str | None:
    """Source: DICOM part 10, section 7.1: the mark stands behind 128 bytes of anything."""
    return "application/dicom" if head[128:132] == b"DICM" else None


_LOOKS: Final[tuple[Callable[[bytes], str | None], ...]] = (
    _tiff,
    _bmp,
    _icon,
    _netpbm,
    _svg,
    _pcx,
    _emf,
    _dicom,
)
