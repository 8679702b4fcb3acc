"""Whether a JPEG is the first picture of a film that is JPEGs one behind the other."""

import re
from typing import IO, Final, NamedTuple

from media_analysis.media.reading import read_at

_START: Final = b"\xff\xd8"
_END: Final = re.compile(b"\xff\xd9")
"""Found in half the time that `bytes.find` takes, for every other end of scanned bytes looks like its beginning."""
_SCAN: Final = 0xDA
_FRAMES: Final = frozenset({0xC0, 0xC1, 0xC2})
_APPLICATION_2: Final = 0xE2
_MULTI_PICTURE: Final = b"MPF\0"
_MOST_SEGMENTS: Final = 1_000
_CHUNK_BYTES: Final = 2**16
_MOST_CHUNKS: Final = 128
"""So much of one picture is looked through for its end: 8 MiB, more than pictures of films have."""


class _Head(NamedTuple):
    """What stands before the scans of a JPEG."""

    size: bytes
    """Height and width, as they are stored."""
    stop: int
    is_multi_picture: bool


def moves_on(file: IO[bytes]) -> bool | None:
    """Return whether a JPEG is directly followed by one of the same size; None where what there is does not tell.

    Cameras store previews and further pictures behind a JPEG too: smaller ones, or such that its directory (CIPA
    DC-007) tells of. These are no film.
    """
    first = _head(file, 0)
    if first is None:
        return None
    if first.is_multi_picture:
        return False
    end = _end(file, first.stop)
    if end is None:
        return None
    start = read_at(file, end, len(_START))
    if start != _START:
        return None if len(start) < len(_START) else False
    second = _head(file, end)
    return None if second is None else second.size == first.size


def _head(file: IO[bytes], at: int) -> _Head | None:
    """Read segments to the first scan; None where they are out of order or end (ITU-T T.81, annex B)."""
    size, is_multi_picture = b"", False
    at += len(_START)
    for _ in range(_MOST_SEGMENTS):
        header = read_at(file, at, 9)
        if len(header) < 4 or header[0] != 0xFF:  # noqa: PLR2004 - marker and length
            return None
        if header[1] == 0xFF:  # noqa: PLR2004 - filling
            at += 1
            continue
        if header[1] == _SCAN:
            return _Head(size, at, is_multi_picture)
        if header[1] in _FRAMES:
            size = header[5:9]
        is_multi_picture |= header[1] == _APPLICATION_2 and header[4:8] == _MULTI_PICTURE
        at += 2 + int.from_bytes(header[2:4])
    return None


def _end(file: IO[bytes], at: int) -> int | None:
    """Return where a picture ends whose scans begin here: within them, the mark of its end stands nowhere else."""
    for _ in range(_MOST_CHUNKS):
        chunk = read_at(file, at, _CHUNK_BYTES)
        if found := _END.search(chunk):
            return at + found.end()
        if len(chunk) < _CHUNK_BYTES:
            return None
        at += len(chunk) - 1
    return None
