"""Files whose time stamps are written anew, byte by byte: no muxer would store wrong ones."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

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


@dataclass(frozen=True)
class Container:
    """A format whose time stamps are milliseconds of one track or more, each packet with a stamp of its own."""

    name: str
    options: tuple[tuple[str, str], ...]
    """That its muxer needs for that."""
    units: Callable[[bytes], tuple[bytes, Sequence["Unit"]]]
    """What a file begins with, and its packets as they are stored."""
    is_interleaved: bool = True
    """Whether there may be sound beside the pictures."""

    def glued(self, content: bytes, *shifts: Callable[[int], int]) -> bytes:
        """Return the file's packets so many times, the milliseconds of each moved by its number among the pictures."""
        head, units = self.units(content)
        return head + b"".join(
            unit.moved(shift(unit.number)) for shift in shifts for unit in units if unit.follows or shift is shifts[0]
        )


@dataclass(frozen=True)
class Unit:
    """A packet as it is stored."""

    content: bytes
    at: int
    """Where in it the time stamp is."""
    length: int
    number: int
    """Among the pictures; of sound, the number of the next picture."""
    per_second: int = 1000
    follows: bool = True
    """Whether it is stored again with every part, not only with the first."""

    def moved(self, milliseconds: int) -> bytes:
        """Return it with a later time stamp."""
        stamp = self._stamp(self.content[self.at : self.at + self.length])
        stamp += milliseconds * self.per_second // 1000
        return self.content[: self.at] + self._written(stamp) + self.content[self.at + self.length :]

    def _stamp(self, stored: bytes) -> int:
        return int.from_bytes(stored)

    def _written(self, stamp: int) -> bytes:
        return (stamp % (1 << 8 * self.length)).to_bytes(self.length)


class FlashUnit(Unit):
    """A tag: the highest byte of its time stamp is the last (FLV specification, annex E)."""

    def _stamp(self, stored: bytes) -> int:
        return int.from_bytes(stored[3:] + stored[:3])

    def _written(self, stamp: int) -> bytes:
        written = (stamp % 2**32).to_bytes(4)
        return written[1:] + written[:1]


def _flash(content: bytes) -> tuple[bytes, Sequence[Unit]]:
    units: list[Unit] = []
    at, number = 13, 0
    while at < len(content):
        end = at + 15 + int.from_bytes(content[at + 1 : at + 4])
        is_picture = content[at] == 9 and content[at + 12] == 1
        is_header = content[at] == 18 or content[at + 12] == 0
        units.append(FlashUnit(content[at:end], 4, 4, number, follows=not is_header))
        number += is_picture
        at = end
    # What ends a sequence comes once, with no picture.
    return content[:13], [unit for unit in units if unit.content[12] != 2 or unit.content[0] != 9]


def _fragments(content: bytes) -> tuple[bytes, Sequence[Unit]]:
    """One fragment a picture (ISO/IEC 14496-12, 8.8): its time of decoding has eight bytes."""
    starts = [at - 4 for at in _places(content, b"moof")]
    units = []
    for number, (start, end) in enumerate(pairwise([*starts, content.rindex(b"mfra") - 4])):
        box = content[start:end]
        units.append(Unit(box, box.index(b"tfdt") + 8, 8, number, per_second=_ticks(content)))
    return content[: starts[0]], units


def _ticks(content: bytes) -> int:
    at = content.index(b"mdhd")
    return int.from_bytes(content[at + 16 : at + 20])


def _clusters(content: bytes) -> tuple[bytes, Sequence[Unit]]:
    """Clusters of one block each (RFC 9559), written anew with time stamps of eight bytes."""
    starts = _places(content, b"\x1fC\xb6u")
    units: list[Unit] = []
    for cluster, end in pairwise([*starts, len(content)]):
        at = cluster + 4 + 9 - content[cluster + 4].bit_length()
        at += 6 * (content[at] == 0xBF)
        assert content[at] == 0xE7
        length = content[at + 1] & 0x7F
        begin = int.from_bytes(content[at + 2 : at + 2 + length])
        units += _blocks(content, at + 2 + length, end, begin, sum(_is_picture(unit) for unit in units))
    return content[: starts[0]], units


def _blocks(content: bytes, at: int, end: int, begin: int, number: int) -> Iterator[Unit]:
    """Yield what simple blocks hold; groups, as of the last sound, are left out."""
    while at < end:
        length = 9 - content[at + 1].bit_length()
        size = int.from_bytes(content[at + 1 : at + 1 + length]) & ((1 << 7 * length) - 1)
        block = content[at + 1 + length : at + 1 + length + size]
        if content[at] == 0xA3:
            stamp = begin + int.from_bytes(block[1:3], signed=True)
            alone = b"\xe7\x88" + stamp.to_bytes(8) + b"\xa3\x01" + size.to_bytes(7) + block[:1] + bytes(2) + block[3:]
            yield Unit(b"\x1fC\xb6u\x01" + len(alone).to_bytes(7) + alone, 14, 8, number)
            number += block[0] == 0x81
        at += 1 + length + size


def _is_picture(unit: Unit) -> bool:
    return unit.content[31:32] == b"\x81"


def _places(content: bytes, mark: bytes) -> Sequence[int]:
    found = [content.find(mark)]
    while found[-1] >= 0:
        found.append(content.find(mark, found[-1] + 1))
    return found[:-1]


_ONE_FRAGMENT_A_PICTURE = (("movflags", "empty_moov+default_base_moof+frag_every_frame"),)
CONTAINERS = (
    Container("matroska", (("live", "1"),), _clusters),
    Container("flv", (), _flash),
    Container("mp4", _ONE_FRAGMENT_A_PICTURE, _fragments, is_interleaved=False),
)
