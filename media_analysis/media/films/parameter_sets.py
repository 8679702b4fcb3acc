"""What packets say of their pictures beside coding them: where it stays the same, no look changes."""

from collections.abc import Iterator
from typing import Any, Final, cast

from av.packet import Packet

from media_analysis.media.films.units import units_by_start_codes, units_in

_H264_SETS: Final = frozenset({7, 15})
"""Sequence parameter sets (ITU-T H.264, table 7-1)."""
_H264_REMARK: Final = 6
_HEVC_SETS: Final = frozenset({32, 33})
"""Video and sequence parameter sets (ITU-T H.265, table 7-1)."""
_HEVC_REMARK: Final = 39
_TURN: Final = 47
"""A remark of a display orientation (ITU-T H.264, annex D.1.1), which holds until the next parameters."""
_TRANSFER: Final = 147
"""One of an alternative transfer."""
_ESCAPED: Final = b"\0\0\3"
_SEQUENCE: Final = 0xB3
_EXTENSION: Final = 0xB5
_SEQUENCE_EXTENSIONS: Final = frozenset({1, 2})
"""Of a sequence and of its display (ISO/IEC 13818-2, table 6-2)."""
_LAYERS: Final = range(0x20, 0x30)
"""Video object layers (ISO/IEC 14496-2, table 6-3)."""
_JPEG_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_VP8_START: Final = slice(3, 10)
"""Start code and size of a keyframe (RFC 6386, section 9.1)."""


def parameters_of(packet: "Packet[Any]", codec: str, configuration: bytes | None) -> bytes:
    """Return all that a packet says of how its pictures are to be shown, by FFmpeg's name of the codec.

    `configuration` is the decoder's, if any. Empty where it says nothing new, and of codecs that are not known here.
    """
    beside = bytes(packet.get_sidedata("new_extradata")) if packet.has_sidedata("new_extradata") else b""
    match codec:
        case "h264" | "hevc":
            units = units_in(memoryview(packet), codec, configuration)
            return beside + b"".join(part for unit in units for part in _parameters_in(unit, codec))
        case "mpeg1video" | "mpeg2video" | "mpeg4":
            return beside + b"".join(unit for unit in units_by_start_codes(memoryview(packet)) if _says_mpeg(unit))
        case "mjpeg":
            return _jpeg_frame(bytes(packet))
        case "theora":
            return b"".join(map(bytes, cast("tuple[Packet[Any], ...]", packet.opaque or ())))
        case "vp8":
            return bytes(packet)[_VP8_START]
    return beside


def tells_turn(packet: "Packet[Any]", codec: str, configuration: bytes | None) -> bool:
    """Return whether a packet of H.264 or HEVC has a remark of how the display is to be turned."""
    units = units_in(memoryview(packet), codec, configuration)
    return any(kind == _TURN for unit in units for kind, _ in _remarks_in(unit, codec))


def _parameters_in(unit: memoryview, codec: str) -> Iterator[memoryview | bytes]:
    is_set = unit[0] & 0x1F in _H264_SETS if codec == "h264" else unit[0] >> 1 & 0x3F in _HEVC_SETS
    if is_set:
        yield unit
    for kind, content in _remarks_in(unit, codec):
        if kind in {_TURN, _TRANSFER}:
            yield bytes([kind]) + content


def _remarks_in(unit: memoryview, codec: str) -> Iterator[tuple[int, bytes]]:
    """Yield type and content of remarks (ITU-T H.264, section 7.3.2.3; ITU-T H.265, section 7.3.5)."""
    is_remark = unit[0] & 0x1F == _H264_REMARK if codec == "h264" else unit[0] >> 1 & 0x3F == _HEVC_REMARK
    if not is_remark:
        return
    content = bytes(unit).replace(_ESCAPED, _ESCAPED[:2])
    at = 1 if codec == "h264" else 2
    while at + 2 < len(content):
        kind, at = _number(content, at)
        length, at = _number(content, at)
        yield kind, content[at : at + length]
        at += length


def _number(content: bytes, at: int) -> tuple[int, int]:
    """Return a number that is a sum of bytes, of which the first that is not 255 is the last, and where it ends."""
    number = 0
    while content[at : at + 1] == b"\xff":
        number, at = number + 255, at + 1
    return number + int.from_bytes(content[at : at + 1]), at + 1


def _says_mpeg(unit: memoryview) -> bool:
    of_sequence = unit[0] == _EXTENSION and len(unit) > 1 and unit[1] >> 4 in _SEQUENCE_EXTENSIONS
    return unit[0] == _SEQUENCE or unit[0] in _LAYERS or of_sequence


def _jpeg_frame(content: bytes) -> bytes:
    """Return the frame header (ITU-T T.81, section B.2.2)."""
    at = 2
    while at + 4 <= len(content) and content[at] == 0xFF:  # noqa: PLR2004 - begins a marker
        length = 2 + int.from_bytes(content[at + 2 : at + 4])
        if content[at + 1] in _JPEG_FRAMES:
            return content[at : at + length]
        at += length
    return b""
