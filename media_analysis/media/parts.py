"""Boxes of MP4 and its kin and elements of Matroska: what files are made of, one inside the other."""

from collections.abc import Callable, Iterator
from typing import IO, Final, NamedTuple

from media_analysis.media.reading import read_at

MAX_PARTS: Final = 1_000
"""Boxes, elements or chunks of one level that are looked at."""
ENDLESS: Final = 2**63
"""Where a part ends that does not say so."""
EBML: Final = b"\x1a\x45\xdf\xa3"
SEGMENT: Final = b"\x18\x53\x80\x67"
TRACKS: Final = b"\x16\x54\xae\x6b"
TRACK: Final = b"\xae"
_BOX_BYTES: Final = 16
_MOST_NUMBER_BYTES: Final = 8


class Part(NamedTuple):
    """A box, element or chunk: its name, and where its content lies."""

    name: bytes
    start: int
    end: int


WHOLE: Final = Part(b"", 0, ENDLESS)
"""A file, whatever its size."""
Walk = Callable[[IO[bytes], int, int], Iterator[Part]]


def find(file: IO[bytes], walk: Walk, within: Part, *path: bytes) -> Iterator[Part]:
    """Yield the parts that lie below one along a path of names."""
    for part in walk(file, within.start, within.end):
        if part.name == path[0] and len(path) == 1:
            yield part
        elif part.name == path[0]:
            yield from find(file, walk, part, *path[1:])


def boxes(file: IO[bytes], start: int, end: int) -> Iterator[Part]:
    """Source: ISO/IEC 14496-12, section 4.2."""
    for _ in range(MAX_PARTS):
        header = read_at(file, start, min(_BOX_BYTES, end - start))
        length, content = int.from_bytes(header[:4]), start + 8
        if length == 1:
            length, content = int.from_bytes(header[8:16]), start + _BOX_BYTES
        stop = start + length if length else end
        if len(header) < 8 or stop < content:  # noqa: PLR2004 - a length and a name
            return
        yield Part(header[4:8], content, min(stop, end))
        start = stop


def elements(file: IO[bytes], start: int, end: int) -> Iterator[Part]:
    """Source: RFC 8794, section 4."""
    for _ in range(MAX_PARTS):
        header = read_at(file, start, min(12, end - start))
        name_bytes = 9 - header[0].bit_length() if header and header[0] else 0
        size = header[name_bytes : name_bytes + 8]
        if not 0 < name_bytes <= 4 or not size or not size[0]:  # noqa: PLR2004 - names have at most four bytes
            return
        size_bytes = 9 - size[0].bit_length()
        unsaid = (1 << 7 * size_bytes) - 1
        length = int.from_bytes(size[:size_bytes]) & unsaid
        content = start + name_bytes + size_bytes
        stop = end if length == unsaid else content + length
        yield Part(header[:name_bytes], content, min(stop, end))
        start = stop


def number_in(file: IO[bytes], part: Part) -> int:
    """Return the number that is a part's content, of which eight bytes are looked at."""
    return int.from_bytes(read_at(file, part.start, min(part.end - part.start, _MOST_NUMBER_BYTES)))
