"""Small TIFFs that were shown wrongly once, and what they show by `tiffinfo` and TIFF revision 6.0."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from media_analysis.media.frames import sample_frames
from media_analysis.media.images import open_image
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.pictures import Picture

CASES = Path(__file__).parent / "cases"
RAMP_WIDTH = 64
DEEP = ["grey12", "grey16", "grey32u", "float32"]
"""Ramps from black to white over `RAMP_WIDTH` columns."""


def picture_of(path: Path, said: list[str] | None = None) -> Picture:
    notices = [] if said is None else said
    options = SamplingOptions(instants=[0])
    (picture,) = sample_frames(path, options, Limits(), notice=lambda code, _: notices.append(code))
    return picture


@pytest.mark.parametrize("name", DEEP)
def test_deep_grey_reaches_from_black_to_white(name: str) -> None:
    shown = picture_of(CASES / f"{name}.tif").image()

    found = [shown.getpixel((column, 8)) for column in range(RAMP_WIDTH)]

    expected = [round(255 * column / (RAMP_WIDTH - 1)) for column in range(RAMP_WIDTH)]
    assert found == [pytest.approx((shade, shade, shade), abs=1) for shade in expected]


@pytest.mark.parametrize("name", ["grey16", "float32"])
def test_zero_is_white_where_a_tiff_says_so(name: str, tmp_path: Path) -> None:
    path = tmp_path / "inverted.tif"
    black_is_zero = bytes.fromhex("06010300010000000100")
    path.write_bytes((CASES / f"{name}.tif").read_bytes().replace(black_is_zero, black_is_zero[:8] + bytes(2)))

    shown = picture_of(path).image()

    assert [shown.getpixel((column, 8)) for column in (0, RAMP_WIDTH - 1)] == [(255,) * 3, (0,) * 3]


def test_floats_beyond_white_and_below_black_are_these(tmp_path: Path) -> None:
    path = tmp_path / "bright.tif"
    bright = Image.new("F", (3, 1))
    bright.putdata([-5.0, 0.5, 70.0])
    bright.save(path)

    shown = picture_of(path).image()

    assert [shown.getpixel((column, 0)) for column in range(3)] == [(0,) * 3, (128,) * 3, (255,) * 3]


def test_a_fax_is_drawn_as_high_as_its_lines_are_apart() -> None:
    """204 dots an inch across and 98 down: 208 lines are as high as 433 dots."""
    assert picture_of(CASES / "fax.tif").size == (432, 433)
    assert picture_of(CASES / "fax.tif").image(max_width=216).size == (216, 216)


@pytest.mark.parametrize(("orientation", "size"), [(1, (40, 40)), (6, (40, 40))])
def test_uneven_dots_are_those_of_the_stored_picture(orientation: int, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "turned.tif"
    tags = ImageFileDirectory_v2()
    tags[274] = orientation
    Image.new("RGB", (40, 20), (1, 2, 3)).save(path, dpi=(200, 100), tiffinfo=tags)

    assert picture_of(path).size == size


def test_uneven_dots_of_what_is_no_tiff_are_left_out_of_account(tmp_path: Path) -> None:
    path = tmp_path / "uneven.png"
    Image.new("RGB", (40, 20)).save(path, dpi=(200, 100))

    assert picture_of(path).size == (40, 20)


def test_of_several_pages_the_first_is_shown_and_it_is_said() -> None:
    said: list[str] = []

    shown = picture_of(CASES / "pages.tif", said).image()

    assert shown.getpixel((20, 15)) == (200, 0, 0)
    assert said == ["further_pages"]
    with open_image(CASES / "orient6.tif", Limits()) as image:
        assert image.size == (60, 40)
    assert picture_of(CASES / "orient6.tif", said).size == (60, 40)
    assert len(said) == 1
