"""How stored pixels are set upright: mirrored left to right where needed, then turned clockwise."""

import math
import struct
from dataclasses import dataclass
from typing import Final, Self, cast

from av.sidedata.sidedata import SideDataContainer, Type
from av.video.frame import VideoFrame
from PIL import Image

_MATRIX: Final = struct.Struct("=9i")
_QUARTER: Final = 90
_EXIF: Final = {
    1: (0, False),
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (270, True),
    6: (90, False),
    7: (90, True),
    8: (270, False),
}
"""CIPA DC-008, tag Orientation."""
_TRANSPOSES: Final = {
    (90, False): Image.Transpose.ROTATE_270,
    (180, False): Image.Transpose.ROTATE_180,
    (270, False): Image.Transpose.ROTATE_90,
    (0, True): Image.Transpose.FLIP_LEFT_RIGHT,
    (90, True): Image.Transpose.TRANSVERSE,
    (180, True): Image.Transpose.FLIP_TOP_BOTTOM,
    (270, True): Image.Transpose.TRANSPOSE,
}
"""Pillow turns counterclockwise."""


@dataclass(frozen=True, slots=True)
class Orientation:
    """What a player does to stored pixels before it shows them."""

    degrees: int = 0
    """Clockwise: 0, 90, 180 or 270."""
    mirrored: bool = False
    """Left to right, before the turn."""

    @classmethod
    def of_frame(cls, frame: VideoFrame) -> Self:
        """Read a decoded frame's display matrix; a turn between quarters becomes the nearest one."""
        try:
            matrix = bytes(cast("SideDataContainer", frame.side_data)[Type.DISPLAYMATRIX])
        except KeyError:
            return cls()
        except ValueError:  # PyAV lists no side data at all where it does not know one of them
            return cls(round(-frame.rotation / _QUARTER) * _QUARTER % 360)
        if len(matrix) != _MATRIX.size:
            return cls()
        a, b, _, c, d, *_ = _MATRIX.unpack(matrix)
        mirrored = a * d - b * c < 0
        angle = math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
        return cls(round(angle / _QUARTER) * _QUARTER % 360, mirrored)

    @classmethod
    def of_exif(cls, value: object) -> Self:
        """Read EXIF's number; anything else than 1 to 8 is upright."""
        return cls(*_EXIF.get(value, (0, False))) if isinstance(value, int) else cls()

    @property
    def sideways(self) -> bool:
        """Whether width and height change places."""
        return self.degrees % 180 != 0

    @property
    def transpose(self) -> Image.Transpose | None:
        """What `Image.transpose` must do, None where pixels stand upright already."""
        return _TRANSPOSES.get((self.degrees, self.mirrored))
