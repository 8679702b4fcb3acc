"""Colour profiles (ICC.1, version 4) made from primaries and a curve, for the colours of standard range."""

import struct
from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Final, cast

from PIL import Image, ImageCms

from media_analysis.media.colours.primaries import BT709, CHROMATICITIES, Chromaticities, to_d50

Curve = tuple[float, float, float, float, float]
Space = tuple[Chromaticities, Curve]
FILM_CURVE: Final[Curve] = (2.4, 1.0, 0.0, 0.08**1.4, 0.08)
"""Of a screen that shows film (ITU-R BT.1886), straight below 20 of 255, where else a trace of light would count."""
SRGB_CURVE: Final[Curve] = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
"""IEC 61966-2-1. Both are the g, a, b, c and d of parametricCurveType, function 3."""
_MODES: Final = ("RGB", "RGBX", "RGBA")
_HEADER_BYTES: Final = 128
_ENTRY_BYTES: Final = 12


def to_bt709_by_profile(primaries: int, curve: Curve) -> Callable[[Image.Image], Image.Image]:
    """Return what changes the primaries of RGB, RGBX or RGBA to BT.709's; greys stay what they are."""
    return between_profiles((CHROMATICITIES[primaries], curve), (CHROMATICITIES[BT709], curve))


def between_profiles(here: Space, there: Space) -> Callable[[Image.Image], Image.Image]:
    """Return what makes RGB, RGBX or RGBA of one space that of another, relative colorimetric.

    Raises:
        ZeroDivisionError: primaries lie on one line, or a point has no y.
        PyCMSError, OSError, ValueError, struct.error: no profile can be made of them.

    """
    source, target = (ImageCms.ImageCmsProfile(BytesIO(_matrix_profile(*space))) for space in (here, there))
    intent = ImageCms.Intent.RELATIVE_COLORIMETRIC
    transforms = {mode: ImageCms.buildTransform(source, target, mode, mode, intent) for mode in _MODES}

    def changed(image: Image.Image) -> Image.Image:
        return cast("Image.Image", ImageCms.applyTransform(image, transforms[image.mode]))

    return changed


def _matrix_profile(points: Chromaticities, curve: Curve) -> bytes:
    columns = zip(*to_d50(points), strict=True)
    tags = {name: b"XYZ " + _fixed((0, *column)) for name, column in zip((b"r", b"g", b"b"), columns, strict=True)}
    response = struct.pack(">4sIHH", b"para", 0, 3, 0) + _fixed(curve)
    named = {name + b"XYZ": content for name, content in tags.items()} | {name + b"TRC": response for name in tags}
    return _assembled(named)


def _assembled(tags: dict[bytes, bytes]) -> bytes:
    place = _HEADER_BYTES + 4 + _ENTRY_BYTES * len(tags)
    table = struct.pack(">I", len(tags))
    for name, content in tags.items():
        table += struct.pack(">4sII", name, place, len(content))
        place += len(content)
    header = struct.pack(">II I 4s4s4s 12x 4s", place, 0, 0x04300000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    return header.ljust(68, b"\0") + _fixed((0.9642, 1.0, 0.8249)).ljust(60, b"\0") + table + b"".join(tags.values())


def _fixed(numbers: Sequence[float]) -> bytes:
    """Return s15Fixed16Numbers."""
    return struct.pack(f">{len(numbers)}i", *(round(number * 65_536) for number in numbers))
