"""Contact sheets, looked at pixel by pixel."""

from collections.abc import Sequence

import pytest
from PIL import Image, ImageChops

from media_analysis.media.sheets.layout import MAX_SHEET_PIXELS
from media_analysis.media.sheets.sheet import MAX_PICTURES, Heading, Sheet, SheetDesign, Thumbnail

RED, GREEN, WHITE, BLACK = (220, 30, 30), (30, 200, 60), (255, 255, 255), (0, 0, 0)
PAGE = (27, 27, 29)
HEADING = Heading(title="bikes.mp4", facts=("0:00:10", "640 x 272"))


def design(**changes) -> SheetDesign:
    return SheetDesign(**{"columns": 4, "capacity": 16, "thumbnail_width": 320} | changes)


def picture(colour: tuple[int, ...], size: tuple[int, int] = (320, 180)) -> Image.Image:
    return Image.new("RGBA" if len(colour) == 4 else "RGB", size, colour)


def timed(colours: Sequence[tuple[int, ...]]) -> list[Thumbnail]:
    return [Thumbnail(image=picture(colour), instant_seconds=float(at)) for at, colour in enumerate(colours)]


def cell_of(sheet: Sheet, index: int) -> Image.Image:
    top = sheet.image.height - sheet.layout.margin - sheet.layout.grid_height
    return sheet.image.crop(sheet.layout.cell(index, top=top).corners)


def test_pictures_go_row_by_row_and_the_rest_of_the_last_row_stays_empty() -> None:
    colours = [(10 * index, 200 - 10 * index, 90) for index in range(6)]

    sheet = design().draw(timed(colours), HEADING)

    assert (sheet.layout.columns, sheet.layout.rows) == (4, 2)
    assert [cell_of(sheet, index).getpixel((160, 90)) for index in range(6)] == colours
    assert [cell_of(sheet, index).getpixel((160, 90)) for index in (6, 7)] == [PAGE, PAGE]


def test_margins_and_gutters_stay_empty() -> None:
    sheet = design().draw(timed([WHITE] * 8))

    margin, gutter = sheet.layout.margin, sheet.layout.gutter
    width, height = sheet.image.size
    for box in (
        (0, 0, width, margin),
        (0, height - margin, width, height),
        (0, 0, margin, height),
        (width - margin, 0, width, height),
        (margin + 320, 0, margin + 320 + gutter, height),
        (0, margin + 180, width, margin + 180 + gutter),
    ):
        assert sheet.image.crop(box).getcolors(1) is not None


@pytest.mark.parametrize("colour", [WHITE, BLACK, RED, (128, 128, 128)])
def test_an_instant_reads_on_any_picture(colour: tuple[int, int, int]) -> None:
    sheet = design().draw(timed([colour]))

    pill = cell_of(sheet, 0).crop((285, 155, 308, 170)).convert("L")
    darkest, brightest = pill.getextrema()
    assert brightest == 255
    assert pill.histogram()[255] > 10
    assert isinstance(darkest, int)
    assert 1.05 / (_luminance(darkest) + 0.05) > 4.5


def _luminance(grey: int) -> float:
    """Source: WCAG 2.2, relative luminance; text needs a contrast of 4.5."""
    return float(((grey / 255 + 0.055) / 1.055) ** 2.4)


def test_instants_may_be_left_out() -> None:
    sheet = design(timestamps=False).draw(timed([WHITE]))

    assert cell_of(sheet, 0).crop((4, 4, 316, 176)).getcolors(1) == [(312 * 172, WHITE)]


def test_a_still_carries_its_name_on_the_other_side() -> None:
    sheet = design().draw([Thumbnail(image=picture(WHITE), name="sky.jpg")])

    cell = cell_of(sheet, 0)
    assert cell.crop((4, 140, 100, 176)).getcolors(1) is None
    assert cell.crop((160, 4, 316, 176)).getcolors(1) is not None


def test_mixed_shapes_are_centred_in_cells_of_one_size() -> None:
    thumbnails = [Thumbnail(image=picture(RED, (320, 180))), Thumbnail(image=picture(GREEN, (180, 320)))]

    sheet = design().draw(thumbnails)

    assert sheet.layout.cell_width == sheet.layout.cell_height == 320
    assert _extent(cell_of(sheet, 0), RED) == (0, 70, 320, 250)
    assert _extent(cell_of(sheet, 1), GREEN) == (70, 0, 250, 320)


def _extent(cell: Image.Image, colour: tuple[int, int, int]) -> tuple[int, int, int, int] | None:
    difference = ImageChops.difference(cell, Image.new("RGB", cell.size, colour)).convert("L")
    return difference.point(lambda value: 255 if value < 40 else 0).getbbox()


def test_portraits_get_upright_cells() -> None:
    sheet = design().draw([Thumbnail(image=picture(RED, (320, 569)))] * 3)

    assert (sheet.layout.cell_width, sheet.layout.cell_height) == (320, 569)
    assert _extent(cell_of(sheet, 1), RED) == (0, 0, 320, 569)


def test_what_is_tiny_is_enlarged_a_little() -> None:
    thumbnails = [Thumbnail(image=picture(RED, (16, 16))), Thumbnail(image=picture(GREEN, (320, 320)))]

    sheet = design().draw(thumbnails)

    assert _extent(cell_of(sheet, 0), RED) == (128, 128, 192, 192)


@pytest.mark.parametrize("colour", [(0, 0, 0, 255), (255, 255, 255, 255)])
def test_transparency_is_told_from_black_and_from_white(colour: tuple[int, int, int, int]) -> None:
    image = picture((0, 0, 0, 0))
    image.paste(colour, (100, 50, 200, 100))

    cell = cell_of(design().draw([Thumbnail(image=image)]), 0)

    around = cell.getpixel((50, 50))
    assert isinstance(around, tuple)
    assert cell.getpixel((150, 75)) == colour[:3]
    assert all(60 < channel < 140 for channel in around)


@pytest.mark.parametrize(
    "title", ["", "a", "x" * 255, "\u202e\x00\ud800\U0001f3ac", "東京タワー.mp4", "a\nb\nc", " ".join("word" * 60)]
)
@pytest.mark.parametrize("columns", [1, 4])
def test_any_name_is_drawn_without_touching_the_margins(title: str, columns: int) -> None:
    heading = Heading(title=title, facts=("0:00:10", "fact " * 60, "\U0001f3ac"))

    sheet = design(columns=columns, thumbnail_width=64).draw(timed([RED] * columns), heading)

    margin = sheet.layout.margin
    width, height = sheet.image.size
    above = height - margin - sheet.layout.grid_height
    assert sheet.image.crop((0, 0, margin - 2, above)).getcolors(1) is not None
    assert sheet.image.crop((width - margin + 2, 0, width, above)).getcolors(1) is not None
    assert sheet.image.crop((0, above - margin // 4, width, above)).getcolors(1) is not None


def test_without_a_heading_the_grid_is_all() -> None:
    sheet = design().draw(timed([RED]))

    assert sheet.image.size == (320 + 2 * sheet.layout.margin, 180 + 2 * sheet.layout.margin)


def test_a_hundred_pictures_differ_in_every_cell() -> None:
    colours = [(index, 2 * index, 255 - index) for index in range(100)]

    sheet = design(columns=10, capacity=100, thumbnail_width=160).draw(timed(colours), HEADING)

    assert [cell_of(sheet, index).getpixel((80, 40)) for index in range(100)] == colours


def test_two_thousand_pictures_shrink_into_the_bounds_of_a_sheet() -> None:
    large = design(columns=20, capacity=MAX_PICTURES, thumbnail_width=1_024)
    size = large.thumbnail_size((1_920, 1_080))

    sheet = large.draw([Thumbnail(image=picture(RED, size), instant_seconds=0.0)] * MAX_PICTURES, HEADING)

    assert MAX_PICTURES * size[0] * size[1] <= MAX_SHEET_PIXELS
    assert sheet.image.width * sheet.image.height <= MAX_SHEET_PIXELS
    assert sheet.layout.cell_width > 100


def test_more_pictures_than_a_sheet_holds_are_refused() -> None:
    with pytest.raises(ValueError, match="1 to 2000"):
        design(capacity=MAX_PICTURES + 1)


def test_thumbnails_are_kept_no_larger_than_their_cells() -> None:
    assert design().thumbnail_size((3_840, 2_160)) == (320, 180)
    assert design().thumbnail_size((2_160, 3_840)) == (320, 569)
    assert design().thumbnail_size((100, 50)) == (100, 50)
    assert design().thumbnail_size((100, 16_000)) == (6, 960)
