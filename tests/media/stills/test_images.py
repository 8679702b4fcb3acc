"""Images are told by their content, upright and with what their cameras noted."""

import shutil
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, UnsupportedMedia
from media_analysis.media.facts import MediaKind, ProbeDocument
from media_analysis.media.options import Limits
from media_analysis.media.orientation import Orientation
from media_analysis.media.probe import probe
from media_analysis.media.stills.images import image_format, load_frame, open_image
from tests.media import clips, images
from tests.media.pictures import read_number


def facts(path: Path) -> ProbeDocument:
    return probe(path, Limits())


@pytest.mark.parametrize(
    ("still", "name", "mode", "frames"),
    [
        (images.png, "png", "RGBA", 1),
        (images.png_16_bit, "png", "I;16", 1),
        (images.png_palette, "png", "P", 1),
        (images.webp, "webp", "RGB", 1),
        (images.animated_webp, "webp", "RGB", images.FRAMES),
        (images.animated_gif, "gif", "P", images.FRAMES),
        (images.tiff, "tiff", "RGB", 1),
        (images.bmp, "bmp", "RGB", 1),
        (images.avif, "avif", "RGB", 1),
        (images.cmyk_jpeg, "jpeg", "CMYK", 1),
    ],
)
def test_every_format_is_described(still: Callable[[], Path], name: str, mode: str, frames: int) -> None:
    told = facts(still())

    assert told.image is not None
    assert (told.kind, told.format, told.media_type) == (MediaKind.IMAGE, name, f"image/{name}")
    assert (told.width, told.height, told.frames) == (images.WIDTH, images.HEIGHT, frames)
    assert (told.image.mode, told.image.animated) == (mode, frames > 1)
    assert (told.duration_seconds, told.frame_rate, told.video_codec, told.streams) == (None, None, None, [])


def test_what_a_camera_noted_is_readable() -> None:
    told = facts(images.jpeg())

    assert told.image is not None
    assert told.image.camera is not None
    assert told.image.camera.model_dump(exclude_none=True) == {
        "make": "Lumen",
        "model": "L-1",
        "lens": "Lumen 50 mm",
        "taken_at": "2024-05-06T07:08:09+02:00",
        "exposure_seconds": 0.004,
        "f_number": 2.8,
        "iso": 400,
        "focal_length_mm": 50.0,
        "latitude": -33.86,
        "longitude": 151.21,
        "altitude_metres": 58.0,
    }
    assert (told.image.icc_profile, told.image.dpi) == ("sRGB built-in", (72.0, 72.0))
    assert (told.width, told.height, told.rotation_degrees) == (images.WIDTH, images.HEIGHT, 90)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_all_eight_orientations_stand_upright(orientation: int) -> None:
    told = facts(images.oriented(orientation))

    with open_image(images.oriented(orientation), Limits()) as image:
        turn = Orientation.of_exif(image.getexif().get(0x0112))
        upright = image if turn.transpose is None else image.transpose(turn.transpose)
        assert read_number(upright) == images.NUMBER
        assert upright.tobytes() == ImageOps.exif_transpose(image).tobytes()
    assert (told.width, told.height) == (images.WIDTH, images.HEIGHT)
    assert (told.rotation_degrees, told.mirrored) == (turn.degrees, turn.mirrored)


@pytest.mark.parametrize("nonsense", [0, 9, "6", None, 6.5])
def test_an_orientation_nobody_knows_is_upright(nonsense: object) -> None:
    assert Orientation.of_exif(nonsense) == Orientation()


@pytest.mark.parametrize("still", [images.animated_gif, images.animated_webp])
def test_frames_of_animations_load_in_any_order(still: Callable[[], Path]) -> None:
    with open_image(still(), Limits()) as image:
        numbers = [read_number(load_frame(image, Limits(), frame=frame)) for frame in (2, 0, 3, 1)]

    assert numbers == [2, 0, 3, 1]


def test_a_frame_that_is_not_there_is_corrupt() -> None:
    with open_image(images.animated_gif(), Limits()) as image, pytest.raises(CorruptMedia, match="frame 9"):
        load_frame(image, Limits(), frame=9)


def test_heic_is_refused_with_a_sentence_that_says_what_to_do() -> None:
    with pytest.raises(UnsupportedMedia, match="HEIC is not read here; JPEG, PNG, WebP, AVIF, TIFF, GIF and BMP are"):
        facts(images.heic())


@pytest.mark.parametrize(
    ("brands", "expected"),
    [(b"mif1\0\0\0\0avifmif1", "AVIF"), (b"avis\0\0\0\0avifmsf1", "AVIF"), (b"isom\0\0\0\0mp41avc1", None)],
)
def test_brands_tell_images_from_videos(brands: bytes, expected: str | None, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes((8 + len(brands)).to_bytes(4) + b"ftyp" + brands)

    assert image_format(path) == expected


@pytest.mark.parametrize("name", ["camera.mp4", "camera.png", "camera", "camera.heic"])
def test_a_name_decides_nothing(name: str, tmp_path: Path) -> None:
    named = Path(shutil.copy(images.jpeg(), tmp_path / name))

    assert facts(named).format == "jpeg"


def test_a_video_is_no_image() -> None:
    assert image_format(clips.h264()) is None
    with pytest.raises(UnsupportedMedia), open_image(clips.h264(), Limits()):
        pass


def test_the_limit_is_exact_and_leaves_nothing_behind() -> None:
    usual = Image.MAX_IMAGE_PIXELS, list(warnings.filters)
    pixels = images.WIDTH * images.HEIGHT

    with open_image(images.png(), Limits(max_pixels=pixels)) as image:
        assert read_number(load_frame(image, Limits())) == images.NUMBER
    with pytest.raises(MediaLimitPassed) as refused, open_image(images.png(), Limits(max_pixels=pixels - 1)):
        pass

    assert (refused.value.what, refused.value.found, refused.value.allowed) == ("pixels", pixels, pixels - 1)
    assert (Image.MAX_IMAGE_PIXELS, list(warnings.filters)) == usual


@pytest.mark.parametrize("still", [images.jpeg, images.png, images.webp, images.tiff, images.bmp, images.avif])
def test_a_cut_image_is_corrupt_when_it_is_loaded_at_the_latest(still: Callable[[], Path], tmp_path: Path) -> None:
    content = still().read_bytes()
    cut = tmp_path / "cut"
    cut.write_bytes(content[: len(content) // 2])

    with pytest.raises(CorruptMedia), open_image(cut, Limits()) as image:
        load_frame(image, Limits())


def test_a_page_larger_than_the_first_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "pages.tiff"
    Image.new("L", (10, 10)).save(path, save_all=True, append_images=[Image.new("L", (500, 500))])

    with open_image(path, Limits(max_pixels=10_000)) as image, pytest.raises(MediaLimitPassed):
        load_frame(image, Limits(max_pixels=10_000), frame=1)
    told = probe(path, Limits(max_pixels=10_000))
    assert told.image is not None
    assert (told.frames, told.image.animated) == (2, False)


def test_errors_of_the_block_itself_pass_as_they_are() -> None:
    with pytest.raises(OSError, match="disk full"), open_image(images.png(), Limits()):
        raise OSError(28, "disk full")
    with pytest.raises(KeyError, match="mine"), open_image(images.png(), Limits()):
        raise KeyError("mine")
