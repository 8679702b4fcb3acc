"""Colour profiles (ICC) inside images, how they make pixels sRGB, and deep grey as eight bits."""

import sys
from collections.abc import Callable
from io import BytesIO
from itertools import product
from typing import Final, cast

from PIL import Image, ImageCms, ImageOps
from PIL.TiffImagePlugin import BITSPERSAMPLE, PHOTOMETRIC_INTERPRETATION, SAMPLEFORMAT

from media_analysis.errors.media import CorruptMedia

DEEP_MODES: Final = frozenset({"I", "I;16", "I;16B", "I;16L", "F"})
_UNSIGNED, _SIGNED = 1, 2
_HIGHEST_BYTE: Final = 3 if sys.byteorder == "little" else 0
_STRIP_ROWS: Final = 64
"""Converted at once, for they are copied twice meanwhile."""
MAX_PROFILE_BYTES: Final = 4 * 2**20
_BROKEN: Final = (OSError, ValueError, TypeError, ImageCms.PyCMSError)
_MODES: Final = {"RGB": "RGB", "GRAY": "L", "CMYK": "CMYK"}
"""Pixels that profiles of these colour spaces are for."""
_UNSEEN: Final = 2
"""Steps of 255 by which colours may differ and still be those of sRGB, which many images have a profile of."""
_SHADES: Final = (0, 16, 64, 128, 192, 255)


def profile_of(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """Return the profile inside, None where there is none.

    Raises:
        CorruptMedia: it cannot be read, lacks pieces, or is longer than `MAX_PROFILE_BYTES`.

    """
    content = image.info.get("icc_profile", b"")
    if content is None:
        raise CorruptMedia("the colour profile lacks some of its pieces")
    if not content:
        return None
    if not isinstance(content, bytes) or len(content) > MAX_PROFILE_BYTES:
        raise CorruptMedia(f"the colour profile is longer than {MAX_PROFILE_BYTES} bytes")
    try:
        return ImageCms.ImageCmsProfile(BytesIO(content))
    except _BROKEN as error:
        raise CorruptMedia("the colour profile cannot be read") from error


def through_profile(image: Image.Image) -> Callable[[Image.Image], Image.Image] | None:
    """Return what makes an image's pixels sRGB by its profile; None where it has none, or one of sRGB, or is Lab.

    It takes CMYK where the image is, else RGB, RGBX or RGBA, at any size, and gives RGB, RGBX or RGBA.

    Raises:
        CorruptMedia: the profile cannot be used, or is for other colours than the image has.

    """
    profile = profile_of(image)
    if profile is None or image.mode == "LAB":
        return None
    mode = _mode_of(image)
    try:
        if _MODES.get(profile.profile.xcolor_space.strip()) == mode:
            return _converter(profile, mode)
    except _BROKEN as error:
        raise CorruptMedia("the colour profile cannot be used") from error
    raise CorruptMedia("the colour profile is for other colours than the picture has")


def _mode_of(image: Image.Image) -> str:
    if image.mode in DEEP_MODES | {"1", "L", "LA", "La"}:
        return "L"
    return "CMYK" if image.mode == "CMYK" else "RGB"


def _converter(profile: ImageCms.ImageCmsProfile, mode: str) -> Callable[[Image.Image], Image.Image] | None:
    screen = ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(profile, screen, mode, "RGB", ImageCms.Intent.PERCEPTUAL)

    def converted(image: Image.Image) -> Image.Image:
        pixels = image.getchannel(0) if mode == "L" else image.convert(mode)
        found = cast("Image.Image", ImageCms.applyTransform(pixels, transform))
        if image.mode == "RGBA":
            found.putalpha(image.getchannel("A"))
        return found

    return None if mode == "RGB" and _changes_nothing(converted) else converted


def _changes_nothing(converted: Callable[[Image.Image], Image.Image]) -> bool:
    colours = bytes(shade for colour in product(_SHADES, repeat=3) for shade in colour)
    before = Image.frombytes("RGB", (len(colours) // 3, 1), colours)
    after = converted(before).tobytes()
    return all(abs(one - other) <= _UNSEEN for one, other in zip(colours, after, strict=True))


def eight_bits(image: Image.Image) -> Image.Image:
    """Return grey of mode L; integers keep their upper eight bits, floating point is from 0 (black) to 1 (white).

    A TIFF tells how many bits count, whether 0 is white, and whether numbers are signed, of which the lowest is black.
    """
    tags = getattr(image, "tag_v2", {})
    grey = _as_told(image, _first(tags.get(BITSPERSAMPLE)), _first(tags.get(SAMPLEFORMAT)) or _UNSIGNED)
    return ImageOps.invert(grey) if tags.get(PHOTOMETRIC_INTERPRETATION) == 0 else grey


def _as_told(image: Image.Image, bits: int | None, sample_format: int) -> Image.Image:
    if image.mode == "F":
        return image.point(lambda value: value * 255 + 0.5).convert("L")
    if image.mode == "I" and bits == 32 and sample_format in {_UNSIGNED, _SIGNED}:  # noqa: PLR2004 - of an I
        highest = _highest_bytes(image)
        return highest if sample_format == _UNSIGNED else highest.point([value ^ 0x80 for value in range(256)])
    if image.mode == "I" and sample_format == _SIGNED:
        image = image.point(lambda value: value + 32_768)
    shift = 4 if bits == 12 else 8  # noqa: PLR2004 - the only depth between that Pillow reads
    return image.convert("I").point([min(255, value >> shift) for value in range(65_536)], "L")


def _highest_bytes(image: Image.Image) -> Image.Image:
    """Take them as they are stored, for Pillow takes unsigned numbers of 32 bits for signed ones."""
    found = Image.new("L", image.size)
    for top in range(0, image.height, _STRIP_ROWS):
        strip = image.crop((0, top, image.width, min(image.height, top + _STRIP_ROWS)))
        found.paste(Image.frombytes("L", strip.size, strip.tobytes()[_HIGHEST_BYTE::4]), (0, top))
    return found


def _first(value: object) -> int | None:
    first = value[0] if isinstance(value, tuple) and value else value
    return first if isinstance(first, int) else None
