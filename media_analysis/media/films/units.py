"""Units that coded pictures consist of, in packets of H.264, HEVC and MPEG, and which pictures no other one needs."""

from collections.abc import Callable, Iterator
from typing import Final

Packet = bytes | memoryview
_START: Final = b"\0\0\1"
_LENGTH_AT: Final = {"h264": 4, "hevc": 21}
"""Where a decoder configuration tells how many bytes a unit's length takes (ISO/IEC 14496-15)."""
_BROKEN: Final = memoryview(b"\0\0")
REFERRED_TO: Final = 0
"""The rank of a picture that others may need."""
_H264_SLICE: Final = 1
_H264_BESIDE: Final = frozenset({6, 9, 12})
"""Supplemental information, delimiters and filler (ITU-T H.264, table 7-1)."""
_H264_REFERENCE_BITS: Final = 0x60
_HEVC_LAST_PLAIN: Final = 14
"""Even numbers up to it are pictures their own sub-layer does not refer to (ITU-T H.265, table 7-1)."""
_HEVC_BESIDE: Final = frozenset({35, 38, 39, 40, 62, 63})
RankReader = Callable[[Packet], int]
"""Tells 0 of a picture others may refer to; else 1 more than its temporal layer, whose highest alone is disposable."""


def units_in(packet: Packet, codec: str, configuration: bytes | None) -> Iterator[memoryview]:
    """Yield every unit of a packet of H.264 or HEVC, none of them empty; two zeros where one is cut off.

    `configuration` is the decoder's, if any: it tells whether units begin with their length or with start codes.
    """
    width = _length_bytes(codec, configuration or b"")
    return units_by_start_codes(packet) if width is None else _by_lengths(memoryview(packet), width)


def units_by_start_codes(packet: Packet) -> Iterator[memoryview]:
    """Yield what stands between start codes, as far as it is not empty."""
    content, view = bytes(packet), memoryview(packet)
    at = content.find(_START)
    while at >= 0:
        after = content.find(_START, at + 3)
        if unit := view[at + 3 : after if after >= 0 else None]:
            yield unit
        at = after


def _length_bytes(codec: str, configuration: bytes) -> int | None:
    at = _LENGTH_AT[codec]
    by_length = len(configuration) > at and (configuration[0] or configuration[1] or configuration[2] > 1)
    return (configuration[at] & 3) + 1 if by_length else None


def _by_lengths(packet: memoryview, width: int) -> Iterator[memoryview]:
    at = 0
    while at + width < len(packet):
        end = at + width + int.from_bytes(packet[at : at + width])
        if unit := packet[at + width : end]:
            yield unit
        at = end
    if at != len(packet):
        yield _BROKEN


def rank_reader(codec: str, configuration: bytes | None) -> RankReader:
    """Return what ranks the packets of a codec, by FFmpeg's name and its decoder configuration, if any.

    Other codecs than H.264 and HEVC have no ranks: all their pictures may be referred to.
    """
    ranks = {"h264": _rank_of_h264, "hevc": _rank_of_hevc}
    if codec not in ranks:
        return lambda _: REFERRED_TO
    return lambda packet: ranks[codec](units_in(packet, codec, configuration))


def _rank_of_h264(units: Iterator[memoryview]) -> int:
    slices = 0
    for unit in units:
        kind = unit[0] & 0x1F
        if kind == _H264_SLICE and not unit[0] & _H264_REFERENCE_BITS:
            slices += 1
        elif kind not in _H264_BESIDE:
            return REFERRED_TO
    return 1 if slices else REFERRED_TO


def _rank_of_hevc(units: Iterator[memoryview]) -> int:
    rank = REFERRED_TO
    for unit in units:
        kind = unit[0] >> 1 & 0x3F
        if kind <= _HEVC_LAST_PLAIN and kind % 2 == 0 and len(unit) > 1:
            rank = unit[1] & 7
        elif kind not in _HEVC_BESIDE:
            return REFERRED_TO
    return rank
