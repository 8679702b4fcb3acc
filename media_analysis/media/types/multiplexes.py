"""What streams of packets hold, which have no directory in one place: told by the first of them."""

import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from itertools import islice
from typing import IO, Final, NamedTuple

from media_analysis.media.reading import read_at

SOUGHT_BYTES: Final = 2**20
MAX_PACKETS: Final = 1_000
_TS_SYNC: Final = 0x47
_TS_LAYOUTS: Final = ((0, 188), (4, 192), (0, 204))
"""Of packets of 188 bytes; discs put 4 before each, broadcasts 16 behind."""
_TS_BYTES: Final = 188
_PIECES: Final = 16
_MPEG_PICTURES: Final = frozenset({1, 2, 0x10, 0x1B, 0x1E, 0x20, 0x21, 0x24, 0x33, 0x42, 0xD1, 0xD2, 0xEA})
_MPEG_SOUND: Final = frozenset({3, 4, 0x0F, 0x11, 0x1C, *range(0x80, 0x88), 0xA1, 0xA2})
_PRIVATE: Final = 6
_PRIVATE_PICTURES: Final = (b"\x05\x04HEVC", b"\x05\x04AV01", b"\x05\x04VC-1", b"\x05\x04drac", b"\x05\x04VVC ")
_OGG_PICTURES: Final = (b"\x80theora", b"\x80daala", b"OVP80", b"BBCD\0", b"KW-DIRAC\0", b"\x01video\0\0\0")
_NUT_STREAM: Final = bytes.fromhex("4e5311405bf2f9db")


class StreamEntry(NamedTuple):
    """What the map of a programme tells of one stream."""

    number: int
    code: int
    is_pictures: bool | None
    """None of what is neither pictures nor sound."""


def transport_moves(file: IO[bytes]) -> bool | None:
    """By the maps of programmes; of private streams, by the packets' numbers (ISO/IEC 13818-1, 2.4.4, table 2-22)."""
    tables = _Tables()
    mapped: set[int] = set()
    kinds: set[bool | None] = set()
    for packet in _transport_packets(read_at(file, 0, SOUGHT_BYTES)):
        section = tables.completed_map(packet)
        if section is not None:
            kinds |= {entry.is_pictures for entry in _stream_entries(section)}
            mapped.add(_number_of(packet))
        elif None in kinds:
            kinds.add(_kind_of_packet(_payload(packet)))
        if True in kinds or (False in kinds and not tables.maps - mapped):
            break
    return True if True in kinds else False if False in kinds else None


def pictures_in_transport(file: IO[bytes]) -> tuple[AbstractSet[StreamEntry], AbstractSet[StreamEntry]]:
    """Return the streams of pictures that the first maps of a transport stream tell, and others, or codes, that follow.

    Sixteen pieces are looked at that lie evenly, all of up to 16 MiB; what has no packets there is no further stream.
    """
    size_bytes = file.seek(0, os.SEEK_END)
    step = max(SOUGHT_BYTES, (size_bytes - SOUGHT_BYTES) // (_PIECES - 1))
    first: AbstractSet[StreamEntry] = set()
    later: AbstractSet[StreamEntry] = set()
    for start in range(0, size_bytes, step):
        tables, numbers, found = _Tables(), set(), set()
        for packet in _synchronized(read_at(file, start, SOUGHT_BYTES)):
            numbers.add(_number_of(packet))
            section = tables.completed_map(packet)
            entries = set() if section is None else {each for each in _stream_entries(section) if each.is_pictures}
            if not start and _number_of(packet) in tables.unread:
                first |= entries
            found |= entries
            tables.unread -= {_number_of(packet)} if section is not None else set()
        later |= {entry for entry in found - first if entry.number in numbers}
    return first, later


@dataclass(slots=True)
class _Tables:
    """The list of programmes and their maps, which packets hold in pieces."""

    maps: set[int] = field(default_factory=set)
    """Their numbers."""
    unread: set[int] = field(default_factory=set)
    """Of these, the ones in the first list that were not read yet."""
    sections: dict[int, bytes] = field(default_factory=dict)

    def completed_map(self, packet: bytes) -> bytes | None:
        """Return the map that a packet completes, without its check sum."""
        number = _number_of(packet)
        if number and number not in self.maps:
            return None
        section = self.sections[number] = _gathered(packet, self.sections.get(number, b""))
        length = int.from_bytes(section[1:3]) & 0xFFF
        if len(section) < length + 3 or length < 9:  # noqa: PLR2004 - what stands before its entries
            return None
        if number:
            return section[: length - 1]
        maps = {int.from_bytes(section[at + 2 : at + 4]) & 0x1FFF for at in range(8, length - 1, 4)} - {0}
        self.unread |= set() if self.maps else maps
        self.maps |= maps
        return None


def _number_of(packet: bytes) -> int:
    return int.from_bytes(packet[1:3]) & 0x1FFF


def _synchronized(content: bytes) -> Iterator[bytes]:
    """Yield packets from wherever they begin, and begin again where they end early."""
    at, size = 0, 0
    while at + _TS_BYTES <= len(content):
        if not size or content[at] != _TS_SYNC:
            at, size = _first_packet(content, at)
        if not size:
            return
        yield content[at : at + _TS_BYTES]
        at += size


def _first_packet(content: bytes, at: int) -> tuple[int, int]:
    """Return where the first of three packets begins, and how far it is to the next; 0 where there are none."""
    while (at := content.find(_TS_SYNC, at)) >= 0:
        for _, size in _TS_LAYOUTS:
            if content[at : at + 2 * size + 1 : size] == bytes([_TS_SYNC]) * 3:
                return at, size
        at += 1
    return len(content), 0


def _kind_of_packet(payload: bytes) -> bool | None:
    number = payload[3] if payload.startswith(b"\0\0\x01") and len(payload) > 3 else 0  # noqa: PLR2004 - its place
    return True if 0xE0 <= number <= 0xEF else False if 0xC0 <= number <= 0xDF else None  # noqa: PLR2004 - as the table


def _transport_packets(head: bytes) -> Iterator[bytes]:
    """Yield packets without what some put around them."""
    for first, size in _TS_LAYOUTS:
        if len(head) >= first + 3 * size and set(head[first : first + 3 * size : size]) == {_TS_SYNC}:
            yield from (head[at : at + _TS_BYTES] for at in range(first, len(head) - _TS_BYTES + 1, size))
            return


def _payload(packet: bytes) -> bytes:
    control = packet[3] >> 4 & 3
    return packet[(5 + packet[4] if control == 3 else 4) :] if control & 1 else b""  # noqa: PLR2004 - has a field before


def _gathered(packet: bytes, section: bytes) -> bytes:
    """Return what there is of a section with this packet."""
    payload = _payload(packet)
    if packet[1] & 0x40 and payload:
        return payload[1 + payload[0] :]
    return section + payload if section else b""


def _stream_entries(section: bytes) -> Iterator[StreamEntry]:
    at = 12 + (int.from_bytes(section[10:12]) & 0xFFF)
    while at + 5 <= len(section):
        kind, size = section[at], int.from_bytes(section[at + 3 : at + 5]) & 0xFFF
        described = section[at + 5 : at + 5 + size]
        if kind in _MPEG_PICTURES or (kind == _PRIVATE and any(mark in described for mark in _PRIVATE_PICTURES)):
            moves: bool | None = True
        else:
            moves = False if kind in _MPEG_SOUND or _is_private_sound(kind, described) else None
        yield StreamEntry(int.from_bytes(section[at + 1 : at + 3]) & 0x1FFF, kind, moves)
        at += 5 + size


def _is_private_sound(kind: int, described: bytes) -> bool:
    """AC-3, E-AC-3, DTS and AAC by their descriptors (ETSI EN 300 468, 6.1), others by how they are registered."""
    tags, at = set(), 0
    while at + 2 <= len(described):
        tags.add(described[at])
        at += 2 + described[at + 1]
    is_registered = any(b"\x05\x04" + mark in described for mark in (b"AC-3", b"EAC3", b"Opus", b"DTS", b"BSSD"))
    return kind == _PRIVATE and (is_registered or bool(tags & {0x6A, 0x7A, 0x7B, 0x7C}))


def program_moves(file: IO[bytes]) -> bool | None:
    """By the numbers of streams of the first packets (ISO/IEC 13818-1, table 2-22); one that is raw is pictures."""
    head = read_at(file, 0, SOUGHT_BYTES)
    at, sound = 0, False
    while (at := head.find(b"\0\0\x01", at)) >= 0 and at + 6 <= len(head):
        kind = head[at + 3]
        if kind == 0xB3 or 0xE0 <= kind <= 0xEF or kind == 0xFD:  # noqa: PLR2004 - numbers of the table
            return True
        sound |= 0xC0 <= kind <= 0xDF or kind == 0xBD  # noqa: PLR2004 - numbers of the table
        at += 4 if kind <= 0xBA else 6 + int.from_bytes(head[at + 4 : at + 6])  # noqa: PLR2004 - the last without a length
    return False if sound else None


def ogg_moves(file: IO[bytes]) -> bool | None:
    """By the first packet of each stream; all of these come before anything else (RFC 3533, section 4)."""
    at = 0
    for _ in range(MAX_PACKETS):
        page = read_at(file, at, 27 + 255)
        if not page.startswith(b"OggS") or len(page) < 27:  # noqa: PLR2004 - the header of a page
            return None
        if not page[5] & 2:
            return False
        content = at + 27 + page[26]
        if read_at(file, content, 16).startswith(_OGG_PICTURES):
            return True
        at = content + sum(page[27 : 27 + page[26]])
    return None


def flash_moves(file: IO[bytes]) -> bool | None:
    """By the first tags: what the header says of them is often wrong (FLV specification, annex E)."""
    at, sound = int.from_bytes(read_at(file, 5, 4)) + 4, False
    for _ in range(MAX_PACKETS):
        tag = read_at(file, at, 11)
        if len(tag) < 11:  # noqa: PLR2004 - the header of a tag
            is_end = not tag
            return False if sound and is_end else None
        if tag[0] & 0x1F == 9:  # noqa: PLR2004 - video
            return True
        sound |= tag[0] & 0x1F == 8  # noqa: PLR2004 - audio
        at += 15 + int.from_bytes(tag[1:4])
    return False if sound else None


def nut_moves(file: IO[bytes]) -> bool | None:
    """By the classes of streams, whose headers come first (NUT specification, stream_header)."""
    head = read_at(file, 0, SOUGHT_BYTES)
    kinds = set(islice(_nut_classes(head), MAX_PACKETS))
    return True if 0 in kinds else False if 1 in kinds else None


def _nut_classes(head: bytes) -> Iterator[int]:
    at = 0
    while (at := head.find(_NUT_STREAM, at)) >= 0:
        size, at = _nut_number(head, at + len(_NUT_STREAM))
        _, after = _nut_number(head, at + 4 if size > 4096 else at)  # noqa: PLR2004 - long headers have a checksum
        yield _nut_number(head, after)[0]


def _nut_number(head: bytes, at: int) -> tuple[int, int]:
    """Return a number of seven bits of each byte, and where it ends."""
    value = 0
    for place in range(at, min(at + 9, len(head))):
        value = value << 7 | head[place] & 0x7F
        if not head[place] & 0x80:
            return value, place + 1
    return value, len(head)
