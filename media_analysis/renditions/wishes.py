"""What is wanted to be seen of a file, and what a picture of that is called among those that are kept."""

from dataclasses import dataclass
from typing import Final

from media_analysis.media.options import PictureFormat, SinglePictureOptions

QUALITY: Final = 80
TALLEST: Final = 4
"""Times the width: what is taller shrinks further."""
MAX_HEIGHT: Final = 8_640


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureWish:
    """One picture of a file, no wider than so many pixels."""

    width: int
    at_seconds: float | None = None
    """From the first picture; None is one that stands for the whole file."""
    exact: bool = True

    @property
    def name(self) -> str:
        """What it is called among the pictures of its file; what is written differently has another name."""
        if self.at_seconds is None:
            return f"thumbnail-{self.width}"
        return f"{'frame' if self.exact else 'keyframe'}-{self.at_seconds:.6f}-{self.width}"

    def options(self) -> SinglePictureOptions:
        """Return it as the task takes it."""
        return SinglePictureOptions(
            at_seconds=self.at_seconds,
            exact=self.exact,
            format=PictureFormat.JPEG,
            quality=QUALITY,
            max_width=self.width,
            max_height=min(TALLEST * self.width, MAX_HEIGHT),
        )
