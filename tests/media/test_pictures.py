"""Pictures as they are handed over: upright, in the right colours, as files."""

from collections.abc import Callable
from fractions import Fraction
from io import BytesIO
from pathlib import Path

import pytest
from av.video.frame import VideoFrame
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from media_analysis.media.films.decoder import Decoded
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import FrameOptions, Limits, PictureFormat, PictureOptions
from media_analysis.media.orientation import Orientation
from media_analysis.media.pictures import Picture, encode, extension_of_format, media_type_of, within
from media_analysis.media.rasters import Darkroom, FrameRaster, stretched
from tests.media import clips, images
from tests.media.pictures import numbered, read_number

GREY, BLUENESS, REDNESS = 180, 100, 150
SPLIT = (64, 48)


def pictures_of(path: Path, **options: object) -> list[Picture]:
    return list(sample_frames(path, FrameOptions.model_validate(options), Limits()))


def opened(content: bytes) -> Image.Image:
    return Image.open(BytesIO(content))


def converted(
    matrix: int, colour_range: int, size: tuple[int, int] = SPLIT, pixels: str = "yuv420p"
) -> tuple[int, ...]:
    frame = VideoFrame(*size, pixels)
    deep = pixels.endswith("10le")
    for plane, value in zip(frame.planes, (GREY, BLUENESS, REDNESS), strict=True):
        sample = (value * 4).to_bytes(2, "little") if deep else bytes([value])
        plane.update(sample * (plane.buffer_size // len(sample)))
    frame.colorspace, frame.color_range = matrix, colour_range
    colour = Darkroom().developed(frame, size).convert("RGB").getpixel((9, 9))
    assert isinstance(colour, tuple)
    return tuple(int(channel) for channel in colour)


def by_the_book(red_share: float, blue_share: float, *, full: bool) -> list[int]:
    """Source: ITU-T H.273, section 8.3, equations for Y, Cb and Cr."""
    scale = 255 if full else 219
    brightness = (GREY - (0 if full else 16)) / scale
    cb, cr = ((value - 128) / (255 if full else 224) for value in (BLUENESS, REDNESS))
    red = brightness + 2 * (1 - red_share) * cr
    blue = brightness + 2 * (1 - blue_share) * cb
    green = (brightness - red_share * red - blue_share * blue) / (1 - red_share - blue_share)
    return [round(255 * min(1, max(0, channel))) for channel in (red, green, blue)]


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize(
    ("matrix", "shares"), [(1, (0.2126, 0.0722)), (5, (0.299, 0.114)), (6, (0.299, 0.114)), (9, (0.2627, 0.0593))]
)
def test_colours_follow_the_matrix_and_the_range(
    matrix: int, shares: tuple[float, float], *, full: bool, pixels: str
) -> None:
    found = converted(matrix, 2 if full else 1, pixels=pixels)

    assert found == pytest.approx(by_the_book(*shares, full=full), abs=3)


@pytest.mark.parametrize("size", [SPLIT, (720, 480), (720, 576), (1278, 538), (320, 576)])
@pytest.mark.parametrize("matrix", [2, 8, 14])
def test_small_pictures_of_which_nothing_is_told_are_of_bt_601(matrix: int, size: tuple[int, int]) -> None:
    assert converted(matrix, 0, size=size) == pytest.approx(by_the_book(0.299, 0.114, full=False), abs=3)


@pytest.mark.parametrize("size", [(1280, 720), (1280, 534), (720, 1280), (960, 578)])
@pytest.mark.parametrize("matrix", [2, 8, 14])
def test_large_pictures_of_which_nothing_is_told_are_of_bt_709(matrix: int, size: tuple[int, int]) -> None:
    """Source: mpv, mp_csp_guess_colorspace: wider than 1279 or higher than 576."""
    assert converted(matrix, 0, size=size) == pytest.approx(by_the_book(0.2126, 0.0722, full=False), abs=3)


@pytest.mark.parametrize(("share_of_signal", "shade"), [(0.0, 0), (0.508, 186), (0.581, 250), (1.0, 255)])
def test_high_range_is_shown_so_that_203_candelas_are_white(share_of_signal: float, shade: int) -> None:
    """100 and 203 candelas per square metre by SMPTE ST 2084; ITU-R BT.2408 makes the latter paper white."""
    frame = VideoFrame(*SPLIT, "yuv420p10le")
    for plane, value in zip(frame.planes, (64 + round(876 * share_of_signal), 512, 512), strict=True):
        plane.update(value.to_bytes(2, "little") * (plane.buffer_size // 2))
    frame.colorspace, frame.color_range, frame.color_trc, frame.color_primaries = 9, 1, 16, 9

    colour = Darkroom().developed(frame, SPLIT).convert("RGB").getpixel((9, 9))

    assert colour == pytest.approx((shade, shade, shade), abs=1)


@pytest.mark.parametrize("transfer", [16, 18])
def test_high_range_films_give_pictures(transfer: int) -> None:
    picture = pictures_of(clips.hdr(transfer), instants=[0.2])[0]

    assert opened(picture.encoded(PictureOptions())).size == (192, 128)


@pytest.mark.parametrize("degrees", [90, 180, -90])
def test_a_turned_video_gives_upright_pictures(degrees: int) -> None:
    picture = pictures_of(clips.turned(degrees), instants=[0.4])[0]

    assert picture.size == ((192, 128) if degrees == 180 else (128, 192))
    assert picture.image().size == picture.size
    assert read_number(picture.image()) == 10
    assert read_number(opened(picture.encoded(PictureOptions(max_height=96)))) == 10


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_as_its_camera_noted(orientation: int) -> None:
    picture = pictures_of(images.oriented(orientation))[0]

    assert picture.size == (192, 128)
    assert read_number(picture.image()) == images.NUMBER


def test_oblong_pixels_become_square() -> None:
    picture = pictures_of(clips.anamorphic(), instants=[0.2])[0]

    assert picture.size == (192, 128)
    assert opened(picture.encoded(PictureOptions())).size == (192, 128)
    assert picture.image(max_width=96).size == (96, 64)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [
        (Fraction(1), (720, 576)),
        (Fraction(16, 11), (1047, 576)),
        (Fraction(1, 2), (720, 1152)),
        (Fraction(1, 1000), (720, 576)),
        (Fraction(0), (720, 576)),
    ],
)
def test_one_side_grows_until_pixels_are_square(aspect: Fraction, size: tuple[int, int]) -> None:
    assert stretched((720, 576), aspect) == size


@given(
    st.integers(1, 20_000), st.integers(1, 20_000), st.none() | st.integers(16, 500), st.none() | st.integers(16, 500)
)
def test_pictures_shrink_to_fit_and_are_never_enlarged(
    width: int, height: int, max_width: int | None, max_height: int | None
) -> None:
    found = within((width, height), max_width, max_height)

    assert 1 <= found[0] <= min(width, max_width or width)
    assert 1 <= found[1] <= min(height, max_height or height)
    assert found[0] / width == pytest.approx(found[1] / height, abs=max(1 / width, 1 / height))


@pytest.mark.parametrize("picture_format", PictureFormat)
def test_a_frame_is_written_in_every_format(picture_format: PictureFormat) -> None:
    content = pictures_of(clips.h264(), instants=[0.5])[0].encoded(PictureOptions(format=picture_format))

    assert opened(content).format == picture_format.value.upper()
    assert Image.MIME[picture_format.value.upper()] == media_type_of(picture_format)
    assert Image.registered_extensions()[f".{extension_of_format(picture_format)}"] == picture_format.value.upper()
    assert read_number(opened(content)) == 12


def test_quality_costs_bytes() -> None:
    picture = pictures_of(clips.sample("bikes"), instants=[2])[0]

    sizes = [len(picture.encoded(PictureOptions(quality=quality))) for quality in (20, 60, 95)]

    assert sizes == sorted(sizes)
    assert sizes[0] < sizes[2] / 3


@pytest.mark.parametrize("path", [images.png, images.png_palette, images.cmyk_jpeg, images.tiff])
@pytest.mark.parametrize("picture_format", PictureFormat)
def test_any_kind_of_pixels_can_be_written(path: Callable[[], Path], picture_format: PictureFormat) -> None:
    content = pictures_of(path())[0].encoded(PictureOptions(format=picture_format, max_width=100))

    assert opened(content).size == (100, 67)
    assert read_number(opened(content)) == images.NUMBER


def test_sixteen_bits_of_grey_keep_the_upper_eight() -> None:
    grey = Image.new("I;16", (20, 20), 0x8040)

    assert opened(encode(grey, PictureOptions(format=PictureFormat.PNG))).getpixel((5, 5)) == (128, 128, 128)


def test_transparency_stays_where_the_format_knows_it_and_is_white_where_not() -> None:
    clear = Image.new("RGBA", (32, 32), (200, 0, 0, 0))

    assert opened(encode(clear, PictureOptions(format=PictureFormat.PNG))).getpixel((5, 5)) == (200, 0, 0, 0)
    assert opened(encode(clear, PictureOptions())).getpixel((5, 5)) == (255, 255, 255)


def test_an_odd_frame_with_transparency_keeps_it() -> None:
    frame = VideoFrame(33, 17, "yuva420p")
    for plane, value in zip(frame.planes, (235, 128, 128, 40), strict=True):
        plane.update(bytes([value]) * plane.buffer_size)
    raster = FrameRaster(decoded=Decoded(frame, Fraction(1), Orientation()), darkroom=Darkroom())

    image = raster.drawn(raster.size)

    assert (image.mode, image.size) == ("RGBA", (33, 17))
    assert image.getpixel((32, 16)) == (255, 255, 255, 40)


def test_webp_is_kept_within_what_it_can_hold() -> None:
    wide = Image.new("RGB", (20_000, 10))

    assert opened(encode(wide, PictureOptions(format=PictureFormat.WEBP))).size == (16_383, 8)
    assert opened(encode(wide, PictureOptions(format=PictureFormat.PNG))).size == (20_000, 10)


def test_two_instants_that_show_the_same_frame_are_written_once() -> None:
    first, second, third = pictures_of(clips.h264(), instants=[0.5, 0.501, 0.6])

    assert first.encoded(PictureOptions()) is second.encoded(PictureOptions())
    assert first.encoded(PictureOptions()) != third.encoded(PictureOptions())
    assert first.encoded(PictureOptions(quality=10)) != second.encoded(PictureOptions())


def test_a_thumbnail_looks_like_its_picture() -> None:
    picture = pictures_of(clips.h264(), instants=[1.0])[0]

    assert picture.image(max_width=48).size == (48, 32)
    assert read_number(picture.image(max_width=48)) == read_number(picture.image()) == 25
    assert numbered(25, 192, 128).size == picture.image().size
