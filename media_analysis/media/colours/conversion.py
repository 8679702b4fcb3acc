"""Colours as a video or image tells them, by the numbers of ITU-T H.273, made those of a screen (sRGB)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from PIL import Image

from media_analysis.media.colours.matrix_profile import FILM_CURVE, SRGB_CURVE, to_bt709_by_profile
from media_analysis.media.colours.primaries import (
    BT709,
    HLG,
    PQ,
    SRGB,
    hlg_light,
    is_told,
    pq_light,
    rolled_off,
    srgb_signal,
)

_BT2020: Final = 9
_LIGHTS: Final = {PQ: pq_light, HLG: hlg_light}
_SIGNALS: Final = 256
_DEEP_SIGNALS: Final = 65_536
_DEEP_WHITE: Final = 65_283
"""What swscale makes of the strongest signal where it turns YUV into 16 bits a channel."""
_STRIP_PIXELS: Final = 2**22
"""Converted at once: they take four bytes each meanwhile, and the curve is handed over anew for each strip."""


@dataclass(frozen=True, slots=True)
class Conversion:
    """What makes pixels sRGB."""

    high_range: int | None
    """The transfer of high dynamic range that is undone first, None for standard range."""
    change: Callable[[Image.Image], Image.Image] | None
    """Of primaries to BT.709's, None where they are these."""

    def of(self, image: Image.Image) -> Image.Image:
        """Convert an image of 8 bits a channel, RGB, RGBX or RGBA."""
        if self.high_range is not None:
            curve = [_shade(self.high_range, signal / (_SIGNALS - 1)) for signal in range(_SIGNALS)]
            image = image.point(curve * 3 + list(range(_SIGNALS)) * (len(image.getbands()) - 3))
        return image if self.change is None else self.change(image)

    def of_planes(self, planes: Sequence[Image.Image]) -> Image.Image:
        """Convert red, green and blue of 16 bits each (mode I;16) of high range, and return RGB."""
        if self.high_range is None:
            raise TypeError("standard range is not converted by planes")
        curve = _deep_curve(self.high_range)
        image = Image.merge("RGB", [_through(curve, plane) for plane in planes])
        return image if self.change is None else self.change(image)


@lru_cache(maxsize=16)
def conversion_of(primaries: int, transfer: int) -> Conversion | None:
    """Return what makes colours told by these numbers sRGB, None where they are shown as they are.

    Each channel of high dynamic range is shown so that up to 190 candelas a square metre stay what they are,
    reference white (203) is 250 of 255, and up to 10,000 is beyond, logarithmically. Standard range is shown as that
    of BT.709 is: only primaries change. Unknown ones are BT.709's, and BT.2020's in high range.
    """
    high_range = transfer if transfer in _LIGHTS else None
    if not is_told(primaries):
        primaries = BT709 if high_range is None else _BT2020
    if primaries == BT709:
        return None if high_range is None else Conversion(high_range, None)
    curve = SRGB_CURVE if transfer == SRGB or high_range is not None else FILM_CURVE
    return Conversion(high_range, to_bt709_by_profile(primaries, curve))


def _shade(transfer: int, signal: float) -> int:
    return round(255 * srgb_signal(rolled_off(_LIGHTS[transfer](min(1.0, signal)))))


@lru_cache(maxsize=2)
def _deep_curve(transfer: int) -> Sequence[int]:
    return [_shade(transfer, signal / _DEEP_WHITE) for signal in range(_DEEP_SIGNALS)]


def _through(curve: Sequence[int], plane: Image.Image) -> Image.Image:
    found = Image.new("L", plane.size)
    rows = max(1, _STRIP_PIXELS // plane.width)
    for top in range(0, plane.height, rows):
        strip = plane.crop((0, top, plane.width, min(plane.height, top + rows)))
        found.paste(strip.convert("I").point(curve, "L"), (0, top))
    return found
