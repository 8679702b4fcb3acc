"""Colour profiles (ICC) inside images, and how they make pixels sRGB."""

from collections.abc import Callable
from io import BytesIO
from itertools import product
from typing import Final, cast

from PIL import Image, ImageCms

from media_analysis.errors.media import CorruptMedia
from media_analysis.media.samples import DEEP_MODES

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
