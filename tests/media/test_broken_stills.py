"""Of images that break off, what decodes is kept, and it is said."""

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image, ImageFile

from media_analysis.errors.media import CorruptMedia
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.pictures import Picture
from media_analysis.media.probe import probe
from media_analysis.media.wholeness import is_truncated
from tests.media import stills
from tests.media.pictures import MARKERS

Said = list[str]
PARTLY_READ: list[Callable[[], Path]] = [
    stills.jpeg,
    stills.cmyk_jpeg,
    stills.png,
    stills.png_16_bit,
    stills.png_palette,
    stills.animated_gif,
]
"""Formats whose decoders give what they have; those of WebP, AVIF and TIFF give all or nothing."""
ALL_OR_NOTHING: list[Callable[[], Path]] = [stills.webp, stills.animated_webp, stills.avif, stills.tiff]


@pytest.fixture
def cut(tmp_path: Path) -> Callable[[Path, float], Path]:
    """Copies the first part of a file."""

    def cutting(whole: Path, share: float) -> Path:
        content = whole.read_bytes()
        path = tmp_path / f"cut_{whole.name}"
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return cutting


def taken(path: Path, said: Said) -> list[Picture]:
    options = SamplingOptions(instants=[0])
    return list(sample_frames(path, options, Limits(), notice=lambda code, _: said.append(code)))


def colour(picture: Image.Image, column: int) -> tuple[int, ...]:
    """Return the colour in the top row of a numbered picture."""
    found = picture.convert("RGB").getpixel((round((column + 0.5) * picture.width / 4), picture.height // 16))
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize("still", PARTLY_READ)
def test_what_decodes_of_a_cut_image_is_shown_and_it_is_said_once(
    still: Callable[[], Path], cut: Callable[[Path, float], Path]
) -> None:
    said: Said = []

    (picture,) = taken(cut(still(), 0.92 if still is stills.jpeg else 0.75), said)

    assert picture.size == (stills.WIDTH, stills.HEIGHT)
    assert said == ["truncated"]


@pytest.mark.parametrize("still", [stills.png, stills.animated_gif, stills.cmyk_jpeg])
def test_it_stands_where_it_stood(still: Callable[[], Path], cut: Callable[[Path, float], Path]) -> None:
    whole, broken = (taken(path, [])[0].image() for path in (still(), cut(still(), 0.75)))

    assert [colour(broken, column) for column in range(len(MARKERS))] == [
        colour(whole, column) for column in range(len(MARKERS))
    ]


@pytest.mark.parametrize("still", [*PARTLY_READ, stills.webp, stills.avif])
def test_a_whole_image_is_not_remarked_on(still: Callable[[], Path]) -> None:
    said: Said = []

    taken(still(), said)

    assert said == []
    assert is_truncated(still()) is False
    assert probe(still(), Limits()).truncated is False


@pytest.mark.parametrize("still", PARTLY_READ)
def test_the_last_byte_missing_is_truncated_already(
    still: Callable[[], Path], cut: Callable[[Path, float], Path]
) -> None:
    path = cut(still(), 0.9999)

    assert probe(path, Limits()).truncated is True


@pytest.mark.parametrize("still", ALL_OR_NOTHING)
def test_what_gives_all_or_nothing_is_corrupt(still: Callable[[], Path], cut: Callable[[Path, float], Path]) -> None:
    with pytest.raises(CorruptMedia):
        taken(cut(still(), 0.75), [])


@pytest.mark.parametrize("still", [*PARTLY_READ, stills.bmp])
def test_a_header_without_pixels_is_corrupt(still: Callable[[], Path], tmp_path: Path) -> None:
    path = tmp_path / "header"
    path.write_bytes(still().read_bytes()[:60])

    with pytest.raises(CorruptMedia):
        taken(path, [])


def test_a_bmp_that_breaks_off_is_called_damaged(cut: Callable[[Path, float], Path]) -> None:
    said: Said = []

    (picture,) = taken(cut(stills.bmp(), 0.75), said)

    assert picture.size == (stills.WIDTH, stills.HEIGHT)
    assert said == ["damaged"]


def test_pixels_that_cannot_be_unpacked_are_called_damaged(tmp_path: Path) -> None:
    content = bytearray(stills.png().read_bytes())
    content[content.index(b"IDAT") + 100] ^= 0xFF
    path = tmp_path / "flipped.png"
    path.write_bytes(content)
    said: Said = []

    assert len(taken(path, said)) == 1
    assert said == ["damaged"]


def test_an_end_within_a_camera_s_notes_is_none(tmp_path: Path) -> None:
    noted = Image.Exif()
    noted.get_ifd(0x8769)[0x927C] = b"preview \xff\xd8\xff\xd9"
    path = tmp_path / "noted.jpg"
    Image.new("RGB", (64, 64), (1, 2, 3)).save(path, exif=noted, progressive=True)

    whole = is_truncated(path)
    path.write_bytes(path.read_bytes()[:-2])

    assert (whole, is_truncated(path)) == (False, True)


@pytest.mark.parametrize("still", [stills.jpeg, stills.png, stills.animated_gif])
def test_what_is_added_behind_an_image_is_no_part_of_it(still: Callable[[], Path], tmp_path: Path) -> None:
    path = tmp_path / "added"
    path.write_bytes(still().read_bytes() + b"#EXTM3U")

    assert is_truncated(path) is False


def test_leniency_ends_with_the_image(cut: Callable[[Path, float], Path]) -> None:
    taken(cut(stills.png(), 0.75), [])

    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
