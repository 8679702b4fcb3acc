"""Units that coded pictures consist of, in packets of H.264, HEVC and MPEG."""

from collections.abc import Iterator
from typing import Final

Packet = bytes | memoryview
_START: Final = b"\0\0\1"
_LENGTH_AT: Final = {"h264": 4, "hevc": 21}
"""Where a decoder configuration tells how many bytes a unit's length takes (ISO/IEC 14496-15)."""
_BROKEN: Final = memoryview(b"\0\0")


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
