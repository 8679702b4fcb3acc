"""Where scenes begin: frames much of whose area looks different from the frame before."""

from dataclasses import dataclass, field
from typing import Final

from PIL import Image, ImageChops

SIDE: Final = 32
"""A frame is judged by so many cells across and down, each the average of its pixels."""
_DIFFERENT: Final = 20
"""Of 255, in red, green or blue: less than this is noise, or a lamp that flickers."""


@dataclass(slots=True)
class CutDetector:
    """Tells the first frame of each scene, frames given in time order.

    The measure: the share of the cells of a 32 x 32 grid in which red, green or blue, averaged over the cell, changed
    by 20 of 255 or more since the frame before. A cut is 0.5 to 1, a talking head below 0.1, a fast pan around 0.3;
    fades are too slow to be seen.
    """

    threshold: float
    _last: Image.Image | None = field(default=None, init=False)

    def begins_scene(self, cells: Image.Image) -> bool:
        """Return whether this frame, shrunk to `SIDE` x `SIDE` RGB, begins a scene; the first one always does."""
        last, self._last = self._last, cells
        return last is None or changed_share(last, cells) >= self.threshold


def changed_share(before: Image.Image, after: Image.Image) -> float:
    """Return the share of cells, 0 to 1, that look different."""
    red, green, blue = ImageChops.difference(before, after).split()
    largest = ImageChops.lighter(ImageChops.lighter(red, green), blue)
    return sum(largest.histogram()[_DIFFERENT:]) / (largest.width * largest.height)
