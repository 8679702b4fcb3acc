"""Tables: as wide as they are to a program, folded and with short ids in a terminal."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from rich.text import Text

from media_analysis.characters import escape_controls
from media_analysis.cli.console import out, say
from media_analysis.units import format_instant, round_size

if TYPE_CHECKING:
    from rich.table import Table

WIDEST: Final = 10_000
SHORT_DIGITS: Final = 12
"""Of an id's end, which is random where its beginning is a time."""
NOTHING: Final = "-"
"""Stands for an empty cell where a program counts them."""
_INSTANT_DIGITS: Final = len("20261121_020000")
_GAPS: Final = (2, 1)


class SizeCell(NamedTuple):
    """A cell: an amount of bytes."""

    size_bytes: int


class Folder(NamedTuple):
    """A cell: the name of a run's folder, whose end is the id beside it."""

    name: str | None


Cell = str | int | Folder | UUID | datetime | SizeCell | None


def short_id(row_id: UUID) -> str:
    """Return the end of an id, which commands take for it."""
    return f"…{row_id.hex[-SHORT_DIGITS:]}"


def tabulate(
    header: Sequence[str], rows: Sequence[Sequence[Cell]], *, empty: str = "", piped: Collection[str] = ()
) -> None:
    """Print rows on standard output, or where there is none what is said instead of an `empty` table.

    In a terminal texts fold, and columns without a word are left out; so are those that are only `piped`, for room.
    """
    if not rows and empty:
        say(empty)
        return
    if not out.is_terminal:
        texts = [[_written(cell) or NOTHING for cell in row] for row in rows]
        table = _table(header, texts, rows, gap=_GAPS[0])
        out.width = _width(table)
        out.print(table)
        return
    shown = [[_short(cell) for cell in row] for row in rows]
    used = [
        number
        for number, name in enumerate(header)
        if name not in piped and (not rows or any(row[number] for row in shown))
    ]
    header, shown = [header[n] for n in used], [[row[n] for n in used] for row in shown]
    rows = [[row[n] for n in used] for row in rows]
    roomy, tight = (_table(header, shown, rows, gap=gap) for gap in _GAPS)
    out.print(roomy if _width(roomy) <= out.width else tight)


def _short(cell: Cell) -> str:
    match cell:
        case UUID():
            return short_id(cell)
        case Folder(name):
            return escape_controls(name or "")[:_INSTANT_DIGITS]
        case _:
            return _written(cell)


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case SizeCell(size_bytes):
            return round_size(size_bytes)
        case Folder(name):
            return escape_controls(name or "")
        case datetime():
            return format_instant(cell)
        case _:
            return escape_controls(str(cell))


def _table(header: Sequence[str], texts: Sequence[Sequence[str]], rows: Sequence[Sequence[Cell]], *, gap: int) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold")
    for number, name in enumerate(header):
        cells = [row[number] for row in rows if row[number] is not None]
        amounts = bool(cells) and all(isinstance(cell, int | SizeCell) for cell in cells)
        whole = amounts or any(isinstance(cell, UUID | datetime | SizeCell | Folder) for cell in cells)
        table.add_column(name, overflow="fold", no_wrap=whole, justify="right" if amounts else "left")
    for texts_of_row in texts:
        table.add_row(*map(Text, texts_of_row))
    return table


def _width(table: Table) -> int:
    from rich.measure import Measurement

    return Measurement.get(out, out.options.update(max_width=WIDEST), table).maximum
