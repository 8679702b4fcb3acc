"""Pictures as they are handed over: upright, no larger than asked for, written as JPEG, WebP or PNG."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Protocol, assert_never

from PIL import Image

from media_analysis.media.colours.profiles import DEEP_MODES, eight_bits
from media_analysis.media.options import PictureFormat, PictureOptions

_MEDIA_TYPES: Final = {
    PictureFormat.JPEG: "image/jpeg",
    PictureFormat.WEBP: "image/webp",
    PictureFormat.PNG: "image/png",
}
_EXTENSIONS: Final = {PictureFormat.JPEG: "jpg", PictureFormat.WEBP: "webp", PictureFormat.PNG: "png"}
_LONGEST_SIDE: Final = {PictureFormat.JPEG: 65_500, PictureFormat.WEBP: 16_383, PictureFormat.PNG: 2**31 - 1}
"""What the formats, as Pillow writes them, can hold."""
_WEBP_EFFORT: Final = 2
"""A third of the default's time for 5 % more bytes."""
_PNG_EFFORT: Final = 2
"""Two fifths of the default's time for 15 % more bytes."""
_ALPHA: Final = frozenset({"RGBA", "LA", "PA", "RGBa", "La"})
_PAPER: Final = (255, 255, 255)
"""What shows through in JPEG, which knows no alpha."""


class Raster(Protocol):
    """Pixels that have not been converted yet."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright and in square pixels."""
        ...

    def drawn(self, size: tuple[int, int]) -> Image.Image:
        """Return an upright picture of this size, RGBX, RGB or RGBA."""
        ...


@dataclass(kw_only=True, slots=True)
class Exposure:
    """One frame, whatever number of instants show it."""

    raster: Raster
    _written: tuple[PictureOptions, bytes] | None = field(default=None, init=False)

    def encoded(self, options: PictureOptions) -> bytes:
        """Return it as a file, written once for the same options in succession."""
        if self._written is None or self._written[0] != options:
            size = within(self.raster.size, *_most(options))
            self._written = options, _write(self.raster.drawn(size), options)
        return self._written[1]


@dataclass(frozen=True, kw_only=True, slots=True)
class Picture:
    """A frame that was asked for, converted when somebody looks at it."""

    ordinal: int
    """From 0, in time order."""
    instant_seconds: float
    """When the frame is first shown, seconds from the first frame of all, rounded to microseconds."""
    asked_seconds: float | None
    """The instant it was asked for by; None for keyframes and scenes."""
    exposure: Exposure
    page: int | None = None
    """From 1, of an image that has several; None of everything else."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright and in square pixels."""
        return self.exposure.raster.size

    def image(self, *, max_width: int | None = None, max_height: int | None = None) -> Image.Image:
        """Return it upright, RGB or RGBA, shrunk to fit but never enlarged; small ones are cheap."""
        drawn = self.exposure.raster.drawn(within(self.size, max_width, max_height))
        return drawn if drawn.mode in {"RGB", "RGBA"} else drawn.convert("RGB")

    def encoded(self, options: PictureOptions) -> bytes:
        """Return it as a file."""
        return self.exposure.encoded(options)


def encode(image: Image.Image, options: PictureOptions) -> bytes:
    """Return an image as a file, shrunk to the options' limits and to what the format can hold."""
    size = within(image.size, *_most(options))
    return _write(shrunk(image, size), options)


def encode_animation(images: Sequence[Image.Image], *, milliseconds: int, quality: int) -> bytes:
    """Return images as a WebP that shows each for so long, and begins anew for ever; the first tells its size."""
    first, *others = [mounted(image, images[0].size) for image in images]
    target = BytesIO()
    first.save(
        target,
        "WEBP",
        save_all=True,
        append_images=others,
        duration=milliseconds,
        loop=0,
        quality=quality,
        method=_WEBP_EFFORT,
    )
    return target.getvalue()


def mounted(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image as RGB of this size, in its middle, black around it and white where nothing is opaque."""
    shown = _on_paper(shrunk(image, within(image.size, *size)))
    if shown.size == size and shown.mode == "RGB":
        return shown
    mount = Image.new("RGB", size)
    mount.paste(shown, ((size[0] - shown.width) // 2, (size[1] - shown.height) // 2))
    return mount


def media_type_of(picture_format: PictureFormat) -> str:
    """Return the media type of a format."""
    return _MEDIA_TYPES[picture_format]


def extension_of_format(picture_format: PictureFormat) -> str:
    """Return the file extension of a format, without dot."""
    return _EXTENSIONS[picture_format]


def within(size: tuple[int, int], max_width: int | None, max_height: int | None) -> tuple[int, int]:
    """Return the largest size of the same shape that fits, at most the given one, at least one pixel."""
    width, height = size
    share = min(1.0, (max_width or width) / width, (max_height or height) / height)
    return max(1, round(width * share)), max(1, round(height * share))


def shrunk(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """Return an image at a size, itself where it has that already."""
    if image.size == size:
        return image
    ready = image if image.mode == "CMYK" else plain(image)
    return ready.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)


def plain(image: Image.Image) -> Image.Image:
    """Return an image of any mode as RGB, or as RGBA where it has transparency."""
    if image.mode in {"RGB", "RGBX", "RGBA"} and "transparency" not in image.info:
        return image
    if image.mode in DEEP_MODES:
        return eight_bits(image).convert("RGB")
    if image.mode == "La":
        image = image.convert("LA")
    return image.convert("RGBA" if image.mode in _ALPHA or "transparency" in image.info else "RGB")


def _most(options: PictureOptions) -> tuple[int, int]:
    longest = _LONGEST_SIDE[options.format]
    return min(options.max_width or longest, longest), min(options.max_height or longest, longest)


def _write(image: Image.Image, options: PictureOptions) -> bytes:
    target = BytesIO()
    ready = _ready(image, options.format)
    # Colours are those of sRGB by now, whatever profile Pillow would pass on from the source.
    ready.save(target, options.format.value, icc_profile=None, **_settings(options))
    return target.getvalue()


def _ready(image: Image.Image, picture_format: PictureFormat) -> Image.Image:
    if picture_format is PictureFormat.JPEG and image.mode == "RGBX":
        return image
    image = plain(image)
    if picture_format is PictureFormat.JPEG and image.mode == "RGBA":
        return _on_paper(image)
    return image.convert("RGB") if image.mode == "RGBX" else image


def _on_paper(image: Image.Image) -> Image.Image:
    if image.mode != "RGBA":
        return image
    paper = Image.new("RGB", image.size, _PAPER)
    paper.paste(image, mask=image.getchannel("A"))
    return paper


def _settings(options: PictureOptions) -> dict[str, Any]:
    match options.format:
        case PictureFormat.JPEG:
            return {"quality": options.quality}
        case PictureFormat.WEBP:
            return {"quality": options.quality, "method": _WEBP_EFFORT}
        case PictureFormat.PNG:
            return {"compress_level": _PNG_EFFORT}
    assert_never(options.format)
