"""The geometry of a contact sheet."""

from itertools import combinations, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from media_analysis.media.sheets.layout import (
    MAX_SHEET_PIXELS,
    MAX_SHEET_SIDE,
    Box,
    SheetLayout,
    fitted,
    shared_aspect,
)

LAYOUTS = st.builds(
    lambda columns, rows, **others: SheetLayout.fitting(pictures=columns * rows, columns=columns, **others),
    columns=st.integers(1, 20),
    rows=st.integers(1, 100),
    cell_width=st.integers(64, 1_024),
    aspect=st.floats(0.4, 3.0),
    header=st.booleans(),
)


@given(LAYOUTS)
def test_a_sheet_stays_within_its_bounds(layout: SheetLayout) -> None:
    height = layout.grid_only_height + layout.header_height(2)

    assert layout.width * height <= MAX_SHEET_PIXELS
    assert max(layout.width, height) <= MAX_SHEET_SIDE


@given(LAYOUTS)
def test_cells_are_inside_the_margins_and_gutters_are_even(layout: SheetLayout) -> None:
    boxes = [layout.cell(index, top=layout.margin) for index in range(layout.rows * layout.columns)]

    edges = {box.left for box in boxes} | {box.corners[2] for box in boxes}
    assert min(edges) == layout.margin
    assert max(edges) <= layout.width - layout.margin
    assert max(box.corners[3] for box in boxes) == layout.grid_only_height - layout.margin
    lefts = sorted({box.left for box in boxes})
    assert {right - left for left, right in pairwise(lefts)} <= {layout.cell_width + layout.gutter}


def test_cells_never_overlap() -> None:
    layout = SheetLayout.fitting(pictures=11, columns=4, cell_width=100, aspect=16 / 9, header=True)
    boxes = [layout.cell(index, top=50).corners for index in range(11)]

    assert all(
        one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
        for one, other in combinations(boxes, 2)
    )


@pytest.mark.parametrize(
    ("pictures", "columns", "grid"),
    [(16, 4, (4, 4)), (17, 4, (4, 5)), (1, 4, (1, 1)), (3, 4, (3, 1)), (5, 1, (1, 5)), (0, 4, (1, 1))],
)
def test_there_are_as_many_rows_as_pictures_need_and_no_empty_columns(
    pictures: int, columns: int, grid: tuple[int, int]
) -> None:
    layout = SheetLayout.fitting(pictures=pictures, columns=columns, cell_width=320, aspect=16 / 9, header=False)

    assert (layout.columns, layout.rows) == grid


def test_a_usual_sheet_has_the_width_asked_for() -> None:
    layout = SheetLayout.fitting(pictures=16, columns=4, cell_width=320, aspect=16 / 9, header=True)

    assert (layout.cell_width, layout.cell_height) == (320, 180)
    assert layout.width == 4 * 320 + 3 * layout.gutter + 2 * layout.margin


def test_cells_shrink_only_where_the_sheet_would_be_too_large() -> None:
    layout = SheetLayout.fitting(pictures=2_000, columns=20, cell_width=1_024, aspect=16 / 9, header=True)

    assert 100 < layout.cell_width < 320
    assert layout.width * layout.grid_only_height > 0.9 * MAX_SHEET_PIXELS


def test_a_narrow_sheet_leaves_room_for_its_header() -> None:
    with_header, without = (
        SheetLayout.fitting(pictures=1, columns=1, cell_width=64, aspect=1, header=header) for header in (True, False)
    )

    assert with_header.content_width == 480
    assert without.content_width == 64
    assert without.header_height(3) == 0


def test_cells_take_the_shape_of_the_pictures() -> None:
    assert shared_aspect([(1920, 1080)] * 3) == pytest.approx(16 / 9)
    assert shared_aspect([(1080, 1920)]) == pytest.approx(9 / 16)
    assert shared_aspect([(1920, 1080), (1080, 1920)]) == pytest.approx(1)
    assert shared_aspect([(9_000, 100)]) == 3
    assert shared_aspect([(100, 9_000)]) == 0.4
    assert shared_aspect([]) == pytest.approx(16 / 9)


@given(
    st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)),
    st.integers(1, 1_000),
    st.integers(1, 1_000),
    st.sampled_from([1.0, 4.0]),
)
def test_a_fitted_picture_keeps_its_shape_and_touches_an_edge(
    size: tuple[int, int], width: int, height: int, enlarge: float
) -> None:
    fit = fitted(size, width=width, height=height, enlarge=enlarge)

    assert 1 <= fit[0] <= width
    assert 1 <= fit[1] <= height
    scales = (fit[0] / size[0], fit[1] / size[1])
    assert abs(fit[0] - size[0] * min(width / size[0], height / size[1], enlarge)) <= 1
    assert max(scales) <= enlarge + 1
    assert fit[0] == width or fit[1] == height or min(scales) <= enlarge


def test_a_box_centres_smaller_ones() -> None:
    assert Box(left=10, top=20, width=100, height=50).centred(40, 50) == Box(left=40, top=20, width=40, height=50)
