"""What of a Matroska file no library tells: which borders of its pictures are not to be shown."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import IO, Final

from av.video.stream import VideoStream

from media_analysis.media.parts import EBML, ENDLESS, SEGMENT, TRACK, TRACKS, WHOLE, Part, elements, find, number_in
from media_analysis.media.reading import open_unwaiting

_CLUSTER: Final = b"\x1f\x43\xb6\x75"
_KIND: Final = b"\x83"
_VIDEO_KIND: Final = 1
_VIDEO: Final = b"\xe0"
_BORDERS: Final = {b"\x54\xbb": "top", b"\x54\xaa": "bottom", b"\x54\xcc": "left", b"\x54\xdd": "right"}


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
        head = next(elements(file, 0, ENDLESS), None)
        if head is None or head.name != EBML:
            return []
        tracks = find(file, _before_pictures, WHOLE, SEGMENT, TRACKS)
        entries = [entry for each in islice(tracks, 1) for entry in find(file, elements, each, TRACK)]
        return [_crop_of(file, entry) for entry in entries if _is_video(file, entry)]


def _before_pictures(file: IO[bytes], start: int, end: int) -> Iterator[Part]:
    return takewhile(lambda part: part.name != _CLUSTER, elements(file, start, end))


def _is_video(file: IO[bytes], entry: Part) -> bool:
    return any(number_in(file, kind) == _VIDEO_KIND for kind in find(file, elements, entry, _KIND))


def _crop_of(file: IO[bytes], entry: Part) -> Crop:
    video = [part for each in find(file, elements, entry, _VIDEO) for part in elements(file, each.start, each.end)]
    return Crop(**{_BORDERS[part.name]: number_in(file, part) for part in video if part.name in _BORDERS})
