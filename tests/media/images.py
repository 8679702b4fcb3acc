"""Real images, each made once per run; all show the number 5 and are 192 x 128 upright unless they say otherwise."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from tests.media.clips import clip_directory
from tests.media.pictures import numbered

NUMBER: Final = 5
WIDTH: Final = 192
HEIGHT: Final = 128
CASES: Final = Path(__file__).parent / "cases"
FRAMES: Final = 4
"""Of the animations; they show 0 to 3, 100 milliseconds each."""


def still(name: str, make: Callable[[Path], object]) -> Path:
    """Return an image of your own, made by `make` the first time; `name` must be unique to what it shows."""
    path = clip_directory() / name
    if not path.exists():
        unfinished = path.with_name(f"unfinished_{name}")
        make(unfinished)
        unfinished.replace(path)
    return path


def _saved(name: str, picture: Image.Image, **options: Any) -> Path:
    return still(name, lambda path: picture.save(path, **options))


def _numbered() -> Image.Image:
    return numbered(NUMBER, WIDTH, HEIGHT)


@cache
def jpeg() -> Path:
    """Stored lying (EXIF orientation 6), taken with a camera at a place; has an sRGB profile and 72 dpi."""
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F], exif[0x0110] = "Lumen\0", "L-1"
    exif.get_ifd(0x8769).update(
        {
            0x829A: IFDRational(1, 250),
            0x829D: IFDRational(28, 10),
            0x8827: 400,
            0x9003: "2024:05:06 07:08:09",
            0x9011: "+02:00",
            0x920A: IFDRational(50),
            0xA434: "Lumen 50 mm",
        }
    )
    exif.get_ifd(0x8825).update(
        {
            1: "S",
            2: (IFDRational(33), IFDRational(51), IFDRational(36)),
            3: "E",
            4: (IFDRational(151), IFDRational(12), IFDRational(36)),
            5: b"\0",
            6: IFDRational(58),
        }
    )
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    lying = _numbered().transpose(Image.Transpose.ROTATE_90)
    return _saved("camera.jpg", lying, quality=95, exif=exif, icc_profile=profile, dpi=(72, 72))


@cache
def oriented(orientation: int) -> Path:
    """A JPEG stored by one of the eight EXIF orientations."""
    stored = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    picture = _numbered() if stored is None else _numbered().transpose(stored)
    exif = Image.Exif()
    exif[0x0112] = orientation
    return _saved(f"oriented_{orientation}.jpg", picture, quality=95, exif=exif)


@cache
def png() -> Path:
    """PNG with an alpha channel."""
    picture = _numbered()
    picture.putalpha(200)
    return _saved("plain.png", picture)


@cache
def png_16_bit() -> Path:
    """Grey of 16 bits."""
    return _saved("grey16.png", _numbered().convert("L").convert("I;16"))


@cache
def png_palette() -> Path:
    """A palette of 16 colours."""
    return _saved("palette.png", _numbered().quantize(16))


@cache
def webp() -> Path:
    """Lossy WebP."""
    return _saved("plain.webp", _numbered(), quality=90)


@cache
def animated_webp() -> Path:
    """An animation of `FRAMES`."""
    return _animation("moving.webp", quality=95)


@cache
def animated_gif() -> Path:
    """An animation of `FRAMES`."""
    return _animation("moving.gif")


@cache
def tiff() -> Path:
    """TIFF at 300 dpi, LZW."""
    return _saved("plain.tiff", _numbered(), dpi=(300, 300), compression="tiff_lzw")


@cache
def bmp() -> Path:
    """BMP."""
    return _saved("plain.bmp", _numbered())


@cache
def avif() -> Path:
    """AVIF."""
    return _saved("plain.avif", _numbered(), quality=90)


@cache
def cmyk_jpeg() -> Path:
    """A JPEG for print: four inks."""
    return _saved("print.jpg", _numbered().convert("CMYK"), quality=95)


@cache
def heic() -> Path:
    """The beginning of a phone's HEIC; there is no picture in it."""
    brands = b"heic" + (0).to_bytes(4) + b"mif1heic"
    boxes = _box(b"ftyp", brands) + _box(b"meta", bytes(4) + _box(b"hdlr", bytes(8) + b"pict" + bytes(13)))
    return still("phone.heic", lambda path: path.write_bytes(boxes + bytes(512)))


def _box(kind: bytes, content: bytes) -> bytes:
    return (len(content) + 8).to_bytes(4) + kind + content


def _animation(name: str, **options: Any) -> Path:
    first, *others = [numbered(number, WIDTH, HEIGHT) for number in range(FRAMES)]
    return _saved(name, first, save_all=True, append_images=others, duration=100, loop=0, **options)
