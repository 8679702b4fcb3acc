"""JPEGs one behind the other: a film, unless they are what cameras store behind a picture."""

from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe
from media_analysis.media.stills.images import image_format
from media_analysis.media.types.sniff import HEAD_BYTES, sniff_file
from tests.media.encoding import Film, Pictures, write_film

COLOURS = [(200, 60, 40), (40, 200, 60), (60, 40, 200)]


def jpeg(colour: tuple[int, int, int], size: tuple[int, int] = (96, 64), **options: bool) -> bytes:
    target = BytesIO()
    Image.new("RGB", size, colour).save(target, "JPEG", quality=95, **options)
    return target.getvalue()


def test_pictures_of_one_size_are_a_film(tmp_path: Path) -> None:
    """Source: `ffprobe -f mjpeg`: full range, and 25 frames a second where nothing is told."""
    path = tmp_path / "camera"
    path.write_bytes(b"".join(map(jpeg, COLOURS)))

    told = probe(path, Limits())
    found = list(sample_frames(path, SamplingOptions(keyframes=True), Limits()))

    assert (told.kind, told.media_type, told.format, told.video_codec) == (
        "video",
        "video/x-motion-jpeg",
        "mjpeg",
        "mjpeg",
    )
    assert (told.frames, told.frame_rate) == (3, 25)
    assert told.duration_seconds == pytest.approx(0.12)
    assert (told.width, told.height, told.colour and told.colour.range) == (96, 64, "full")
    assert [each.instant_seconds for each in found] == [0, 0.04, 0.08]
    for picture, colour in zip(found, COLOURS, strict=True):
        assert picture.image().getpixel((5, 5)) == pytest.approx(colour, abs=3)


@pytest.mark.parametrize("container", ["avi", "mov", "matroska", "mjpeg"])
def test_motion_jpeg_has_its_full_range_in_every_container(container: str, tmp_path: Path) -> None:
    pictures = Pictures(
        codec="mjpeg",
        pixel_format="yuvj420p",
        count=5,
        paint=lambda number, width, height: Image.new("RGB", (width, height), COLOURS[number % 3]),
    )
    path = write_film(tmp_path / "film", Film(pictures=pictures, container=container))

    found = list(sample_frames(path, SamplingOptions(keyframes=True), Limits()))

    assert [each.instant_seconds for each in found] == [0, 0.04, 0.08, 0.12, 0.16]
    for number, picture in enumerate(found):
        assert picture.image().getpixel((5, 5)) == pytest.approx(COLOURS[number % 3], abs=4)


def mpo() -> bytes:
    """Return two pictures of one size, as cameras with two lenses store them."""
    target = BytesIO()
    first, second = (Image.new("RGB", (96, 64), colour) for colour in COLOURS[:2])
    first.save(target, "MPO", save_all=True, append_images=[second])
    return target.getvalue()


STILLS = {
    "one": jpeg(COLOURS[0]),
    "of several scans": jpeg(COLOURS[0], progressive=True),
    "with a directory of more": mpo(),
    "with a preview behind": jpeg(COLOURS[0]) + jpeg(COLOURS[0], (48, 32)),
    "with something else behind": jpeg(COLOURS[0]) + b"\0\0\0\x18ftypmp42" + bytes(100),
    "with half a picture behind": jpeg(COLOURS[0]) + jpeg(COLOURS[0])[:20],
}


@pytest.mark.parametrize("name", STILLS)
def test_a_still_picture_stays_one(name: str, tmp_path: Path) -> None:
    path = tmp_path / "still.jpg"
    path.write_bytes(STILLS[name])

    told = probe(path, Limits())
    (picture,) = sample_frames(path, SamplingOptions(count=3), Limits())

    assert (told.kind, told.media_type, told.frames, told.width) == ("image", "image/jpeg", 1, 96)
    assert picture.image().getpixel((5, 5)) == pytest.approx(COLOURS[0], abs=3)


def test_the_beginning_of_a_large_picture_leaves_open_whether_more_follow(tmp_path: Path) -> None:
    noise = Image.effect_noise((640, 480), 90).convert("RGB")
    noise.save(tmp_path / "one.jpg", quality=95)
    content = (tmp_path / "one.jpg").read_bytes()
    (tmp_path / "film").write_bytes(content * 2)
    assert len(content) > HEAD_BYTES

    begins = sniff_file(BytesIO(content[:HEAD_BYTES]), declared=None)

    assert begins == ("image/jpeg", False)
    assert sniff_file(BytesIO(content), declared=None).media_type == "image/jpeg"
    assert sniff_file(BytesIO(content * 2), declared=None) == ("video/x-motion-jpeg", True)
    assert (image_format(tmp_path / "one.jpg"), image_format(tmp_path / "film")) == ("JPEG", None)


def test_a_directory_of_more_is_certain_from_the_beginning() -> None:
    begins = sniff_file(BytesIO((mpo() + bytes(2 * HEAD_BYTES))[:HEAD_BYTES]), declared=None)

    assert begins == ("image/jpeg", True)


def test_a_second_picture_that_is_cut_off_leaves_it_open() -> None:
    begins = sniff_file(BytesIO(jpeg(COLOURS[0]) + jpeg(COLOURS[1])[:20]), declared=None)

    assert begins == ("image/jpeg", False)


def test_no_more_than_eight_mebibytes_of_a_picture_are_looked_through_for_its_end() -> None:
    content = jpeg(COLOURS[0])
    endless = BytesIO(content[:-2] + bytes(16 * 2**20) + content[-2:] + content)
    looked_at = 0

    class Counted(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            nonlocal looked_at
            found = super().read(size)
            looked_at += len(found)
            return found

    assert sniff_file(Counted(endless.getvalue()), declared=None) == ("image/jpeg", False)
    assert looked_at < 9 * 2**20
