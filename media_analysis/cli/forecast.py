"""`media-analysis forecast`: used bytes per day, drawn in the terminal, and what other lifetimes would do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.text import Text

from media_analysis.cli.console import AsAnswered, ConfigFile, DataDir, load, out, run, say
from media_analysis.cli.grammar import parse_span
from media_analysis.cli.services import open_services
from media_analysis.cli.tables import tabulate
from media_analysis.errors import InvalidRequest
from media_analysis.retention.forecast.request import LONGEST_DAYS, ForecastRequest
from media_analysis.storage.category import Category
from media_analysis.units import format_lifetime, format_size, round_size

if TYPE_CHECKING:
    from media_analysis.retention.forecast.projection import Day, Projection
    from media_analysis.retention.forecast.service import Forecast
    from media_analysis.settings import Settings

WIDEST_BAR: Final = 40
NARROWEST_BAR: Final = 4
NUMBERS_WIDTH: Final = 42
"""What the columns before the bars take, at most."""
USED_WIDTH: Final = 12
"""What a bar's own number and the space around them take."""
EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
LIMIT_MARK: Final = "┃"
NEAR: Final = 1.5
"""A limit is drawn unless that many times the highest bar would not reach it."""


def forecast(
    *,
    days: Annotated[int, typer.Option(min=1, max=LONGEST_DAYS, help="How many days, today (UTC) first")] = 30,
    category: Annotated[Category | None, typer.Option(help="Only this category", show_default=False)] = None,
    lifetime: Annotated[
        list[str] | None,
        typer.Option(help="Try another lifetime, such as frames=5d; may be repeated", show_default=False),
    ] = None,
    as_json: AsAnswered = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Tell how many bytes come in, fall due and are used on each day, and when a quota or the disk is full."""
    request = ForecastRequest(days, category, dict(_lifetime(word) for word in lifetime or ()))
    found = run(_forecast(load(config, data_dir).settings, request))
    if as_json:
        from media_analysis.api.schemas.forecast import ForecastRead

        out.print_json(json.dumps(ForecastRead.from_forecast(found).model_dump(mode="json")))
        return
    _draw(found) if out.is_terminal else _list(found)
    for sentence in _conclusions(found):
        say(sentence)


def _lifetime(word: str) -> tuple[Category, timedelta | None]:
    name, _, value = word.partition("=")
    try:
        kind = Category(name.strip())
        return kind, None if value.strip().lower() == "indefinite" else parse_span("--lifetime", value)
    except (ValueError, InvalidRequest) as error:
        names = ", ".join(Category)
        reason = f"{word!r} is not a category ({names}) with a lifetime from 1s to 100 years, such as frames=5d"
        raise InvalidRequest("--lifetime", reason) from error


async def _forecast(settings: Settings, request: ForecastRequest) -> Forecast:
    async with open_services(settings) as runtime:
        return await runtime.retention.forecast.forecast(request)


def _list(found: Forecast) -> None:
    """Print exact numbers, for whatever reads them."""
    header: tuple[str, ...] = ("date", "due_files", "due_bytes", "ingest_bytes", "used_bytes")
    rows: list[tuple[str, ...]] = [
        (str(day.day), str(day.due_files), str(day.due_bytes), str(day.ingest_bytes), str(day.used_bytes))
        for day in found.expected.days
    ]
    if found.what_if is not None:
        header += ("what_if_due_bytes", "what_if_used_bytes")
        tried = found.what_if.days
        rows = [(*row, str(day.due_bytes), str(day.used_bytes)) for row, day in zip(rows, tried, strict=True)]
    tabulate(header, rows)


def _draw(found: Forecast) -> None:
    from rich.table import Table

    projections = [found.expected] if found.what_if is None else [found.expected, found.what_if]
    scale = _Scale.of(found, projections)
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="bold")
    table.add_column("date", no_wrap=True)
    for name in ("files", "due", "ingest"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("used", "what if")[: len(projections)]:
        table.add_column(name, justify="right", no_wrap=True)
        table.add_column(scale.legend, header_style="yellow", no_wrap=True)
    for days in zip(*(projection.days for projection in projections), strict=True):
        table.add_row(*_cells(days[0]), *(cell for day in days for cell in scale.cells_of(day)))
    out.print(table)


def _cells(day: Day) -> Sequence[str]:
    return str(day.day), str(day.due_files), round_size(day.due_bytes), round_size(day.ingest_bytes)


@dataclass(frozen=True)
class _Scale:
    """How many bytes a whole bar stands for, how wide it is, and the limit that crosses it if it is near."""

    full_bytes: int
    cells: int
    limit_bytes: int | None
    limit_name: str

    @classmethod
    def of(cls, found: Forecast, projections: Sequence[Projection]) -> _Scale:
        highest = max(1, *(day.used_bytes for projection in projections for day in projection.days))
        category, limit_bytes = found.request.category, found.limit_bytes
        quota_bytes = limit_bytes if category is None else found.policy.of(category).quota_bytes
        near = quota_bytes if quota_bytes is not None and quota_bytes <= NEAR * highest else None
        room = (out.width - NUMBERS_WIDTH) // len(projections) - USED_WIDTH
        cells = max(NARROWEST_BAR, min(WIDEST_BAR, room))
        return cls(max(highest, near or 0), cells, near, "disk" if category is None else "quota")

    @property
    def legend(self) -> str:
        return "" if self.limit_bytes is None else f"{LIMIT_MARK} {self.limit_name}"

    def cells_of(self, day: Day) -> tuple[Text, Text]:
        bar = draw_bar(day.used_bytes, self.full_bytes, self.cells, limit_bytes=self.limit_bytes)
        return Text(round_size(day.used_bytes)), bar


def draw_bar(size_bytes: int, full_bytes: int, cells: int, *, limit_bytes: int | None) -> Text:
    """Return a bar in eighths of cells, red past the limit, whose line crosses it."""
    eighths = round(8 * cells * max(0, size_bytes) / full_bytes)
    drawn = (EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8]).ljust(cells)[:cells]
    if limit_bytes is None:
        return Text(drawn, style="green")
    text = Text(drawn, style="red" if size_bytes > limit_bytes else "green")
    at = min(cells - 1, max(0, cells * limit_bytes // full_bytes))
    return Text.assemble(text[:at], (LIMIT_MARK, "bold yellow"), text[at + 1 :])


def _conclusions(found: Forecast) -> Sequence[str]:
    sentences = [f"If nothing changes: {_when(found, found.expected)}."]
    if found.what_if is not None:
        tried = ", ".join(f"{kind.value} {format_lifetime(span)}" for kind, span in found.request.lifetimes.items())
        sentences.append(f"What if ({tried}): {_when(found, found.what_if)}.")
    return [*sentences, f"Policy {found.policy.version}."]


def _when(found: Forecast, projection: Projection) -> str:
    category, within = projection.quota_full_category, f"within {found.request.days} days"
    if category is None:
        quota = f"no quota is passed {within}"
    else:
        size = format_size(found.policy.of(category).quota_bytes)
        quota = f"the quota of {category.value} ({size}) is passed on {projection.quota_full_on}"
    if found.room_bytes is None:
        return quota
    room = f"{round_size(max(0, found.room_bytes))} left beside its reserve"
    disk = f"is not full {within}" if projection.disk_full_on is None else f"is full on {projection.disk_full_on}"
    return f"{quota}; the disk ({room}) {disk}"
