"""Colours told by PNG's gAMA and cHRM, or by what cameras write instead of a profile, and what outranks what."""

import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, PictureFormat, PictureOptions, SamplingOptions
from tests.media.images import CASES

Colour = tuple[int, ...]
BRICK = (200, 60, 40)
IN_ADOBE_RGB = (231, 57, 34)
"""Source: Adobe RGB (1998), exponent 563/256, by the matrices of Lindbloom (both D65) and IEC 61966-2-1."""
IN_P3 = (217, 42, 23)
"""Source: littlecms, of Display P3."""
WHITE = (0.3127, 0.329)
ADOBE_RGB = (*WHITE, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SRGB = (*WHITE, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ON_A_LINE = (*WHITE, 0.1, 0.1, 0.2, 0.2, 0.3, 0.3)
USUAL = 1 / 2.2


def display_p3() -> bytes:
    with Image.open(CASES / "p3.png") as image:
        return bytes(image.info["icc_profile"])


def gamma(value: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(value * 100_000))


def primaries(*points: float) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(number * 100_000) for number in points))


def profile() -> tuple[bytes, bytes]:
    return b"iCCP", b"p3\0\0" + zlib.compress(display_p3())


def png(path: Path, *chunks: tuple[bytes, bytes], mode: str = "RGB", colour: int | Colour = BRICK) -> Path:
    Image.new(mode, (8, 8), colour).save(path, "PNG")
    content = path.read_bytes()
    written = [len(told).to_bytes(4) + kind + told + zlib.crc32(kind + told).to_bytes(4) for kind, told in chunks]
    path.write_bytes(content[:33] + b"".join(written) + content[33:])
    return path


def shown(path: Path, said: list[str] | None = None) -> Colour:
    """Return the colour in the middle, and require that the product has no profile."""
    notices = [] if said is None else said
    options = SamplingOptions(instants=[0])
    (picture,) = sample_frames(path, options, Limits(), notice=lambda code, _: notices.append(code))
    with Image.open(BytesIO(picture.encoded(PictureOptions(format=PictureFormat.PNG)))) as image:
        assert not {"icc_profile", "gamma", "chromaticity", "srgb"} & set(image.info)
        found = image.getpixel((image.width // 2, image.height // 2))
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize(
    ("chunks", "colour"),
    [
        ([gamma(1.0)], (229, 133, 110)),
        ([gamma(1 / 1.8)], (210, 77, 53)),
        ([gamma(USUAL)], BRICK),
        ([gamma(USUAL), primaries(*SRGB)], BRICK),
        ([gamma(256 / 563), primaries(*ADOBE_RGB)], IN_ADOBE_RGB),
        ([primaries(*ADOBE_RGB), (b"sRGB", b"\0"), gamma(1.0)], BRICK),
        ([gamma(1.0), profile()], IN_P3),
        ([(b"sRGB", b"\0"), profile()], IN_P3),
        ([(b"cICP", bytes([1, 13, 0, 1])), profile()], BRICK),
        ([(b"cICP", bytes([12, 13, 0, 1])), (b"sRGB", b"\0")], IN_P3),
        ([(b"cICP", bytes([2, 2, 0, 1])), profile()], IN_P3),
        ([gamma(0.0)], BRICK),
        ([gamma(40_000.0)], BRICK),
        ([primaries(*ON_A_LINE)], BRICK),
        ([primaries(*[0.0] * 8)], BRICK),
    ],
    ids=lambda told: "-".join(kind.decode() for kind, _ in told) if isinstance(told, list) else None,
)
def test_a_png_is_shown_by_what_outranks_the_rest(
    chunks: list[tuple[bytes, bytes]], colour: Colour, tmp_path: Path
) -> None:
    """Source: PNG, third edition, section 4.3: cICP, iCCP, sRGB, gAMA with cHRM; shades by IEC 61966-2-1."""
    said: list[str] = []

    assert shown(png(tmp_path / "told.png", *chunks), said) == pytest.approx(colour, abs=2)
    assert said == []


def test_greys_and_transparency_have_exponents_too(tmp_path: Path) -> None:
    grey = png(tmp_path / "grey.png", gamma(1.0), mode="L", colour=55)
    deep = png(tmp_path / "deep.png", gamma(1.0), mode="I;16", colour=55 * 257)
    clear = png(tmp_path / "clear.png", gamma(1.0), mode="RGBA", colour=(55, 55, 55, 90))

    assert shown(grey) == shown(deep) == pytest.approx((128,) * 3, abs=1)
    assert shown(clear) == pytest.approx((128, 128, 128, 90), abs=1)


def exif(space: int, index: str | None) -> Image.Exif:
    told = Image.Exif()
    told[0x0110] = "camera"
    told.get_ifd(0x8769)[0xA001] = space
    if index is not None:
        told.get_ifd(0x8769)[0xA005] = {1: index, 2: b"0100"}
    return told


@pytest.mark.parametrize(
    ("space", "index", "colour"),
    [
        (0xFFFF, "R03", IN_ADOBE_RGB),
        (2, None, IN_ADOBE_RGB),
        (0xFFFF, "R98", BRICK),
        (0xFFFF, None, BRICK),
        (1, "R03", BRICK),
        (1, "R98", BRICK),
    ],
)
@pytest.mark.parametrize("extension", ["jpg", "webp", "png"])
def test_what_cameras_call_adobe_rgb_is_shown_as_it(
    space: int, index: str | None, colour: Colour, extension: str, tmp_path: Path
) -> None:
    """Source: CIPA DC-008, ColorSpace, and DC-009, option files; `exiftool` reads the same of the files."""
    path = tmp_path / f"camera.{extension}"
    settings: dict[str, Any] = {} if extension == "png" else {"quality": 100}
    Image.new("RGB", (16, 16), BRICK).save(path, exif=exif(space, index), **settings)

    assert shown(path) == pytest.approx(colour, abs=4)


def test_a_profile_outranks_what_exif_tells(tmp_path: Path) -> None:
    path = tmp_path / "both.png"
    Image.new("RGB", (8, 8), BRICK).save(path, exif=exif(0xFFFF, "R03"), icc_profile=display_p3())

    assert shown(path) == pytest.approx(IN_P3, abs=2)


def split(path: Path, keep: Callable[[int], bool]) -> Path:
    """Write a JPEG whose profile stands in three segments, of which some are kept."""
    content = display_p3()
    third = -(-len(content) // 3)
    plain = BytesIO()
    Image.new("RGB", (16, 16), BRICK).save(plain, "JPEG", quality=100)
    pieces = b""
    for number in range(3):
        piece = b"ICC_PROFILE\0" + bytes([number + 1, 3]) + content[number * third : (number + 1) * third]
        if keep(number):
            pieces += b"\xff\xe2" + (len(piece) + 2).to_bytes(2) + piece
    path.write_bytes(plain.getvalue()[:2] + pieces + plain.getvalue()[2:])
    return path


def test_a_profile_in_pieces_counts_whole_or_not_at_all(tmp_path: Path) -> None:
    """Source: ICC.1, annex B.4: the second byte of each piece is their number."""
    said: list[str] = []

    assert shown(split(tmp_path / "whole.jpg", lambda _: True), said) == pytest.approx(IN_P3, abs=3)
    assert said == []
    assert shown(split(tmp_path / "lacking.jpg", lambda number: number != 1), said) == pytest.approx(BRICK, abs=3)
    assert said == ["profile_ignored"]


def test_the_base_of_a_gain_map_is_shown(tmp_path: Path) -> None:
    """What is behind the picture (as Ultra HDR and MPO have it) is neither counted nor shown."""
    base, gains = BytesIO(), BytesIO()
    Image.new("RGB", (16, 16), BRICK).save(base, "MPO", save_all=True, append_images=[Image.new("RGB", (4, 4))])
    path = tmp_path / "bright.jpg"
    Image.new("L", (8, 8), 200).save(gains, "JPEG")
    path.write_bytes(base.getvalue() + gains.getvalue())

    assert shown(path) == pytest.approx(BRICK, abs=3)


def test_inks_of_jpeg_are_inverted_as_adobe_writes_them(tmp_path: Path) -> None:
    """Source: libjpeg's documentation, "Special color spaces": Photoshop writes 255 for no ink."""
    path = tmp_path / "inks.jpg"
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(path, quality=100)
    assert b"Adobe" in path.read_bytes()

    assert shown(path) == pytest.approx((255, 0, 0), abs=3)
