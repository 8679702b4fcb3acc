"""Transport streams whose time stamps are written anew, byte by byte: no muxer would store wrong ones."""

from collections.abc import Callable

CLOCK = 90_000
"""Ticks of a second (ISO/IEC 13818-1, section 2.4.3.6)."""
WRAP = 2**33
_PACKET = 188
_VIDEO = b"\0\0\1\xe0"
Change = Callable[[int, int, int], tuple[int, int]]
"""From the number of a coded picture, its decoding and its presentation time to new ones."""


def restamped(content: bytes, change: Change) -> bytes:
    """Return a transport stream with other time stamps of its video, each picture in packets of its own."""
    found = bytearray(content)
    number = 0
    for start in range(0, len(found), _PACKET):
        at = found.find(_VIDEO, start, start + _PACKET)
        if not found[start + 1] & 0x40 or at < 0:
            continue
        has_decoding = found[at + 7] & 0x40
        shown = _read(found, at + 9)
        decoded, shown = change(number, _read(found, at + 14) if has_decoding else shown, shown)
        _write(found, at + 9, shown)
        if has_decoding:
            _write(found, at + 14, decoded)
        number += 1
    return bytes(found)


def _read(content: bytearray, at: int) -> int:
    high, middle, low = content[at], int.from_bytes(content[at + 1 : at + 3]), int.from_bytes(content[at + 3 : at + 5])
    return (high >> 1 & 7) << 30 | middle >> 1 << 15 | low >> 1


def _write(content: bytearray, at: int, stamp: int) -> None:
    stamp %= WRAP
    content[at] = content[at] & 0xF1 | stamp >> 30 << 1
    content[at + 1 : at + 3] = ((stamp >> 15 & 0x7FFF) << 1 | 1).to_bytes(2)
    content[at + 3 : at + 5] = ((stamp & 0x7FFF) << 1 | 1).to_bytes(2)
