"""The geometry of a contact sheet: where everything goes, before anything is drawn."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

MAX_SHEET_PIXELS: Final = 32 * 2**20
MAX_SHEET_SIDE: Final = 16_383
"""The longest side WebP can hold; everything else that shows pictures opens it too."""
_TALLEST, _WIDEST = 0.4, 3.0
_NARROWEST_HEADER: Final = 480
_SMALLEST_CELL: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """A rectangle in pixels."""

    left: int
    top: int
    width: int
    height: int

    @property
    def corners(self) -> tuple[int, int, int, int]:
        """Left, top, right and bottom; the last two lie just outside."""
        return self.left, self.top, self.left + self.width, self.top + self.height

    def centred(self, width: int, height: int) -> "Box":
        """Return a box of that size in the middle of this one."""
        left, top = self.left + (self.width - width) // 2, self.top + (self.height - height) // 2
        return Box(left=left, top=top, width=width, height=height)


@dataclass(frozen=True, kw_only=True, slots=True)
class SheetLayout:
    """An even grid of equal cells below a header."""

    columns: int
    rows: int
    cell_width: int
    cell_height: int
    header: bool

    @classmethod
    def fitting(cls, *, pictures: int, columns: int, cell_width: int, aspect: float, header: bool) -> Self:
        """Return the layout with the largest cells, up to `cell_width`, that a sheet may have."""
        used = min(columns, max(pictures, 1))
        rows = max(math.ceil(pictures / used), 1)
        while True:
            height = max(round(cell_width / aspect), 1)
            layout = cls(columns=used, rows=rows, cell_width=cell_width, cell_height=height, header=header)
            if layout.fits or cell_width <= _SMALLEST_CELL:
                return layout
            cell_width = max(min(cell_width - 1, int(cell_width * layout.excess)), _SMALLEST_CELL)

    @property
    def gutter(self) -> int:
        """Pixels between cells."""
        return max(self.cell_width // 32, 6)

    @property
    def margin(self) -> int:
        """Pixels around everything."""
        return max(2 * self.gutter, 20)

    @property
    def grid_width(self) -> int:
        """Pixels from the first column's left edge to the last one's right edge."""
        return self.columns * (self.cell_width + self.gutter) - self.gutter

    @property
    def grid_height(self) -> int:
        """Pixels from the first row's top to the last one's bottom."""
        return self.rows * (self.cell_height + self.gutter) - self.gutter

    @property
    def content_width(self) -> int:
        """Pixels between the margins."""
        return max(self.grid_width, _NARROWEST_HEADER) if self.header else self.grid_width

    @property
    def width(self) -> int:
        """Pixels of the whole sheet."""
        return self.content_width + 2 * self.margin

    @property
    def grid_only_height(self) -> int:
        """Pixels of the sheet without what the header takes."""
        return self.grid_height + 2 * self.margin

    @property
    def title_size(self) -> int:
        """Pixels of the name's type."""
        return min(max(self.content_width // 48, 18), 44)

    @property
    def facts_size(self) -> int:
        """Pixels of the facts' type."""
        return max(self.title_size * 2 // 3, 14)

    @property
    def label_size(self) -> int:
        """Pixels of the type on pictures."""
        return min(max(self.cell_width // 22, 10), 28)

    @property
    def radius(self) -> int:
        """Pixels by which a cell's corners are rounded."""
        return max(self.cell_width // 64, 2)

    @property
    def excess(self) -> float:
        """How much smaller the sides should be; 1 and more where the sheet fits."""
        height = self.grid_only_height + self.header_height(2)
        pixels = math.sqrt(MAX_SHEET_PIXELS / (self.width * height))
        return min(pixels, MAX_SHEET_SIDE / self.width, MAX_SHEET_SIDE / height)

    @property
    def fits(self) -> bool:
        """Whether a sheet of this layout may be drawn."""
        return self.excess >= 1

    def header_height(self, lines: int) -> int:
        """Return the pixels a title and so many lines of facts take, with the air below them."""
        if not self.header:
            return 0
        return self.title_size + self.facts_size + lines * self.facts_size * 3 // 2 + self.margin

    def cell(self, index: int, *, top: int) -> Box:
        """Return where the picture at `index` goes, row by row, in a grid that begins at `top`."""
        row, column = divmod(index, self.columns)
        return Box(
            left=self.margin + column * (self.cell_width + self.gutter),
            top=top + row * (self.cell_height + self.gutter),
            width=self.cell_width,
            height=self.cell_height,
        )


def shared_aspect(sizes: Sequence[tuple[int, int]]) -> float:
    """Return the width-to-height ratio of cells for such pictures: their own, or the middle between extremes.

    Portraits among landscapes so get square cells, in which both are equally large.
    """
    ratios = [min(max(width / height, _TALLEST), _WIDEST) for width, height in sizes]
    return math.sqrt(min(ratios) * max(ratios)) if ratios else 16 / 9


def fitted(size: tuple[int, int], *, width: int, height: int, enlarge: float = 1.0) -> tuple[int, int]:
    """Return the size of a picture fitted into `width` and `height`, enlarged `enlarge` times at most."""
    scale = min(width / size[0], height / size[1], enlarge)
    return min(max(round(size[0] * scale), 1), width), min(max(round(size[1] * scale), 1), height)
