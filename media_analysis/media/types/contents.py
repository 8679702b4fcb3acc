"""What containers hold, by what they say of it wherever in the file: pictures that move, or sound alone."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import IO, Final, Literal

from media_analysis.media.parts import (
    ENDLESS,
    MAX_PARTS,
    SEGMENT,
    TRACK,
    TRACKS,
    WHOLE,
    Part,
    boxes,
    elements,
    find,
    number_in,
)
from media_analysis.media.reading import read_at
from media_analysis.media.types.jpeg_series import moves_on
from media_analysis.media.types.known import with_family
from media_analysis.media.types.multiplexes import flash_moves, nut_moves, ogg_moves, program_moves, transport_moves
from media_analysis.media.types.signatures import MXF_PARTITION

ASF_HEADER: Final = bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c")
_ASF_STREAM: Final = bytes.fromhex("9107dcb7b7a9cf118ee600c00c205365")
_ASF_VIDEO: Final = bytes.fromhex("c0ef19bc4d5bcf11a8fd00805f5c442b")
_ASF_AUDIO: Final = bytes.fromhex("409e69f84d5bcf11a8fd00805f5c442b")
_MXF_RUN_IN: Final = 64 * 2**10
_MXF_SET: Final = bytes.fromhex("060e2b34025301010d0101010101")
_MXF_ESSENCE: Final = bytes.fromhex("060e2b34010201010d010301")
_MXF_PICTURES: Final = frozenset({0x27, 0x28, 0x29, 0x51})
_MXF_SOUND: Final = frozenset({0x42, 0x47, 0x48})
_SEEK_HEAD: Final = b"\x11\x4d\x9b\x74"
_SEEK: Final = b"\x4d\xbb"
_SEEK_ID: Final = b"\x53\xab"
_SEEK_POSITION: Final = b"\x53\xac"
_TRACK_TYPE: Final = b"\x83"


def tells_contents(media_type: str) -> bool:
    """Return whether files of this type may hold pictures that move or sound alone, and say which."""
    return with_family(media_type, moves=True) in _LOOKS


def holds_pictures(file: IO[bytes], media_type: str) -> bool | None:
    """Return whether a container holds pictures that move; None where what there is of the file does not tell.

    Reads little of it, wherever that lies: at most a thousand parts of each level, and 1 MiB of what has no directory.
    """
    look = _LOOKS.get(with_family(media_type, moves=True))
    return None if look is None else look(file)


def _judged(kinds: set[bytes], pictures: bytes, sound: bytes) -> bool | None:
    return True if pictures in kinds else False if sound in kinds else None


def _movie_moves(file: IO[bytes]) -> bool | None:
    """By the handlers of tracks, but those that illustrate chapters (ISO/IEC 14496-12, 8.3.3 and 8.4.3)."""
    movie = next(find(file, boxes, WHOLE, b"moov"), None)
    if movie is None:
        return None
    kinds: dict[bytes, bytes] = {}
    chapters: set[bytes] = set()
    for track in find(file, boxes, movie, b"trak"):
        for named in find(file, boxes, track, b"tref", b"chap"):
            ids = read_at(file, named.start, min(named.end - named.start, 400))
            chapters |= {ids[at : at + 4] for at in range(0, len(ids), 4)}
        header = next(find(file, boxes, track, b"tkhd"), track)
        number = read_at(file, header.start + (20 if read_at(file, header.start, 1) == b"\x01" else 12), 4)
        for handler in find(file, boxes, track, b"mdia", b"hdlr"):
            kinds[number] = read_at(file, handler.start + 8, 4)
    return _judged({kind for number, kind in kinds.items() if number not in chapters}, b"vide", b"soun")


def _matroska_moves(file: IO[bytes]) -> bool | None:
    """By the types of tracks, of which a directory says where they lie (RFC 9559, 5.1.1 and 5.1.4.1.3)."""
    for segment in find(file, elements, WHOLE, SEGMENT):
        for part in elements(file, segment.start, segment.end):
            tracks = part if part.name == TRACKS else _sought(file, segment, part)
            if tracks is not None:
                kinds = find(file, elements, tracks, TRACK, _TRACK_TYPE)
                return _judged({read_at(file, kind.end - 1, 1) for kind in kinds}, b"\x01", b"\x02")
    return None


def _sought(file: IO[bytes], segment: Part, part: Part) -> Part | None:
    """Return the tracks where a directory says that they are."""
    for seek in find(file, elements, part, _SEEK) if part.name == _SEEK_HEAD else ():
        told = {each.name: number_in(file, each) for each in elements(file, seek.start, seek.end)}
        if told.get(_SEEK_ID) == int.from_bytes(TRACKS):
            at = segment.start + told.get(_SEEK_POSITION, 0)
            found = next(elements(file, at, segment.end), None)
            return found if found is not None and found.name == TRACKS else None
    return None


def _chunks(file: IO[bytes], start: int, end: int) -> Iterator[Part]:
    """Chunks of RIFF; a list is called by its form."""
    for _ in range(MAX_PARTS):
        header = read_at(file, start, min(12, end - start))
        if len(header) < 8:  # noqa: PLR2004 - a name and a length
            return
        content, stop = start + 8, start + 8 + int.from_bytes(header[4:8], "little")
        is_list = header[:4] in {b"RIFF", b"LIST"}
        yield Part(header[8:12], content + 4, min(stop, end)) if is_list else Part(header[:4], content, min(stop, end))
        start = stop + stop % 2


def _avi_moves(file: IO[bytes]) -> bool | None:
    """By the stream headers; DV holds both (AVI RIFF file reference)."""
    for headers in find(file, _chunks, WHOLE, b"AVI ", b"hdrl"):
        kinds = {read_at(file, header.start, 4) for header in find(file, _chunks, headers, b"strl", b"strh")}
        return b"iavs" in kinds or _judged(kinds, b"vids", b"auds")
    return None


def _objects(name_bytes: int, order: Literal["little", "big"], file: IO[bytes], start: int, end: int) -> Iterator[Part]:
    """What begins with its name and a length that counts both: objects of ASF, chunks of RealMedia."""
    size_bytes = name_bytes // 2 if order == "little" else name_bytes
    for _ in range(MAX_PARTS):
        header = read_at(file, start, min(name_bytes + size_bytes, end - start))
        length = int.from_bytes(header[name_bytes:], order)
        if length < name_bytes + size_bytes:
            return
        yield Part(header[:name_bytes], start + name_bytes + size_bytes, min(start + length, end))
        start += length


def _asf_moves(file: IO[bytes]) -> bool | None:
    """By the types of streams (ASF specification, sections 3.1, 3.3 and 10.4)."""
    walk = partial(_objects, 16, "little")
    for header in walk(file, 0, ENDLESS):
        if header.name == ASF_HEADER:
            inner = header._replace(start=header.start + 6)
            kinds = {read_at(file, stream.start, 16) for stream in find(file, walk, inner, _ASF_STREAM)}
            return _judged(kinds, _ASF_VIDEO, _ASF_AUDIO)
    return None


def _real_moves(file: IO[bytes]) -> bool | None:
    """By the media types of streams, of which all are told before the packets."""
    sound = False
    for part in _objects(4, "big", file, 0, ENDLESS):
        told = read_at(file, part.start, min(part.end - part.start, 600)) if part.name == b"MDPR" else b""
        if b"video/x-pn-realvideo" in told:
            return True
        sound |= b"audio/x-pn-realaudio" in told
        if part.name == b"DATA":
            return False if sound else None
    return None


def _sets(file: IO[bytes], start: int, end: int) -> Iterator[Part]:
    """Keys, lengths and values (SMPTE ST 336)."""
    for _ in range(MAX_PARTS):
        header = read_at(file, start, min(25, end - start))
        if len(header) < 17:  # noqa: PLR2004 - a key and a length
            return
        more = header[16] & 0x7F if header[16] & 0x80 else 0
        length = int.from_bytes(header[17 : 17 + more]) if more else header[16]
        content = start + 17 + more
        yield Part(header[:16], content, min(content + length, end))
        start = content + length


def _mxf_moves(file: IO[bytes]) -> bool | None:
    """By the descriptors of essence in the header, which may have a run-in (SMPTE ST 377-1, 6.5 and annex F)."""
    start = read_at(file, 0, _MXF_RUN_IN + len(MXF_PARTITION)).find(MXF_PARTITION)
    sound = False
    for part in _sets(file, start, ENDLESS) if start >= 0 else ():
        kind = part.name[14] if part.name.startswith(_MXF_SET) else 0
        if kind in _MXF_PICTURES:
            return True
        sound |= kind in _MXF_SOUND
        if part.name.startswith(_MXF_ESSENCE):
            return False if sound else None
    return None


_LOOKS: Final[Mapping[str, Callable[[IO[bytes]], bool | None]]] = {
    "application/mxf": _mxf_moves,
    "application/vnd.rn-realmedia": _real_moves,
    "video/3gpp": _movie_moves,
    "video/3gpp2": _movie_moves,
    "video/mp2t": transport_moves,
    "video/mp4": _movie_moves,
    "video/mpeg": program_moves,
    "video/ogg": ogg_moves,
    "video/quicktime": _movie_moves,
    "video/webm": _matroska_moves,
    "video/x-flv": flash_moves,
    "video/x-matroska": _matroska_moves,
    "video/x-motion-jpeg": moves_on,
    "video/x-ms-wmv": _asf_moves,
    "video/x-msvideo": _avi_moves,
    "video/x-nut": nut_moves,
}
"""By what they are called where pictures move."""
