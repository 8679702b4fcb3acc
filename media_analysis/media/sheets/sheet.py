"""A contact sheet: pictures in an even grid, each with its instant or name, below a header of facts."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw

from media_analysis.media.figures import timestamps
from media_analysis.media.sheets.layout import MAX_SHEET_PIXELS, Box, SheetLayout, fitted, shared_aspect
from media_analysis.media.sheets.typesetting import elided, printable, typeface, wrapped

MAX_ROWS: Final = 100
MAX_PICTURES: Final = 2_000
_PAGE: Final = (27, 27, 29)
_CELL: Final = (14, 14, 15)
_TITLE: Final = (242, 242, 244)
_FACTS: Final = (168, 168, 175)
_LABEL: Final = (255, 255, 255)
_CHECKER: Final = ((84, 84, 88), (112, 112, 116))
_CHECK: Final = 12
_LABEL_OPACITY: Final = 165
_OUTLINE_OPACITY: Final = 44
_SMOOTHING: Final = 4
_MOST_ENLARGED: Final = 4.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Heading:
    """What stands above the grid."""

    title: str
    facts: Sequence[str] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Thumbnail:
    """One small picture and what may be written on it."""

    image: Image.Image
    instant_seconds: float | None = None
    name: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Sheet:
    """A drawn sheet and the layout it came to."""

    image: Image.Image
    layout: SheetLayout


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetDesign:
    """What a sheet of up to `capacity` pictures should look like; `thumbnail_width` in pixels."""

    columns: int
    capacity: int
    thumbnail_width: int
    timestamps: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.capacity <= MAX_PICTURES:
            raise ValueError(f"a contact sheet holds 1 to {MAX_PICTURES} pictures")

    def thumbnail_size(self, size: tuple[int, int]) -> tuple[int, int]:
        """Return the width and height to keep of a picture so large; all together never pass a sheet's pixels."""
        width, height = fitted(size, width=self.thumbnail_width, height=3 * self.thumbnail_width)
        share = MAX_SHEET_PIXELS / self.capacity / (width * height)
        return (width, height) if share >= 1 else (max(int(width * share**0.5), 1), max(int(height * share**0.5), 1))

    def draw(self, thumbnails: Sequence[Thumbnail], heading: Heading | None = None) -> Sheet:
        """Draw thumbnails row by row; as large as asked unless the sheet would pass `MAX_SHEET_PIXELS`."""
        layout = SheetLayout.fitting(
            pictures=len(thumbnails),
            columns=self.columns,
            cell_width=self.thumbnail_width,
            aspect=shared_aspect([thumbnail.image.size for thumbnail in thumbnails]),
            header=heading is not None,
        )
        lines = _fact_lines(heading, layout)
        top = layout.margin + layout.header_height(len(lines))
        page = Image.new("RGB", (layout.width, layout.grid_only_height + layout.header_height(len(lines))), _PAGE)
        if heading is not None:
            _draw_heading(page, heading.title, lines, layout)
        for index, (thumbnail, label) in enumerate(zip(thumbnails, self._labels(thumbnails), strict=True)):
            _draw_cell(page, layout.cell(index, top=top), thumbnail, label, layout)
        return Sheet(image=page, layout=layout)

    def _labels(self, thumbnails: Sequence[Thumbnail]) -> Sequence[str]:
        if not self.timestamps:
            return [""] * len(thumbnails)
        clock = iter(timestamps([each.instant_seconds for each in thumbnails if each.instant_seconds is not None]))
        return [printable(each.name or "") if each.instant_seconds is None else next(clock) for each in thumbnails]


def _fact_lines(heading: Heading | None, layout: SheetLayout) -> Sequence[str]:
    if heading is None:
        return ()
    return wrapped(map(printable, heading.facts), typeface(layout.facts_size), layout.content_width)


def _draw_heading(page: Image.Image, title: str, lines: Sequence[str], layout: SheetLayout) -> None:
    draw = ImageDraw.Draw(page)
    font = typeface(layout.title_size)
    baseline = layout.margin + layout.title_size
    name = elided(printable(title), font, layout.content_width)
    draw.text((layout.margin, baseline), name, font=font, fill=_TITLE, anchor="ls")
    baseline += layout.facts_size // 2
    font = typeface(layout.facts_size)
    for line in lines:
        baseline += layout.facts_size * 3 // 2
        draw.text((layout.margin, baseline), line, font=font, fill=_FACTS, anchor="ls")


def _draw_cell(page: Image.Image, box: Box, thumbnail: Thumbnail, label: str, layout: SheetLayout) -> None:
    cell = Image.new("RGB", (box.width, box.height), _CELL)
    image = thumbnail.image
    size = fitted(image.size, width=box.width, height=box.height, enlarge=_MOST_ENLARGED)
    if image.size != size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    inside = Box(left=0, top=0, width=box.width, height=box.height).centred(*size)
    if image.mode == "RGBA":
        cell.paste(_checkered(*size), (inside.left, inside.top))
    cell.paste(image, (inside.left, inside.top), image if image.mode == "RGBA" else None)
    if label:
        _draw_label(cell, label, layout, right=thumbnail.instant_seconds is not None)
    corners = (box.width, box.height, layout.radius)
    page.paste(cell, (box.left, box.top), _rounded(*corners))
    page.paste(_LABEL, box.corners, _outline(*corners))


def _draw_label(cell: Image.Image, label: str, layout: SheetLayout, *, right: bool) -> None:
    """Write on a dark translucent pill, which reads on light and dark pictures alike."""
    font = typeface(layout.label_size)
    height = layout.label_size * 8 // 5
    padding, gap = height * 2 // 5, max(layout.label_size // 2, 4)
    text = elided(label, font, cell.width - 2 * (padding + gap))
    width = round(font.getlength(text)) + 2 * padding
    if min(cell.width - width, cell.height - height) < 0:
        return
    left, top = cell.width - width - gap if right else gap, max(cell.height - height - gap, 0)
    pill = _rounded(width, height, height // 2).point(lambda alpha: alpha * _LABEL_OPACITY // 255)
    cell.paste((0, 0, 0), (left, top, left + width, top + height), pill)
    capital = -font.getbbox("0", anchor="ls")[1]
    baseline = top + (height + capital) / 2
    ImageDraw.Draw(cell).text((left + padding, baseline), text, font=font, fill=_LABEL, anchor="ls")


@lru_cache(maxsize=4)
def _checkered(width: int, height: int) -> Image.Image:
    """Return what shows through transparent pictures, so that neither black nor white ones vanish."""
    tile = Image.new("RGB", (2, 2), _CHECKER[0])
    tile.putpixel((1, 0), _CHECKER[1])
    tile.putpixel((0, 1), _CHECKER[1])
    squares = Image.new("RGB", (width // _CHECK + 2, height // _CHECK + 2))
    for left in range(0, squares.width, 2):
        for top in range(0, squares.height, 2):
            squares.paste(tile, (left, top))
    whole = squares.resize((squares.width * _CHECK, squares.height * _CHECK), Image.Resampling.NEAREST)
    return whole.crop((0, 0, width, height))


@lru_cache(maxsize=64)
def _rounded(width: int, height: int, radius: int) -> Image.Image:
    large = Image.new("L", (width * _SMOOTHING, height * _SMOOTHING))
    edge = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(edge, radius * _SMOOTHING, fill=255)
    return large.reduce(_SMOOTHING)


@lru_cache(maxsize=4)
def _outline(width: int, height: int, radius: int) -> Image.Image:
    large = Image.new("L", (width * _SMOOTHING, height * _SMOOTHING))
    edge = (0, 0, large.width - 1, large.height - 1)
    ImageDraw.Draw(large).rounded_rectangle(edge, radius * _SMOOTHING, outline=_OUTLINE_OPACITY, width=_SMOOTHING)
    return large.reduce(_SMOOTHING)
