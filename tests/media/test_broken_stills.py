"""Of images that break off, what decodes is kept, and it is said."""

from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageColor, ImageFile

from media_analysis.errors.media import CorruptMedia
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.pictures import Picture
from media_analysis.media.probe import probe
from media_analysis.media.wholeness import is_truncated
from tests.media import images
from tests.media.pictures import MARKERS

Said = list[str]
PARTLY_READ: list[Callable[[], Path]] = [
    images.jpeg,
    images.cmyk_jpeg,
    images.png,
    images.png_16_bit,
    images.png_palette,
    images.animated_gif,
    images.bmp,
]
"""Formats whose decoders give what they have; those of WebP, AVIF and TIFF give all or nothing."""
ALL_OR_NOTHING: list[Callable[[], Path]] = [images.webp, images.animated_webp, images.avif, images.tiff]


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

    (picture,) = taken(cut(still(), 0.92 if still is images.jpeg else 0.75), said)

    assert picture.size == (images.WIDTH, images.HEIGHT)
    assert said == ["truncated"]


@pytest.mark.parametrize("still", [images.png, images.animated_gif, images.cmyk_jpeg])
def test_it_stands_where_it_stood(still: Callable[[], Path], cut: Callable[[Path, float], Path]) -> None:
    whole, broken = (taken(path, [])[0].image() for path in (still(), cut(still(), 0.75)))

    assert [colour(broken, column) for column in range(len(MARKERS))] == [
        colour(whole, column) for column in range(len(MARKERS))
    ]


@pytest.mark.parametrize("still", [*PARTLY_READ, images.webp, images.avif])
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


@pytest.mark.parametrize("still", PARTLY_READ)
def test_a_header_without_pixels_is_corrupt(still: Callable[[], Path], tmp_path: Path) -> None:
    path = tmp_path / "header"
    path.write_bytes(still().read_bytes()[:60])

    with pytest.raises(CorruptMedia):
        taken(path, [])


@pytest.mark.parametrize("colour", ["black", "grey", "white", "red"])
@pytest.mark.parametrize(
    ("picture_format", "missing_bytes", "options"),
    [
        ("JPEG", 2, {}),
        ("JPEG", 2, {"progressive": True}),
        ("JPEG", 2, {"optimize": True}),
        ("JPEG", 1, {}),
        ("PNG", 12, {}),
        ("PNG", 20, {}),
        ("GIF", 1, {}),
        ("BMP", 64 * 3, {}),
        ("BMP", 1, {}),
    ],
)
def test_a_picture_of_one_colour_that_lacks_its_end_is_shown(
    colour: str, picture_format: str, missing_bytes: int, options: Mapping[str, bool], tmp_path: Path
) -> None:
    whole = BytesIO()
    Image.new("RGB", (64, 64), colour).save(whole, picture_format, **options)
    path = tmp_path / "cut"
    path.write_bytes(whole.getvalue()[:-missing_bytes])
    said: Said = []

    (picture,) = taken(path, said)

    assert said == ["truncated"]
    assert probe(path, Limits()).truncated is True
    assert picture.image().convert("RGB").getpixel((30, 50)) == pytest.approx(ImageColor.getrgb(colour), abs=2)


def test_rows_of_a_bmp_are_counted_without_what_only_fills_them_up(tmp_path: Path) -> None:
    """Source: Microsoft's BITMAPINFOHEADER: rows have a multiple of four bytes; 33 pixels of 24 bits take 99."""
    whole = BytesIO()
    Image.new("RGB", (33, 4), "red").save(whole, "BMP")
    path = tmp_path / "rows.bmp"

    told = []
    for missing_bytes in (0, 1, 2):
        path.write_bytes(whole.getvalue()[: len(whole.getvalue()) - missing_bytes])
        told.append(is_truncated(path))

    assert told == [False, False, True]


def test_a_webp_that_lacks_only_what_fills_it_up_is_whole(tmp_path: Path) -> None:
    """Source: RFC 9649, section 2.3: chunks of an odd size are followed by one more byte, 0."""
    whole = BytesIO()
    Image.new("RGB", (16, 16), "red").save(whole, "WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0\0")
    path = tmp_path / "odd.webp"
    path.write_bytes(whole.getvalue()[:-1])
    said: Said = []

    (picture,) = taken(path, said)

    assert (picture.size, said, probe(path, Limits()).truncated) == ((16, 16), [], False)


def test_pixels_that_cannot_be_unpacked_are_called_damaged(tmp_path: Path) -> None:
    content = bytearray(images.png().read_bytes())
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


@pytest.mark.parametrize("still", [images.jpeg, images.png, images.animated_gif])
def test_what_is_added_behind_an_image_is_no_part_of_it(still: Callable[[], Path], tmp_path: Path) -> None:
    path = tmp_path / "added"
    path.write_bytes(still().read_bytes() + b"#EXTM3U")

    assert is_truncated(path) is False


def test_leniency_ends_with_the_image(cut: Callable[[Path, float], Path]) -> None:
    taken(cut(images.png(), 0.75), [])

    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
