"""How images are opened: by content, one format at a time, and never more pixels than allowed."""

import errno
import re
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from os import SEEK_END
from pathlib import Path
from typing import IO, Final

from PIL import Image, ImageFile

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.colours.code_points import code_points_of
from media_analysis.media.options import Limits
from media_analysis.media.reading import open_unwaiting, read_at
from media_analysis.media.stills.exif import pixel_aspect_of
from media_analysis.media.stills.picture_items import FURTHER_PICTURES, count_pictures
from media_analysis.media.stills.tiff import open_tiff
from media_analysis.media.stills.tiff_directories import Pages
from media_analysis.media.types.contents import holds_pictures
from media_analysis.media.types.known import family_of, title_of
from media_analysis.media.types.signatures import type_of_head
from media_analysis.media.types.sniff import HEAD_BYTES
from media_analysis.media.wholeness import announced_end

MAX_WHOLE_BYTES: Final = 256 * 2**20
"""Of formats that Pillow reads into memory at once."""
_READ_WHOLE: Final = frozenset({"WEBP", "AVIF"})
_FORMATS: Final = {
    "image/avif": "AVIF",
    "image/bmp": "BMP",
    "image/gif": "GIF",
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
    "image/x-adobe-dng": "TIFF",
}
"""Pillow's names of what is read here."""
READ_TYPES: Final = frozenset({*_FORMATS, "image/avif"})
_READ_HERE: Final = "JPEG, PNG, WebP, AVIF, TIFF, GIF and BMP are"
_CORRUPT: Final = (SyntaxError, EOFError, struct.error, zlib.error)
"""What Pillow raises for bytes it cannot read, beside OSError."""
_OF_BYTES: Final = frozenset({None, errno.EINVAL})
"""Numbers of such errors: none, and that of a place told beyond all files."""


def image_format(path: Path) -> str | None:
    """Return Pillow's name of the format a file's first bytes announce, None for what is no image, or a series of them.

    Raises:
        UnsupportedMedia: it is an image that nothing here reads, such as HEIC.

    """
    with open_unwaiting(path) as file:
        media_type = type_of_head(file.read(HEAD_BYTES))
        if media_type == "image/jpeg" and holds_pictures(file, media_type):
            return None
    if media_type is None or family_of(media_type) != "image":
        return None
    if media_type not in _FORMATS:
        raise _unread(title_of(media_type))
    return _FORMATS[media_type]


def _unread(title: str) -> UnsupportedMedia:
    return UnsupportedMedia(f"{title} is not read here; {_READ_HERE}")


@contextmanager
def open_image(
    path: Path, limits: Limits, *, leniently: bool = False, page: int | None = None
) -> Iterator[Image.Image]:
    """Open an image whose pixels are not read yet; what Pillow says of them inside the block is translated too.

    Of a TIFF the first page is opened, or the one whose directory stands at `page`.
    Opened leniently, JPEG, PNG, GIF and BMP that break off show what decodes and leave the rest grey or black.
    Pillow's own settings are changed meanwhile, for this process: open one image at a time.

    Raises:
        UnsupportedMedia: no format that is read here begins like this.
        CorruptMedia: it cannot be read.
        MediaLimitPassed: it has more pixels than `limits.max_pixels`, or too many bytes to be read at once.

    """
    name = image_format(path)
    if name is None:
        raise UnsupportedMedia("no image format that is read here begins like this")
    if name in _READ_WHOLE and path.stat().st_size > MAX_WHOLE_BYTES:
        raise MediaLimitPassed(f"bytes_of_{name}", found=path.stat().st_size, allowed=MAX_WHOLE_BYTES)
    with (
        open_unwaiting(path) as file,
        _limited(limits, leniently),
        _translated(limits),
        _opened(file, name, page) as image,
    ):
        yield image


def load_frame(image: Image.Image, limits: Limits, *, frame: int = 0) -> Image.Image:
    """Decode a frame of an image from `open_image`, inside its block, and return the same image, not upright yet.

    Raises:
        CorruptMedia: it cannot be decoded, or there is no such frame.
        MediaLimitPassed: this frame has more pixels than `limits.max_pixels`.

    """
    with decoding(f"frame {frame}"):
        if frame or image.tell():
            image.seek(frame)
    if image.width * image.height > limits.max_pixels:
        raise MediaLimitPassed("pixels", found=image.width * image.height, allowed=limits.max_pixels)
    with decoding(f"frame {frame}"):
        image.load()
    return image


def format_name(image: Image.Image) -> str:
    """Return the format in small letters; a JPEG with further pictures behind it is a JPEG."""
    name = (image.format or "").lower()
    return "jpeg" if name == "mpo" else name


def pages_in(image: Image.Image) -> Pages:
    """Return the pages of an opened TIFF; every other image has one."""
    pages = image.info.get("pages")
    return pages if isinstance(pages, Pages) else Pages([0])


def frame_count(image: Image.Image) -> int:
    """Return how many frames or pages an opened image has, without decoding them; 1 for every JPEG.

    The default image of an animated PNG is a frame only where the animation says so.

    Raises:
        CorruptMedia: they cannot be counted.

    """
    if format_name(image) == "jpeg":
        return 1
    if format_name(image) == "tiff":
        return len(pages_in(image).offsets)
    with decoding("number of frames"):
        beside = image.info.get("default_image") is True
        return max(1, int(getattr(image, "n_frames", 1)) - beside)


def left_out_of(image: Image.Image) -> tuple[str, str] | None:
    """Return code and words of a warning if an opened image is one of several pictures of its file."""
    pictures = image.info.get("pictures", 1)
    return (FURTHER_PICTURES, f"one of {pictures} pictures is shown") if pictures > 1 else None


@contextmanager
def _opened(file: IO[bytes], name: str, page: int | None) -> Iterator[Image.Image]:
    with decoding(f"{name} image"):
        image = open_tiff(file, page) if name == "TIFF" else Image.open(_filled_up(file, name), formats=(name,))
        if min(image.size) < 1:
            raise CorruptMedia("the image has no pixels")
        image.info |= {"code_points": code_points_of(file, name), "pixel_aspect": pixel_aspect_of(image)}
        image.info["pictures"] = count_pictures(file) if name == "AVIF" else 1
    with image:
        yield image


def _filled_up(file: IO[bytes], name: str) -> IO[bytes]:
    """Add the byte that only fills up the last chunk of a WebP where it is missing, which the decoder insists on."""
    head, size_bytes = read_at(file, 0, 8), file.seek(0, SEEK_END)
    lacks_one = name == "WEBP" and 8 + int.from_bytes(head[4:], "little") == size_bytes + 1
    is_whole = lacks_one and announced_end(file, head) == size_bytes
    file.seek(0)
    return BytesIO(file.read() + b"\0") if is_whole else file


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Say of any failure inside the block that the bytes are at fault; decoders of Pillow raise nearly everything."""
    try:
        yield
    except (
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        MemoryError,
        UnsupportedMedia,
        CorruptMedia,
        MediaLimitPassed,
    ):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno not in _OF_BYTES:
            raise
        raise CorruptMedia(f"the {what} cannot be read") from error


@contextmanager
def _translated(limits: Limits) -> Iterator[None]:
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        said = re.search(r"\d+", str(error))
        found = int(said[0]) if said else limits.max_pixels + 1
        raise MediaLimitPassed("pixels", found=found, allowed=limits.max_pixels) from error
    except _CORRUPT as error:
        raise CorruptMedia("the image cannot be read") from error
    except OSError as error:
        if error.errno not in _OF_BYTES:
            raise
        raise CorruptMedia("the image cannot be read") from error


@contextmanager
def _limited(limits: Limits, leniently: bool) -> Iterator[None]:  # noqa: FBT001 - as `open_image` was told
    usual = Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = limits.max_pixels, leniently
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES = usual
