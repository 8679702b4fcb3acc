"""Deep TIFFs, and others that Pillow reads not or wrongly, are shown right or refused by what they are.

Source of what is right: TIFF 6.0, and `convert` of ImageMagick 6.9.11 with libtiff 4.5, which shows the same of each
but of signed numbers of 8 and 32 bits, which it takes for unsigned ones, and of 32 bits where 0 is white.
"""

import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageCms

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from tests.media.images import CASES
from tests.media.tiffs import packed, tiff

WIDTH = 16
SHADES = [17 * column for column in range(WIDTH)]
"""Of 8 bits, from black to white."""
DEPTHS = [(1, 8), (1, 16), (1, 32), (2, 8), (2, 16), (2, 32), (3, 16), (3, 32), (3, 64)]
RGB, CMYK = 2, 5
ALPHA = {338: ("H", [2])}
MULTIPLIED = {338: ("H", [1])}


def samples(sample_format: int, bits: int, shades: Sequence[int], order: str) -> bytes:
    if sample_format == 3:
        return packed([shade / 255 for shade in shades], bits, 3, order)
    lowest = -(1 << bits - 1) if sample_format == 2 else 0
    return packed([lowest + shade * ((1 << bits) - 1) // 255 for shade in shades], bits, sample_format, order)


def shown(path: Path) -> list[tuple[int, ...]]:
    (picture,) = sample_frames(path, SamplingOptions(instants=[0]), Limits())
    image = picture.image()
    found = [image.getpixel((column, image.height - 1)) for column in range(image.width)]
    assert all(isinstance(pixel, tuple) for pixel in found)
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(("sample_format", "bits"), DEPTHS)
@pytest.mark.parametrize("planar", [False, True], ids=["pixels", "planes"])
def test_colours_of_any_depth_are_shown(
    sample_format: int,
    bits: int,
    planar: bool,  # noqa: FBT001
    order: str,
    tmp_path: Path,
) -> None:
    colours = [SHADES, SHADES[::-1], [51] * WIDTH]
    if planar:
        pixels: Any = [samples(sample_format, bits, colour, order) for colour in colours]
    else:
        together = [shade for pixel in zip(*colours, strict=True) for shade in pixel]
        pixels = samples(sample_format, bits, together, order)
    path = tmp_path / "deep.tif"
    tiff(path, (WIDTH, 1), pixels, bits=[bits] * 3, photometric=RGB, sample_format=sample_format, order=order)

    assert shown(path) == [tuple(pixel) for pixel in zip(*colours, strict=True)]
    assert probe(path, Limits()).width == WIDTH


@pytest.mark.parametrize("order", ["<", ">"], ids=["little", "big"])
@pytest.mark.parametrize(("sample_format", "bits"), DEPTHS)
@pytest.mark.parametrize("white_is_zero", [False, True], ids=["black", "white"])
def test_greys_of_any_depth_are_shown(
    sample_format: int,
    bits: int,
    white_is_zero: bool,  # noqa: FBT001
    order: str,
    tmp_path: Path,
) -> None:
    path = tmp_path / "grey.tif"
    told = {"photometric": int(not white_is_zero), "sample_format": sample_format, "order": order}
    tiff(path, (WIDTH, 1), samples(sample_format, bits, SHADES, order), bits=[bits], **told)  # type: ignore[arg-type]

    expected = SHADES[::-1] if white_is_zero else SHADES
    assert shown(path) == [(shade, shade, shade) for shade in expected]


@pytest.mark.parametrize("compression", [1, 8])
def test_grey_of_sixteen_bits_keeps_its_transparency(compression: int, tmp_path: Path) -> None:
    pixels = samples(1, 16, [value for shade in SHADES for value in (shade, 68)], "<")
    path = tiff(tmp_path / "clear.tif", (WIDTH, 1), pixels, bits=[16, 16], compression=compression, tags=ALPHA)

    assert shown(path) == [(shade, shade, shade, 68) for shade in SHADES]


def test_colours_multiplied_by_their_alpha_are_divided_by_it(tmp_path: Path) -> None:
    pixels = bytes(value for shade in SHADES for value in (shade // 3, 85))
    deep = samples(1, 16, list(pixels), "<")
    colours = samples(3, 32, [value for shade in SHADES for value in (*[shade // 3] * 3, 85)], "<")
    paths = [
        tiff(tmp_path / "grey.tif", (WIDTH, 1), pixels, bits=[8, 8], tags=MULTIPLIED),
        tiff(tmp_path / "deep.tif", (WIDTH, 1), deep, bits=[16, 16], tags=MULTIPLIED),
        tiff(
            tmp_path / "float.tif",
            (WIDTH, 1),
            colours,
            bits=[32] * 4,
            photometric=RGB,
            sample_format=3,
            tags=MULTIPLIED,
        ),
    ]

    for path in paths:
        assert [pixel[0] for pixel in shown(path)] == pytest.approx(SHADES, abs=3)
        assert {pixel[3] for pixel in shown(path)} == {85}


def test_inks_plane_by_plane_are_shown(tmp_path: Path) -> None:
    inks = [samples(1, 16, SHADES, "<"), *[samples(1, 16, [0] * WIDTH, "<")] * 3]
    path = tiff(tmp_path / "cmyk.tif", (WIDTH, 1), inks, bits=[16] * 4, photometric=CMYK)

    assert shown(path) == [(255 - shade, 255, 255) for shade in SHADES]


@pytest.mark.parametrize("factor", [257, 1], ids=["of 16 bits", "of 8 bits, as some write"])
def test_a_palette_is_of_sixteen_bits_or_taken_as_meant(factor: int, tmp_path: Path) -> None:
    colours = [[factor * shade for shade in SHADES] + [0] * 240, [factor * 51] * 256, [0] * 256]
    tags = {320: ("H", [number for colour in colours for number in colour])}
    path = tiff(tmp_path / "palette.tif", (WIDTH, 1), bytes(range(WIDTH)), photometric=3, tags=tags)

    assert shown(path) == [(shade, 51, 0) for shade in SHADES]


def test_compressed_floats_are_shown() -> None:
    """Source: `convert` of ImageMagick, which wrote it (LZW, predictor of floating point)."""
    (picture,) = sample_frames(CASES / "rgbf32_lzw.tif", SamplingOptions(instants=[0]), Limits())

    places = [(0, 4), (32, 4), (63, 4), (32, 24), (32, 40)]
    assert [picture.image().getpixel(place) for place in places] == [
        pytest.approx(colour, abs=1)
        for colour in ((0, 0, 0), (129, 129, 129), (255, 255, 255), (200, 60, 40), (20, 160, 240))
    ]


@pytest.mark.parametrize("planar", [False, True], ids=["pixels", "planes"])
def test_deflated_floats_are_shown_whole_or_refused(planar: bool, tmp_path: Path) -> None:  # noqa: FBT001
    colours = [SHADES, SHADES[::-1], [51] * WIDTH]
    planes = [samples(3, 32, colour, "<") for colour in colours]
    together = samples(3, 32, [shade for pixel in zip(*colours, strict=True) for shade in pixel], "<")
    path = tmp_path / "deflated.tif"
    told = {"bits": [32] * 3, "photometric": RGB, "sample_format": 3, "compression": 8}
    tiff(path, (WIDTH, 1), planes if planar else together, **told)  # type: ignore[arg-type]

    assert shown(path) == [tuple(pixel) for pixel in zip(*colours, strict=True)]
    content = path.read_bytes()
    path.write_bytes(content[:20] + bytes([content[20] ^ 0x5A]) + content[21:])
    with pytest.raises(CorruptMedia):
        shown(path)


def test_what_is_told_beside_deep_samples_counts(tmp_path: Path) -> None:
    """Turned, of uneven dots, and in Display P3: (217, 42, 23) by littlecms for (200, 60, 40)."""
    with Image.open(CASES / "p3.png") as image:
        profile = image.info["icc_profile"]
    tags = {
        274: ("H", [6]),
        282: ("I", [200]),
        283: ("I", [100]),
        34_675: ("B", list(profile)),
    }
    pixels = samples(3, 32, [200, 60, 40] * 32, "<")
    path = tiff(tmp_path / "told.tif", (8, 4), pixels, bits=[32] * 3, photometric=RGB, sample_format=3, tags=tags)
    (picture,) = sample_frames(path, SamplingOptions(instants=[0]), Limits())
    told = probe(path, Limits())

    assert picture.size == (8, 8)
    assert picture.image().getpixel((4, 4)) == pytest.approx((217, 42, 23), abs=3)
    assert (told.width, told.height) == (4, 8)
    assert told.image is not None
    assert told.image.icc_profile == ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(BytesIO(profile))).strip()


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"bits": [14]}, "grey of 14 bits"),
        ({"bits": [12] * 3, "photometric": RGB}, "RGB of 12 bits"),
        ({"bits": [8] * 3, "photometric": 9}, "ICC Lab"),
        ({"bits": [32] * 3, "photometric": RGB, "compression": 50_000}, "RGB of 32 bits .Zstandard"),
        ({"bits": [16], "sample_format": 3, "compression": 5}, "grey of 16 bits in floating point .LZW"),
        ({"bits": [8], "sample_format": 2, "compression": 5}, "grey of 8 bits, signed .LZW"),
        ({"bits": [8] * 3, "photometric": RGB, "compression": 50_001}, "WebP"),
        ({"bits": [8] * 3, "photometric": RGB, "compression": 34_712}, "JPEG 2000"),
        ({"bits": [8] * 3, "photometric": RGB, "compression": 50_123}, "compression 50123"),
        ({"bits": [16] * 3, "photometric": 32_845}, "LogLuv"),
        ({"bits": [16], "photometric": 32_803}, "raw sensor data"),
        ({"bits": [16] * 3, "photometric": 34_892, "compression": 7}, "raw sensor data"),
        ({"bits": [8, 16, 8], "photometric": RGB}, "uneven depth"),
    ],
)
def test_what_is_not_read_is_refused_by_its_name(told: dict[str, Any], words: str, tmp_path: Path) -> None:
    path = tiff(tmp_path / "odd.tif", (4, 4), bytes(4096), **told)

    for read in (probe, lambda path, limits: list(sample_frames(path, SamplingOptions(), limits))):
        with pytest.raises(UnsupportedMedia, match=words):
            read(path, Limits())


def test_lossless_jpeg_is_no_corrupt_file(tmp_path: Path) -> None:
    """Source: ISO/IEC 10918-1, table B.1: 0xC3 begins a frame of lossless coding."""
    frame = b"\xff\xd8\xff\xc4\0\x04\0\0\xff\xc3\0\x0b\x10\0\x04\0\x04\1\1\x11\0\xff\xda\0\x08\1\1\0\1\0\0"
    path = tiff(tmp_path / "lossless.tif", (4, 4), frame + bytes(64), bits=[16], compression=7)

    with pytest.raises(UnsupportedMedia, match="lossless JPEG"):
        probe(path, Limits())


def test_deep_planes_in_tiles_are_refused_by_name(tmp_path: Path) -> None:
    planes = [bytes(512)] * 3
    tags = {322: ("I", [16]), 323: ("I", [16])}
    path = tiff(tmp_path / "tiles.tif", (16, 16), planes, bits=[16] * 3, photometric=RGB, tags=tags)

    with pytest.raises(UnsupportedMedia, match="in tiles, plane by plane"):
        shown(path)


def test_a_deep_picture_that_is_cut_or_too_large_is_refused(tmp_path: Path) -> None:
    path = tiff(tmp_path / "deep.tif", (64, 64), bytes(64 * 64 * 12), bits=[32] * 3, photometric=RGB)
    with pytest.raises(MediaLimitPassed, match="pixels"):
        probe(path, Limits(max_pixels=64 * 64 - 1))
    content = path.read_bytes()
    end = struct.pack("<HHII", 257, 4, 1, 64)
    path.write_bytes(content.replace(end, struct.pack("<HHII", 257, 4, 1, 6400)))

    with pytest.raises(CorruptMedia):
        shown(path)


@pytest.mark.parametrize(("tag", "value"), [(256, 0), (257, 0), (273, 2**32 - 1)])
@pytest.mark.parametrize("bits", [8, 16])
def test_no_pixels_and_places_beyond_the_end_are_corrupt(tag: int, value: int, bits: int, tmp_path: Path) -> None:
    planes = [bytes(64)] * 3
    path = tiff(tmp_path / "odd.tif", (4, 4), planes, bits=[bits] * 3, photometric=RGB, tags={tag: ("I", [value] * 3)})

    with pytest.raises(CorruptMedia):
        shown(path)


def test_a_directory_beyond_all_files_is_corrupt(tmp_path: Path) -> None:
    path = tmp_path / "beyond.tif"
    path.write_bytes(b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(64))

    with pytest.raises(CorruptMedia):
        probe(path, Limits())


def test_a_tag_of_another_type_than_it_has_costs_no_more_than_what_a_camera_noted(tmp_path: Path) -> None:
    path = tmp_path / "odd.tif"
    Image.new("RGB", (8, 8)).save(path, tiffinfo={271: "Lumen"})
    content = path.read_bytes()
    make = struct.pack("<HHI", 271, 2, 6)
    assert content.count(make) == 1
    path.write_bytes(content.replace(make, struct.pack("<HHI", 271, 12, 2**28)))

    assert probe(path, Limits()).width == 8


def test_rows_of_one_strip_each_are_gathered(tmp_path: Path) -> None:
    tags = {273: ("I", [8 + 12 * row for row in range(60)]), 279: ("I", [12] * 60), 278: ("I", [1])}
    pixels = samples(1, 32, [4 * row for row in range(60) for _ in range(3)], "<")
    path = tiff(tmp_path / "thin.tif", (1, 60), pixels, bits=[32] * 3, photometric=RGB, tags=tags)

    (picture,) = sample_frames(path, SamplingOptions(instants=[0]), Limits())

    assert [picture.image().getpixel((0, row)) for row in (0, 30, 59)] == [(0,) * 3, (120,) * 3, (236,) * 3]
