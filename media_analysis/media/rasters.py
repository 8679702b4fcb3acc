"""Decoded frames and images as upright pictures in the colours of a screen."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, cast

from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, Interpolation, VideoReformatter
from PIL import ExifTags, Image

from media_analysis.errors.media import CorruptMedia
from media_analysis.media.colours.code_points import CodePoints
from media_analysis.media.colours.conversion import conversion_of
from media_analysis.media.colours.primaries import HIGH_RANGE
from media_analysis.media.colours.profiles import through_profile
from media_analysis.media.films.alpha import alpha_image, with_alpha
from media_analysis.media.films.decoder import Decoded
from media_analysis.media.films.fields import deinterlaced
from media_analysis.media.films.filtering import filtered
from media_analysis.media.films.matroska import UNCROPPED, Crop
from media_analysis.media.options import MAX_SIDE, Deinterlace
from media_analysis.media.orientation import Orientation
from media_analysis.media.pictures import plain, shrunk
from media_analysis.media.stills.calibration import calibration_of
from media_analysis.media.stills.exif import exif_of

_KNOWN_MATRICES: Final = frozenset({0, 1, 4, 5, 6, 7, 9})
"""Of ITU-T H.273, those that convert; 2 means unspecified."""
_SD_SIZE: Final = (1279, 576)
"""Of pictures that are wider or higher, unspecified means BT.709, as mpv takes it; of others BT.601."""
_KEPT: Final = 4
_ODDEST_PIXEL: Final = 8
"""A pixel more oblong than this is a mistake, and taken as square."""


@dataclass(slots=True)
class Darkroom:
    """Converters by size, kept because they take their time to be made ready."""

    deinterlace: Deinterlace = Deinterlace.AUTO
    _converters: OrderedDict[tuple[int, int], VideoReformatter] = field(default_factory=OrderedDict, init=False)

    def developed(self, frame: VideoFrame, size: tuple[int, int], crop: Crop = UNCROPPED) -> Image.Image:
        """Return a frame at a size in the colours of a screen (sRGB), RGB, RGBX or RGBA; it must not be changed."""
        if self.deinterlace is Deinterlace.AUTO:
            frame = deinterlaced(frame)
        width, height = crop.within((frame.width, frame.height))
        if (width, height) != (frame.width, frame.height):
            frame = filtered(frame, ("crop", f"w={width}:h={height}:x={crop.left}:y={crop.top}:exact=1"))
        conversion = conversion_of(frame.color_primaries, frame.color_trc)
        if conversion is not None and conversion.high_range is not None:
            green, blue, red = _planes_of(self._reformatted(frame, size, "gbrp16le"))
            return conversion.of_planes((red, green, blue))
        image = _image_of(self._reformatted(frame, size, "rgba" if _has_alpha(frame) else "rgb0"))
        return image if conversion is None else conversion.of(image)

    def _reformatted(self, frame: VideoFrame, size: tuple[int, int], pixels: str) -> VideoFrame:
        return self._converter(size).reformat(
            frame, *size, pixels, src_colorspace=_matrix(frame), interpolation=Interpolation.BICUBIC, threads=1
        )

    def _converter(self, size: tuple[int, int]) -> VideoReformatter:
        converter = self._converters.pop(size, None) or VideoReformatter()
        self._converters[size] = converter
        if len(self._converters) > _KEPT:
            self._converters.popitem(last=False)
        return converter


@dataclass(frozen=True, kw_only=True, slots=True)
class FrameRaster:
    """A decoder's frame."""

    decoded: Decoded
    darkroom: Darkroom
    crop: Crop = UNCROPPED

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright and in square pixels."""
        frame = self.decoded.frame
        return self._turned(stretched(self.crop.within((frame.width, frame.height)), self.decoded.aspect))

    def drawn(self, size: tuple[int, int]) -> Image.Image:
        """Return an upright picture of this size, RGB, RGBX or RGBA, of which nothing may be changed."""
        lying = self.darkroom.developed(self.decoded.frame, self._turned(size), self.crop)
        if self.decoded.alpha is not None:
            alpha = alpha_image(self.decoded.alpha)
            lying = with_alpha(lying, alpha.crop(self.crop.box(alpha.size)))
        transpose = self.decoded.orientation.transpose
        return lying if transpose is None else lying.transpose(transpose)

    def _turned(self, size: tuple[int, int]) -> tuple[int, int]:
        return (size[1], size[0]) if self.decoded.orientation.sideways else size


@dataclass(frozen=True, slots=True)
class StillRaster:
    """An image that was decoded."""

    upright: Image.Image
    """CMYK where a profile is to convert it, else RGB, RGBX or RGBA."""
    colours: Callable[[Image.Image], Image.Image] | None = None
    """What makes its colours those of a screen, None where they are."""
    aspect: Fraction = Fraction(1)
    """Of an upright pixel, across to down."""
    remark: str | None = None
    """Why its colour profile was left out of account, None where it was not."""

    @classmethod
    def of(cls, image: Image.Image) -> "StillRaster":
        """Take an image as stored, and turn it as its EXIF tells."""
        exif = exif_of(image)
        transpose = Orientation.of_exif(None if exif is None else exif.get(ExifTags.Base.Orientation)).transpose
        colours, remark = _colours_of(image)
        pixels = image if image.mode == "CMYK" and colours is not None else plain(image)
        upright = pixels.copy() if transpose is None else pixels.transpose(transpose)
        return cls(upright, colours, image.info.get("pixel_aspect", Fraction(1)), remark)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, upright and in square pixels."""
        return stretched(self.upright.size, self.aspect)

    def drawn(self, size: tuple[int, int]) -> Image.Image:
        """Return it at this size."""
        image = shrunk(self.upright, size)
        return image if self.colours is None else self.colours(image)


def _image_of(frame: VideoFrame) -> Image.Image:
    """Return a frame as an image, RGBX or RGBA, that shares its memory and must not be changed."""
    mode = "RGBA" if frame.format.name == "rgba" else "RGBX"
    plane = frame.planes[0]
    pixels = cast("bytes", plane)  # any buffer will do
    return Image.frombuffer(mode, (frame.width, frame.height), pixels, "raw", mode, plane.line_size, 1)


def _planes_of(frame: VideoFrame) -> list[Image.Image]:
    """Return green, blue and red of 16 bits each, which share the frame's memory."""
    size = frame.width, frame.height
    return [
        Image.frombuffer("I;16", size, cast("bytes", plane), "raw", "I;16", plane.line_size, 1)
        for plane in frame.planes
    ]


def _colours_of(image: Image.Image) -> tuple[Callable[[Image.Image], Image.Image] | None, str | None]:
    """Return what makes an image's colours those of a screen, and why its profile counts for nothing if it does."""
    told, has_profile = image.info.get("code_points"), image.info.get("icc_profile", b"") != b""
    if isinstance(told, CodePoints) and (told.outranks_profiles or told.transfer in HIGH_RANGE or not has_profile):
        conversion = conversion_of(told.primaries, told.transfer)
        return None if conversion is None else conversion.of, None
    try:
        return (through_profile(image) if has_profile else calibration_of(image)), None
    except CorruptMedia as error:
        return None, str(error)


def stretched(size: tuple[int, int], aspect: Fraction) -> tuple[int, int]:
    """Return a size whose pixels are square; one side grows, so that nothing is lost."""
    width, height = size
    if not Fraction(1, _ODDEST_PIXEL) <= aspect <= _ODDEST_PIXEL:
        return size
    wider, higher = max(1, round(width * aspect)), max(1, round(height / aspect))
    if max(wider, higher) > max(MAX_SIDE, width, height):
        return size
    return (wider, height) if aspect >= 1 else (width, higher)


def _has_alpha(frame: VideoFrame) -> bool:
    return any(component.is_alpha for component in frame.format.components)


def _matrix(frame: VideoFrame) -> Colorspace | None:
    if frame.colorspace in _KNOWN_MATRICES:
        return None
    width, height = _SD_SIZE
    return Colorspace.ITU709 if frame.width > width or frame.height > height else Colorspace.ITU601
