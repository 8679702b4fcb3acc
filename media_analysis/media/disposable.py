"""Which coded pictures no other one refers to, told by their first bytes: unless wanted, they need no decoding."""

from collections.abc import Callable, Iterator
from typing import Final

REFERRED_TO: Final = 0
"""The rank of a picture that others may need."""
_LENGTH_AT: Final = {"h264": 4, "hevc": 21}
"""Where a decoder configuration tells how many bytes a unit's length takes (ISO/IEC 14496-15)."""
_START: Final = b"\0\0\1"
_H264_SLICE: Final = 1
_H264_BESIDE: Final = frozenset({6, 9, 12})
"""Supplemental information, delimiters and filler (ITU-T H.264, table 7-1)."""
_H264_REFERENCE_BITS: Final = 0x60
_HEVC_LAST_PLAIN: Final = 14
"""Even numbers up to it are pictures their own sub-layer does not refer to (ITU-T H.265, table 7-1)."""
_HEVC_BESIDE: Final = frozenset({35, 38, 39, 40, 62, 63})


Packet = bytes | memoryview
RankReader = Callable[[Packet], int]
"""Tells 0 of a picture others may refer to; else 1 more than its temporal layer, whose highest alone is disposable."""


def rank_reader(codec: str, configuration: bytes | None) -> RankReader:
    """Return what ranks the packets of a codec, by FFmpeg's name and its decoder configuration, if any.

    Other codecs than H.264 and HEVC have no ranks: all their pictures may be referred to.
    """
    ranks = {"h264": _rank_of_h264, "hevc": _rank_of_hevc}
    if codec not in ranks:
        return lambda _: REFERRED_TO
    width = unit_length_bytes(codec, configuration or b"")
    return lambda packet: ranks[codec](_units(packet, width))


def unit_length_bytes(codec: str, configuration: bytes) -> int | None:
    """Return how many bytes tell a unit's length (H.264 and HEVC), None where units begin with start codes."""
    at = _LENGTH_AT[codec]
    by_length = len(configuration) > at and (configuration[0] or configuration[1] or configuration[2] > 1)
    return (configuration[at] & 3) + 1 if by_length else None


def _units(packet: Packet, width: int | None) -> Iterator[tuple[int, int]]:
    """Yield the first two bytes of every unit; a (0, 0) where the packet is not what it should be."""
    return _by_start_codes(bytes(packet)) if width is None else _by_lengths(packet, width)


def _by_lengths(packet: Packet, width: int) -> Iterator[tuple[int, int]]:
    at = 0
    while at + width + 2 <= len(packet):
        yield packet[at + width], packet[at + width + 1]
        at += width + int.from_bytes(packet[at : at + width])
    if at != len(packet):
        yield 0, 0


def _by_start_codes(packet: bytes) -> Iterator[tuple[int, int]]:
    at = packet.find(_START)
    while 0 <= at < len(packet) - 4:
        yield packet[at + 3], packet[at + 4]
        at = packet.find(_START, at + 3)


def _rank_of_h264(units: Iterator[tuple[int, int]]) -> int:
    slices = 0
    for header, _ in units:
        kind = header & 0x1F
        if kind == _H264_SLICE and not header & _H264_REFERENCE_BITS:
            slices += 1
        elif kind not in _H264_BESIDE:
            return REFERRED_TO
    return 1 if slices else REFERRED_TO


def _rank_of_hevc(units: Iterator[tuple[int, int]]) -> int:
    rank = REFERRED_TO
    for first, second in units:
        kind = first >> 1 & 0x3F
        if kind <= _HEVC_LAST_PLAIN and kind % 2 == 0:
            rank = second & 7
        elif kind not in _HEVC_BESIDE:
            return REFERRED_TO
    return rank
