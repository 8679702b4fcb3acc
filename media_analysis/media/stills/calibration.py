"""Colours that images tell without profile or number: by chromaticities and an exponent in PNG, by a name in EXIF."""

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from PIL import ExifTags, Image, ImageCms

from media_analysis.media.colours.matrix_profile import SRGB_CURVE, Curve, between_profiles
from media_analysis.media.colours.primaries import BT709, CHROMATICITIES, Chromaticities
from media_analysis.media.stills.exif import exif_of

Conversion = Callable[[Image.Image], Image.Image]
_SRGB: Final = CHROMATICITIES[BT709]
_ADOBE_RGB: Final[Chromaticities] = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06), (0.3127, 0.3290))
_ADOBE_EXPONENT: Final = 563 / 256
"""Adobe RGB (1998), sections 4.3.1 and 4.3.4."""
_USUAL_GAMMA: Final = 1 / 2.2
_ALIKE: Final = 0.01
"""What is no farther from the usual gamma, or half as far from sRGB's primaries, was meant for sRGB."""
_GAMMAS: Final = (0.1, 10.0)
_UNCALIBRATED, _ADOBE = 0xFFFF, 2
_OPTION_FILE: Final = "R03"
"""What DCF 2.0 calls a picture in Adobe RGB by."""


def calibration_of(image: Image.Image) -> Conversion | None:
    """Return what makes RGB, RGBX or RGBA of an image without profile sRGB; None where it is, or tells nothing.

    Source: PNG, third edition, section 4.3: `sRGB` outranks `gAMA` and `cHRM`. CIPA DC-008 and DC-009: a colour space
    that is not calibrated, of a file by option (`R03`), is Adobe RGB.
    """
    if _is_adobe(image):
        return _to_srgb(_ADOBE_RGB, _power(_ADOBE_EXPONENT))
    if image.format != "PNG" or "srgb" in image.info:
        return None
    points, gamma = _points(image.info.get("chromaticity")), image.info.get("gamma")
    if not isinstance(gamma, float) or not _GAMMAS[0] <= gamma <= _GAMMAS[1]:
        return None if points == _SRGB else _to_srgb(points, SRGB_CURVE)
    is_usual = points == _SRGB and abs(gamma - _USUAL_GAMMA) <= _ALIKE
    return None if is_usual else _to_srgb(points, _power(1 / gamma))


def _is_adobe(image: Image.Image) -> bool:
    exif = exif_of(image)
    if exif is None:
        return False
    try:
        space = exif.get_ifd(ExifTags.IFD.Exif).get(ExifTags.Base.ColorSpace)
        index = exif.get_ifd(ExifTags.IFD.Interop).get(ExifTags.Interop.InteropIndex)
    except Exception:  # noqa: BLE001 - Pillow raises whatever a broken tag makes it raise
        return False
    return space == _ADOBE or (space == _UNCALIBRATED and str(index).startswith(_OPTION_FILE))


@lru_cache(maxsize=16)
def _to_srgb(points: Chromaticities, curve: Curve) -> Conversion | None:
    try:
        return between_profiles((points, curve), (_SRGB, SRGB_CURVE))
    except (ZeroDivisionError, ValueError, OSError, struct.error, ImageCms.PyCMSError):
        return None


def _points(told: object) -> Chromaticities:
    """Read white, red, green and blue; what cannot be a point is sRGB's."""
    if not isinstance(told, tuple) or len(told) != 8 or not all(0 < number < 1 for number in told):  # noqa: PLR2004
        return _SRGB
    white, red, green, blue = zip(told[::2], told[1::2], strict=True)
    points = red, green, blue, white
    differences = [
        abs(x - y) for one, other in zip(points, _SRGB, strict=True) for x, y in zip(one, other, strict=True)
    ]
    return _SRGB if max(differences) <= _ALIKE / 2 else points


def _power(exponent: float) -> Curve:
    return exponent, 1.0, 0.0, 1.0, 0.0
