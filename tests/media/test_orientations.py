"""Images stand upright once, whatever format tells how, and whatever nonsense is told."""

from pathlib import Path

import pytest
from PIL import Image

from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe

DARK, RED, BLUE = (10, 10, 10), (250, 0, 0), (0, 0, 250)
SIZE = (40, 20)
UPRIGHT = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""Source: CIPA DC-008, tag Orientation; `exiftool` reads the same of the files, of AVIF `irot` and `imir` instead."""


def flag() -> Image.Image:
    """Red above left and blue below right, which no turn leaves as it is."""
    image = Image.new("RGB", SIZE, DARK)
    image.paste(RED, (0, 0, 20, 10))
    image.paste(BLUE, (20, 10, 40, 20))
    return image


def exif(orientation: int) -> Image.Exif:
    told = Image.Exif()
    told[0x0112] = orientation
    return told


def corners(image: Image.Image) -> list[tuple[int, ...]]:
    right, bottom = image.width - 4, image.height - 4
    found = [image.convert("RGB").getpixel(place) for place in ((3, 3), (right, 3), (3, bottom), (right, bottom))]
    assert all(isinstance(pixel, tuple) for pixel in found)
    return found  # type: ignore[return-value]


def require_upright(path: Path, orientation: int) -> None:
    turn = UPRIGHT[orientation]
    expected = flag() if turn is None else flag().transpose(turn)
    (picture,) = sample_frames(path, SamplingOptions(instants=[0]), Limits())
    told = probe(path, Limits())

    assert picture.size == expected.size == (told.width, told.height)
    for found, colour in zip(corners(picture.image()), corners(expected), strict=True):
        assert found == pytest.approx(colour, abs=40)


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("extension", ["avif", "jpg", "png", "tif", "webp"])
def test_every_format_stands_upright(extension: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"flag.{extension}"
    if extension in {"avif", "jpg", "webp"}:
        flag().save(path, exif=exif(orientation), quality=95)
    else:
        flag().save(path, exif=exif(orientation))

    require_upright(path, orientation)


@pytest.mark.parametrize("orientation", [0, 9, 65_535])
@pytest.mark.parametrize("extension", ["jpg", "png", "tif"])
def test_an_orientation_that_is_none_counts_for_nothing(extension: str, orientation: int, tmp_path: Path) -> None:
    path = tmp_path / f"flag.{extension}"
    flag().save(path, exif=exif(orientation))

    require_upright(path, 1)


@pytest.mark.parametrize(("first", "second"), [(6, 1), (1, 6)])
def test_of_two_exif_blocks_the_first_counts(first: int, second: int, tmp_path: Path) -> None:
    """As `exiftool` and browsers take it."""
    path = tmp_path / "twice.jpg"
    flag().save(path, quality=95)
    content = path.read_bytes()
    blocks = [exif(orientation).tobytes() for orientation in (first, second)]
    segments = b"".join(b"\xff\xe1" + (len(block) + 2).to_bytes(2) + block for block in blocks)
    path.write_bytes(content[:2] + segments + content[2:])

    require_upright(path, first)
