"""Frames of images: one picture, or those of an animation."""

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

from PIL import Image, ImageFile

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.films.timeline import TOLERANCE
from media_analysis.media.options import Limits
from media_analysis.media.reading import open_unwaiting
from media_analysis.media.stills.apng import composed, is_composed
from media_analysis.media.stills.images import decoding, frame_count, load_frame, open_image, pages_in
from media_analysis.media.wholeness import is_truncated

MAX_ANIMATED_PIXELS: Final = 2**36
"""Of all frames of an animation, which take minutes to decode; frames may be tiny in a file."""
_ANIMATED: Final = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
"""Formats whose frames follow each other in time; the pages of a TIFF do not."""
_DECODED_BIT_BY_BIT: Final = frozenset({"JPEG", "MPO", "PNG", "BMP"})
_BLOCK: Final = 8
_TOO_SHORT_MILLISECONDS: Final = 10
_UNSAID_MILLISECONDS: Final = 100
"""What browsers make of a frame that is shown for no time, or for so short a one."""


@dataclass(frozen=True, slots=True)
class Animation:
    """When the frames of an image are shown, in seconds; a picture that does not move has one, at 0, as has a page."""

    starts: Sequence[float]
    duration_seconds: float
    broken: bool = False
    """Whether there are frames behind these that cannot be read."""
    pages: Sequence[int] = ()
    """Where the directories of several pages stand."""

    def number_at(self, seconds: float) -> int:
        """Return the number of the frame shown at an instant."""
        return max(0, bisect_right(self.starts, seconds + float(TOLERANCE)) - 1)


def read_animation(path: Path, limits: Limits) -> Animation:
    """Read when each frame is shown, decoding all of them where there are several.

    Raises:
        MediaLimitPassed: there are more frames than `limits.max_packets`, or they have too many pixels together.

    """
    with open_image(path, limits) as image:
        pages = pages_in(image)
        if len(pages.offsets) > 1:
            return Animation([0.0] * len(pages.offsets), 0.0, broken=pages.broken, pages=pages.offsets)
        frames = frame_count(image) if image.format in _ANIMATED else 1
        if frames > limits.max_packets:
            raise MediaLimitPassed("frames", found=frames, allowed=limits.max_packets)
        if frames > 1 and frames * image.width * image.height > MAX_ANIMATED_PIXELS:
            found = frames * image.width * image.height
            raise MediaLimitPassed("pixels_of_all_frames", found=found, allowed=MAX_ANIMATED_PIXELS)
        if frames == 1 and not is_composed(image):
            return Animation([0.0], 0.0, broken=pages.broken)
        shown = list(_milliseconds(path, image, frames, limits))
        if not shown:
            return Animation([0.0], 0.0, broken=True)
        ends = list(accumulate(shown))
        return Animation([0.0, *(end / 1000 for end in ends[:-1])], ends[-1] / 1000, broken=len(shown) < frames)


def still_frames(
    path: Path,
    limits: Limits,
    wanted: Sequence[int],
    *,
    opened: Callable[[Image.Image], None] = lambda _: None,
    salvaged: Callable[[], None] = lambda: None,
) -> Iterator[Image.Image]:
    """Yield the frames of these numbers, which ascend, as stored; each may be looked at until the next one.

    What is `opened` may still be told how it is to be decoded. Where not even the first can be decoded whole, what
    decodes of it is the only one, and `salvaged` is called.
    """
    given = 0
    try:
        with open_image(path, limits) as image:
            opened(image)
            for frame in _decoded(path, image, limits, wanted):
                yield frame
                given += 1
    except CorruptMedia:
        if given:
            raise
        with open_image(path, limits, leniently=True) as image:
            only_its_end_lacks = is_truncated(path) and _holds_pixels(image, path)
            if _is_plain(load_frame(image, limits)) and not only_its_end_lacks:
                raise
            salvaged()
            yield image


def page_frames(
    path: Path,
    limits: Limits,
    pages: Sequence[int],
    wanted: Sequence[int],
    *,
    damaged: Callable[[str], None] = lambda _: None,
) -> Iterator[Image.Image | None]:
    """Yield the pages of these numbers, from 0, as stored; each may be looked at until the next one.

    None stands for a page that cannot be read; in the end `damaged` is told how many they were, and of the first.

    Raises:
        CorruptMedia, UnsupportedMedia: none of them can be read.
        MediaLimitPassed: a page has more pixels than `limits.max_pixels`.

    """
    failures: list[CorruptMedia | UnsupportedMedia] = []
    for number in wanted:
        try:
            with open_image(path, limits, page=pages[number]) as image:
                yield load_frame(image, limits)
        except (CorruptMedia, UnsupportedMedia) as error:
            failures.append(type(error)(f"page {number + 1} of {len(pages)}: {error}"))
            yield None
    if len(failures) == len(wanted):
        raise failures[0]
    if failures:
        damaged(f"{len(failures)} of {len(wanted)} pages cannot be read; {failures[0]}")


def _holds_pixels(image: Image.Image, path: Path) -> bool:
    """Whether there is so much behind the header that all of a picture of one colour may have been decoded.

    No JPEG takes less than two bits for a block (ITU-T T.81, annex F.1.2); decoders fill up what breaks off with what
    may be that colour. Those of GIF need whole blocks of codes.
    """
    if image.format not in _DECODED_BIT_BY_BIT or not isinstance(image, ImageFile.ImageFile) or image.fp is None:
        return False
    start = max(image.fp.tell(), *(tile.offset for tile in image.tile))
    blocks = -(-image.width // _BLOCK) * -(-image.height // _BLOCK)
    return 4 * (path.stat().st_size - start) >= blocks


def _is_plain(image: Image.Image) -> bool:
    """Whether all pixels are alike, as where a decoder filled up what it could not decode."""
    ranges = image.getextrema()
    bands = ranges if isinstance(ranges[0], tuple) else (ranges,)
    return all(low == high for low, high in bands)


def _milliseconds(path: Path, image: Image.Image, frames: int, limits: Limits) -> Iterator[float]:
    try:
        for frame in _decoded(path, image, limits, range(frames)):
            told = float(frame.info.get("duration") or 0)
            yield told if told > _TOO_SHORT_MILLISECONDS else _UNSAID_MILLISECONDS
    except CorruptMedia:
        return


def _decoded(path: Path, image: Image.Image, limits: Limits, wanted: Sequence[int]) -> Iterator[Image.Image]:
    if not is_composed(image):
        for number in wanted:
            yield load_frame(image, limits, frame=number)
        return
    last, chosen = max(wanted), frozenset(wanted)
    with open_unwaiting(path) as file, decoding("animation"):
        for number, frame in enumerate(composed(file, load_frame(image, limits), limits)):
            if number in chosen:
                yield frame
            if number == last:
                return
    raise CorruptMedia("the animation ends before its last frame")
