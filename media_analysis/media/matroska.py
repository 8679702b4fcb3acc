"""What of a Matroska file no library tells: which borders of its pictures are not to be shown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final

from av.video.stream import VideoStream

from media_analysis.media.reading import open_unwaiting, read_at

EBML: Final = b"\x1a\x45\xdf\xa3"
SEGMENT: Final = 0x18538067
_TRACKS: Final = 0x1654AE6B
_CLUSTER: Final = 0x1F43B675
_TRACK: Final = 0xAE
_KIND: Final = 0x83
_VIDEO_KIND: Final = 1
_VIDEO: Final = 0xE0
_BOTTOM, _TOP, _LEFT, _RIGHT = 0x54AA, 0x54BB, 0x54CC, 0x54DD
_MOST_ELEMENTS: Final = 100
"""Before the tracks, of the segment."""
_MOST_BYTES: Final = 2**20
"""Of all tracks."""


@dataclass(frozen=True, slots=True)
class Crop:
    """Borders of stored pictures that are not shown, in pixels."""

    top: int = 0
    bottom: int = 0
    left: int = 0
    right: int = 0

    def within(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return what is shown of pictures of this size, all of it where nothing would be left."""
        width, height = size[0] - self.left - self.right, size[1] - self.top - self.bottom
        return (width, height) if width > 0 and height > 0 else size

    def box(self, size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Return left, upper, right and lower edge of what is shown of pictures of this size."""
        width, height = self.within(size)
        left, top = (self.left, self.top) if (width, height) != size else (0, 0)
        return left, top, left + width, top + height


UNCROPPED: Final = Crop()


def crop_of(path: Path, stream: VideoStream) -> Crop:
    """Return the borders of a stream of a file."""
    place = [each.index for each in stream.container.streams.video].index(stream.index)
    return next(islice(crops_in(path), place, None), UNCROPPED)


def crops_in(path: Path) -> Sequence[Crop]:
    """Return the borders of each video track, in the order of tracks; none of what is no Matroska.

    Source: RFC 9559, section 5.1.4.1.28.
    """
    with open_unwaiting(path) as file:
        if file.read(len(EBML)) != EBML:
            return []
        tracks = _tracks(file)
    entries = (dict(_elements(entry)) for number, entry in _elements(tracks) if number == _TRACK)
    return [_crop_of(dict(_elements(entry.get(_VIDEO, b"")))) for entry in entries if _is_video(entry)]


def variable_integer(head: bytes, at: int) -> tuple[int | None, int]:
    """Return a variable-length integer, None where all its bits say unknown, and where it ends.

    Source: RFC 8794, section 4.
    """
    first = head[at] if at < len(head) else 0
    if first == 0:
        return None, at
    width = 9 - first.bit_length()
    value = int.from_bytes(head[at : at + width]) & ((1 << 7 * width) - 1)
    return (None if value == (1 << 7 * width) - 1 else value), at + width


def _tracks(file: IO[bytes]) -> bytes:
    """Return the content of the tracks, where they stand before all pictures."""
    position = 0
    for _ in range(_MOST_ELEMENTS):
        number, length, start = _header(read_at(file, position, 16), 0)
        if number == SEGMENT:
            position += start
        elif number == _TRACKS:
            return read_at(file, position + start, min(length or 0, _MOST_BYTES))
        elif number in {None, _CLUSTER} or length is None:
            break
        else:
            position += start + length
    return b""


def _elements(content: bytes) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at < len(content):
        number, length, start = _header(content, at)
        if number is None or length is None:
            return
        yield number, content[start : start + length]
        at = start + length


def _header(content: bytes, at: int) -> tuple[int | None, int | None, int]:
    """Return the number of an element, its length if known, and where its content starts."""
    _, end = variable_integer(content, at)
    if end == at:
        return None, None, at
    length, start = variable_integer(content, end)
    return int.from_bytes(content[at:end]), length if start > end else None, start


def _is_video(entry: Mapping[int, bytes]) -> bool:
    return int.from_bytes(entry.get(_KIND, b"")) == _VIDEO_KIND


def _crop_of(video: Mapping[int, bytes]) -> Crop:
    top, bottom, left, right = (int.from_bytes(video.get(each, b"")) for each in (_TOP, _BOTTOM, _LEFT, _RIGHT))
    return Crop(top=top, bottom=bottom, left=left, right=right)
