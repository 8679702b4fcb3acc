"""Frames of images: one picture, or those of an animation."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Final

from PIL import Image

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed
from media_analysis.media.images import frame_count, load_frame, open_image
from media_analysis.media.options import Limits
from media_analysis.media.timeline import TOLERANCE

_ANIMATED: Final = frozenset({"GIF", "WEBP", "PNG", "AVIF"})
"""Formats whose frames follow each other in time; the pages of a TIFF do not."""
_UNSAID_MILLISECONDS: Final = 100
"""What browsers make of a frame that is shown for no time."""


@dataclass(frozen=True, slots=True)
class Animation:
    """When the frames of an image are shown, in seconds; a picture that does not move has one, at 0."""

    starts: Sequence[float]
    duration_seconds: float
    broken: bool = False
    """Whether there are frames behind these that cannot be read."""

    def number_at(self, seconds: float) -> int:
        """Return the number of the frame shown at an instant."""
        return max(0, bisect_right(self.starts, seconds + float(TOLERANCE)) - 1)


def read_animation(path: Path, limits: Limits) -> Animation:
    """Read when each frame is shown, decoding all of them where there are several.

    Raises:
        MediaLimitPassed: there are more frames than `limits.max_packets`.

    """
    with open_image(path, limits) as image:
        frames = frame_count(image) if image.format in _ANIMATED else 1
        if frames > limits.max_packets:
            raise MediaLimitPassed("frames", found=frames, allowed=limits.max_packets)
        if frames == 1:
            return Animation([0.0], 0.0)
        shown = list(_milliseconds(image, frames, limits))
        ends = list(accumulate(shown))
        return Animation([0.0, *(end / 1000 for end in ends[:-1])], ends[-1] / 1000, broken=len(shown) < frames)


def still_frames(path: Path, limits: Limits, wanted: Sequence[int]) -> Iterator[Image.Image]:
    """Yield the frames of these numbers, which ascend, as stored; each may be looked at until the next one."""
    with open_image(path, limits) as image:
        for number in wanted:
            yield load_frame(image, limits, frame=number)


def _milliseconds(image: Image.Image, frames: int, limits: Limits) -> Iterator[float]:
    for number in range(frames):
        try:
            load_frame(image, limits, frame=number)
        except CorruptMedia:
            if number == 0:
                raise
            return
        yield float(image.info.get("duration") or _UNSAID_MILLISECONDS)
