"""Pages of TIFFs: counted, chosen by number, and each shown as what it is."""

import struct
from pathlib import Path

import pytest
from PIL import Image

from media_analysis.errors.media import CorruptMedia, MediaLimitPassed, NoSuchPage
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import ContactSheetOptions, Limits, SamplingOptions
from media_analysis.media.pictures import Picture
from media_analysis.media.probe import probe
from tests.media import clips, images

COLOURS = [(200, 0, 0), (0, 200, 0), (0, 0, 200), (200, 200, 0)]


def book(path: Path, *, big: bool = False) -> Path:
    """Write a TIFF of four pages of their own sizes: 10 x 8, 20 x 16, 30 x 24 and 40 x 32."""
    first, *others = [Image.new("RGB", (10 * n, 8 * n), colour) for n, colour in enumerate(COLOURS, 1)]
    first.save(path, "TIFF", save_all=True, append_images=others, compression="tiff_lzw", big_tiff=big)
    return path


def taken(path: Path, said: list[str] | None = None, **options: object) -> list[Picture]:
    notices = [] if said is None else said
    asked = SamplingOptions.model_validate(options)
    # Each may be looked at until the next one only, but all keep their pixels.
    return list(sample_frames(path, asked, Limits(), notice=lambda code, _: notices.append(code)))


def colour_of(picture: Picture) -> int:
    shown = picture.image().getpixel((5, 4))
    assert isinstance(shown, tuple)
    return COLOURS.index((shown[0], shown[1], shown[2]))


@pytest.mark.parametrize("big", [False, True], ids=["tiff", "BigTIFF"])
@pytest.mark.parametrize(
    ("asked", "pages"),
    [
        ({}, [1, 2, 3, 4]),
        ({"keyframes": True}, [1, 2, 3, 4]),
        ({"every_seconds": 3}, [1, 2, 3, 4]),
        ({"scenes": 0.5}, [1, 2, 3, 4]),
        ({"count": 2}, [1, 4]),
        ({"count": 9}, [1, 2, 3, 4]),
        ({"pages": [3]}, [3]),
        ({"pages": [4, 2, 4]}, [2, 4]),
        ({"instants": [0, 7]}, [1]),
    ],
)
def test_pages_are_taken_as_asked(asked: dict[str, object], pages: list[int], big: bool, tmp_path: Path) -> None:  # noqa: FBT001
    said: list[str] = []

    pictures = taken(book(tmp_path / "book.tif", big=big), said, **asked)

    assert [picture.page for picture in pictures] == pages
    assert [colour_of(picture) + 1 for picture in pictures] == pages
    assert [picture.size for picture in pictures] == [(10 * page, 8 * page) for page in pages]
    assert [picture.ordinal for picture in pictures] == list(range(len(pages)))
    assert said == (["further_pages"] if "instants" in asked else [])


def test_pages_are_counted() -> None:
    """Source: `tiffinfo`, four directories."""
    told = probe(images.CASES / "pages.tif", Limits())

    assert (told.pages, told.frames) == (4, 4)
    assert probe(images.CASES / "preview.dng", Limits()).pages == 1
    assert (probe(images.jpeg(), Limits()).pages, probe(images.animated_gif(), Limits()).pages) == (1, 1)
    assert probe(clips.h264(), Limits()).pages is None


@pytest.mark.parametrize(
    ("kind", "value", "is_page"),
    [
        (254, 0, True),
        (254, 2, True),
        (254, 1, False),
        (254, 3, False),
        (254, 4, False),
        (254, 8, False),
        (255, 1, True),
        (255, 3, True),
        (255, 2, False),
    ],
)
def test_smaller_copies_masks_and_maps_are_no_pages(kind: int, value: int, is_page: bool, tmp_path: Path) -> None:  # noqa: FBT001
    """Source: TIFF 6.0, NewSubfileType and SubfileType; DNG 1.7, 8 is a map of depths."""
    first, second = Image.new("RGB", (10, 8), COLOURS[0]), Image.new("RGB", (10, 8), COLOURS[1])
    path, changed = tmp_path / "two.tif", tmp_path / "changed.tif"
    first.save(path, save_all=True, append_images=[second], tiffinfo={kind: 9})
    content = path.read_bytes()
    entry = struct.pack("<HHI", kind, 4 if kind == 254 else 3, 1)
    places = [place for place in range(len(content)) if content.startswith(entry, place)]
    assert len(places) == 2
    for place, number in zip(places, (0 if kind == 254 else 1, value), strict=True):
        content = content[: place + 8] + struct.pack("<HH", number, 0) + content[place + 12 :]
    changed.write_bytes(content)

    assert probe(changed, Limits()).pages == 1 + is_page
    assert len(taken(changed)) == 1 + is_page


@pytest.mark.parametrize(
    ("still", "pages", "words"),
    [
        ("book", [5], "no page 5: its pages are 1 to 4"),
        ("jpeg", [2], "no page 2: its pages are 1 to 1"),
        ("gif", [1], "frames that follow each other"),
        ("film", [1], "no still image"),
    ],
)
def test_a_page_that_is_not_there_is_refused_in_words(still: str, pages: list[int], words: str, tmp_path: Path) -> None:
    path = {"book": book(tmp_path / "book.tif"), "jpeg": images.jpeg(), "gif": images.animated_gif()}.get(still)

    with pytest.raises(NoSuchPage, match=words):
        taken(path or clips.h264(), pages=pages)


def test_page_one_of_a_still_is_the_still() -> None:
    (picture,) = taken(images.png(), pages=[1])

    assert (picture.size, picture.page) == ((images.WIDTH, images.HEIGHT), None)


def chained(path: Path, directories: int, *, back_to: int | None = None) -> Path:
    """Write directories of one pixel that share it, the last of which points back where told."""
    size = 2 + 12 * 6 + 4
    content = bytearray(b"II*\0" + struct.pack("<I", 12) + b"\x80\0\0\0")
    for number in range(directories):
        following = 12 + size * (number + 1)
        if number == directories - 1:
            following = 0 if back_to is None else 12 + size * back_to
        tags = ((256, 1), (257, 1), (258, 8), (262, 1), (273, 8), (279, 1))
        content += struct.pack("<H", len(tags))
        content += b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
        content += struct.pack("<I", following)
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("back_to", [0, 2])
def test_a_chain_in_a_circle_has_each_page_once(back_to: int, tmp_path: Path) -> None:
    path = chained(tmp_path / "circle.tif", 3, back_to=back_to)

    assert probe(path, Limits()).pages == 3
    assert [picture.image().getpixel((0, 0)) for picture in taken(path)] == [(128,) * 3] * 3


def test_a_book_without_end_is_bounded(tmp_path: Path) -> None:
    with pytest.raises(MediaLimitPassed, match="pages"):
        probe(chained(tmp_path / "endless.tif", 100_001), Limits())
    with pytest.raises(MediaLimitPassed, match="frames"):
        taken(chained(tmp_path / "long.tif", 12), max_frames=11)


def test_what_follows_the_last_readable_page_is_missed_in_words(tmp_path: Path) -> None:
    said: list[str] = []
    path = chained(tmp_path / "cut.tif", 5)
    path.write_bytes(path.read_bytes()[:-20])

    assert [picture.page for picture in taken(path, said)] == [1, 2, 3, 4]
    assert said == ["truncated"]


def test_a_page_that_cannot_be_read_is_left_out_and_named(tmp_path: Path) -> None:
    path = chained(tmp_path / "spoilt.tif", 3)
    content = path.read_bytes()
    path.write_bytes(content.replace(struct.pack("<HHII", 273, 4, 1, 8), struct.pack("<HHII", 273, 4, 1, 2**30), 1))

    said: list[str] = []
    assert [(picture.page, picture.ordinal) for picture in taken(path, said)] == [(2, 0), (3, 1)]
    assert said == ["damaged"]
    with pytest.raises(CorruptMedia, match="page 1 of 3"):
        taken(path, pages=[1])
    assert [picture.page for picture in taken(path, said, pages=[2, 3])] == [2, 3]
    assert said == ["damaged"]


def test_pages_too_large_are_refused_alone(tmp_path: Path) -> None:
    path = book(tmp_path / "book.tif")
    limits = Limits(max_pixels=20 * 16)

    assert len(list(sample_frames(path, SamplingOptions(pages=[1, 2]), limits))) == 2
    with pytest.raises(MediaLimitPassed, match="pixels"):
        list(sample_frames(path, SamplingOptions(pages=[1, 3]), limits))


def test_pages_are_one_way_among_others() -> None:
    with pytest.raises(ValueError, match="pages"):
        SamplingOptions(pages=[1], count=3)
    with pytest.raises(ValueError, match="one of instants and pages"):
        ContactSheetOptions(pages=[1], instants=[0])
    with pytest.raises(ValueError, match="greater than or equal to 1"):
        SamplingOptions(pages=[0])
