"""Matroska's cropping of pictures."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.films.matroska import Crop, crops_in
from media_analysis.media.frames import sample_frames
from media_analysis.media.options import Limits, SamplingOptions
from media_analysis.media.probe import probe

CROPPED = Path(__file__).parents[1] / "cases" / "crop_top20.mkv"
TOP = b"\x54\xbb\x81\x14"
BORDERS = {"top": b"\x54\xbb", "bottom": b"\x54\xaa", "left": b"\x54\xcc", "right": b"\x54\xdd"}
WHITE, RED = 255, 0
"""How green the border is that is not to be seen, and what is below it."""


@pytest.mark.parametrize(
    "options", [SamplingOptions(keyframes=True), SamplingOptions(count=3), SamplingOptions(instants=[0.5])]
)
def test_borders_are_not_shown(options: SamplingOptions) -> None:
    """Source: `mkvinfo`: 160 x 120 of which the upper 20 lines are cropped, shown 160 x 100."""
    found = list(sample_frames(CROPPED, options, Limits()))

    told = probe(CROPPED, Limits())
    assert (told.width, told.height, told.display_aspect_ratio) == (160, 100, "8:5")
    assert {picture.size for picture in found} == {(160, 100)}
    greens = [picture.image().getchannel("G").point(lambda level: 255 * (level > 64)).getbbox() for picture in found]
    assert greens == [None] * len(found)
    assert [picture.image(max_width=80).size for picture in found] == [(80, 50)] * len(found)


@pytest.mark.parametrize(
    ("border", "size", "corner"),
    [("bottom", (160, 100), WHITE), ("left", (140, 120), WHITE), ("right", (140, 120), WHITE)],
)
def test_each_border_is_cropped(border: str, size: tuple[int, int], corner: int, tmp_path: Path) -> None:
    path = tmp_path / "film.mkv"
    path.write_bytes(CROPPED.read_bytes().replace(TOP, BORDERS[border] + TOP[2:]))

    (picture,) = sample_frames(path, SamplingOptions(instants=[0]), Limits())

    told = probe(path, Limits())
    assert (told.width, told.height) == size
    green = picture.image().getchannel("G")
    assert green.getpixel((4, 4)) == pytest.approx(corner, abs=8)
    assert green.getpixel((4, green.height - 5)) == pytest.approx(RED, abs=8)


def test_of_pictures_smaller_than_their_borders_all_is_shown() -> None:
    crop = Crop(top=20, left=3)

    assert (crop.within((30, 20)), crop.box((30, 20))) == ((30, 20), (0, 0, 30, 20))
    assert (crop.within((30, 21)), crop.box((30, 21))) == ((27, 1), (3, 20, 30, 21))


@given(at=st.integers(0, 400), byte=st.integers(0, 255), stop=st.integers(0, 400))
def test_no_header_is_too_broken_to_be_read(
    at: int, byte: int, stop: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(CROPPED.read_bytes()[:400])
    content[at : at + 1] = bytes([byte])
    path = tmp_path_factory.getbasetemp() / "broken.mkv"
    path.write_bytes(content[:stop])

    assert all(isinstance(each, Crop) for each in crops_in(path))
