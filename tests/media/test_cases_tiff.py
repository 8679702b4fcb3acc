"""Small TIFFs that were shown wrongly once, and what they show by `tiffinfo` and TIFF revision 6.0."""

from pathlib import Path

import pytest
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.pictures import Picture
from media_analysis.media.probe import probe
from media_analysis.media.stills.images import open_image

CASES = Path(__file__).parent / "cases"
RAMP_WIDTH = 64
DEEP = ["grey12", "grey16", "grey32u", "float32", "rgbf32"]
"""Ramps from black to white over `RAMP_WIDTH` columns."""
PREVIEW, BIG_PREVIEW = bytes.fromhex("fe0004000100000001000000"), bytes.fromhex("fe000400010000000000000001000000")
"""What says that a page is a smaller copy: tag, type, number, value; in BigTIFF the number has eight bytes."""


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
    told = probe(CASES / "fax.tif", Limits())

    assert (told.width, told.height) == (432, 208)
    assert (told.sample_aspect_ratio, told.display_aspect_ratio) == ("49:102", "432:433")
    assert picture_of(CASES / "fax.tif").size == (432, 433)
    assert picture_of(CASES / "fax.tif").image(max_width=216).size == (216, 216)


@pytest.mark.parametrize(("orientation", "size"), [(1, (40, 40)), (6, (40, 40))])
def test_uneven_dots_are_those_of_the_stored_picture(orientation: int, size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "turned.tif"
    tags = ImageFileDirectory_v2()
    tags[274] = orientation
    Image.new("RGB", (40, 20), (1, 2, 3)).save(path, dpi=(200, 100), tiffinfo=tags)

    assert picture_of(path).size == size
    assert probe(path, Limits()).display_aspect_ratio == "1:1"


def test_uneven_dots_of_what_is_no_tiff_are_left_out_of_account(tmp_path: Path) -> None:
    path = tmp_path / "uneven.png"
    Image.new("RGB", (40, 20)).save(path, dpi=(200, 100))

    assert picture_of(path).size == (40, 20)
    assert (probe(path, Limits()).sample_aspect_ratio, probe(path, Limits()).display_aspect_ratio) == ("1:1", "2:1")


def test_of_several_pages_the_first_is_shown_and_it_is_said() -> None:
    said: list[str] = []

    shown = picture_of(CASES / "pages.tif", said).image()

    assert shown.getpixel((20, 15)) == (200, 0, 0)
    assert said == ["further_pages"]
    with open_image(CASES / "orient6.tif", Limits()) as image:
        assert image.size == (60, 40)
    assert picture_of(CASES / "orient6.tif", said).size == (60, 40)
    assert len(said) == 1


def changed(path: Path, name: str, old: str, new: str) -> Path:
    """Copy a case with an entry of a directory (tag, type, number, value; in hexadecimal) replaced."""
    content = (CASES / name).read_bytes()
    assert content.count(bytes.fromhex(old)) == 1
    path.write_bytes(content.replace(bytes.fromhex(old), bytes.fromhex(new)))
    return path


def test_a_dng_is_its_full_picture_and_not_its_preview() -> None:
    """The full picture, 160 x 120, stands below a first page of 16 x 12 that is said to be reduced."""
    said: list[str] = []

    told, picture = probe(CASES / "preview.dng", Limits()), picture_of(CASES / "preview.dng", said)

    assert (told.width, told.height, told.format, told.frames) == (160, 120, "tiff", 1)
    assert (picture.size, picture.image().size, said) == ((160, 120), (160, 120), [])


def test_a_preview_whose_picture_is_raw_or_unknown_is_refused_in_words(tmp_path: Path) -> None:
    content = (CASES / "preview.dng").read_bytes()
    below = content.rindex(bytes.fromhex("060103000100000002000000"))
    for photometric, words in ((32_803, "raw sensor data"), (34_892, "raw sensor data"), (999, "unknown colours")):
        path = tmp_path / f"{photometric}.dng"
        path.write_bytes(content[: below + 8] + photometric.to_bytes(2, "little") + content[below + 10 :])

        with pytest.raises(UnsupportedMedia, match=words):
            probe(path, Limits())
        with pytest.raises(UnsupportedMedia, match=words):
            picture_of(path)


def test_a_preview_in_front_of_its_picture_is_passed_over_compressed_or_not(tmp_path: Path) -> None:
    path = tmp_path / "two.tif"
    preview = Image.new("RGB", (8, 8), (9, 9, 9))
    for compression, reduced in (("raw", PREVIEW), ("tiff_lzw", PREVIEW), ("raw", BIG_PREVIEW)):
        large = Image.new("RGB", (80, 60), (200, 100, 50))
        preview.save(
            path,
            save_all=True,
            append_images=[large],
            tiffinfo={254: 1},
            compression=compression,
            big_tiff=reduced is BIG_PREVIEW,
        )
        content = path.read_bytes()
        last = content.rindex(reduced)
        value = last + len(reduced) - 4
        path.write_bytes(content[:value] + bytes(4) + content[value + 4 :])

        assert content.count(reduced) == 2
        assert picture_of(path).size == (80, 60)
        assert picture_of(path).image().getpixel((40, 30)) == (200, 100, 50)


def test_float_rgb_is_bounded_and_refused_in_words_where_it_cannot_be_read(tmp_path: Path) -> None:
    for compression, words in ((50_000, "RGB of 32 bits in floating point .Zstandard. is not read"), (8, "decoded")):
        told = f"0301030001000000{compression.to_bytes(2, 'little').hex()}0000"
        compressed = changed(tmp_path / "zip.tif", "rgbf32.tif", "030103000100000001000000", told)
        with pytest.raises(UnsupportedMedia if compression == 50_000 else CorruptMedia, match=words):
            picture_of(compressed)
    cut = tmp_path / "cut.tif"
    cut.write_bytes((CASES / "rgbf32.tif").read_bytes()[:-100])
    with pytest.raises(CorruptMedia):
        picture_of(cut)
    with pytest.raises(MediaLimitPassed):
        probe(CASES / "rgbf32.tif", Limits(max_pixels=64 * 16 - 1))


@pytest.mark.parametrize("name", ["preview.dng", "rgbf32.tif", "pages.tif"])
def test_a_damaged_directory_is_refused_and_nothing_else(name: str, tmp_path: Path) -> None:
    content, path = (CASES / name).read_bytes(), tmp_path / name
    for place in range(2, 400):
        path.write_bytes(content[:place] + b"\xff\xff" + content[place + 2 :])
        try:
            probe(path, Limits())
        except (CorruptMedia, UnsupportedMedia, MediaLimitPassed):
            continue
