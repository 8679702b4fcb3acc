"""Charts as figures that a template draws: where lines, bars, ticks and marks stand.

What is beside another is told in hundredths of the chart's width, so that its text keeps its size on every screen; what
is above another in pixels.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from media_analysis.units import round_size

HEIGHT: Final = 184
_WIDTH: Final = 100
_LABELS: Final = 5
_STEPS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)


class Tick(NamedTuple):
    """One place on an axis, and what stands there."""

    at: float
    label: str


class Curve(NamedTuple):
    """One line: its name, its class, and its path."""

    name: str
    tone: str
    path: str


class DayColumn(NamedTuple):
    """One day: where it is, and what is told of it."""

    x: float
    width: float
    title: str
    parts: Sequence["Bar"] = ()


class Bar(NamedTuple):
    """One bar of a day."""

    tone: str
    y: float
    height: float


@dataclass(frozen=True)
class Chart:
    """Everything that is drawn."""

    label: str
    """What a screen reader says of it."""
    x_ticks: Sequence[Tick]
    y_ticks: Sequence[Tick]
    columns: Sequence[DayColumn]
    lines: Sequence[Curve] = ()
    area: str = ""
    limits: Sequence[Tick] = field(default_factory=tuple)
    base: float = HEIGHT
    height: int = HEIGHT


class Scale(NamedTuple):
    """How amounts become heights; the axis ends at a full step above the largest."""

    top: float
    step: float
    bottom: float = 0

    @classmethod
    def of(cls, most: float, least: float = 0) -> "Scale":
        """Return the scale of amounts of bytes between `least` and `most`."""
        step = _step((most - least) / 4)
        return cls(max(step, math.ceil(most / step) * step), step, math.floor(least / step) * step)

    def y(self, amount: float) -> float:
        share = (amount - self.bottom) / (self.top - self.bottom)
        return round(HEIGHT * (1 - share), 2)

    def ticks(self) -> Sequence[Tick]:
        count = round((self.top - self.bottom) / self.step)
        amounts = [self.bottom + self.step * number for number in range(count + 1)]
        return [Tick(self.y(amount), round_size(abs(int(amount)))) for amount in amounts]


def draw_lines(
    label: str,
    days: Sequence[date],
    series: Mapping[str, Sequence[int]],
    *,
    titles: Sequence[str],
    limits: Mapping[str, int] | None = None,
) -> Chart:
    """Return a chart of amounts of bytes by day: the first line has an area below it, the others are dashed.

    Limits stand as horizontal lines, but where they are so far away that the lines would lie on the ground.
    """
    most = max((max(amounts, default=0) for amounts in series.values()), default=0)
    near = {name: amount for name, amount in (limits or {}).items() if amount <= 4 * max(most, 1)}
    scale = Scale.of(max([most, *near.values()]))
    xs = _places(len(days))
    lines = [
        Curve(name, "" if number == 0 else "other", _path(xs, [scale.y(amount) for amount in amounts]))
        for number, (name, amounts) in enumerate(series.items())
    ]
    first = lines[0].path if lines else ""
    area = f"{first}L{xs[-1]} {HEIGHT}L{xs[0]} {HEIGHT}Z" if first else ""
    return Chart(
        label,
        _dates(days, xs),
        scale.ticks(),
        _columns(xs, titles),
        lines,
        area,
        [Tick(scale.y(amount), name) for name, amount in near.items()],
    )


def draw_in_and_out(
    label: str, days: Sequence[date], came: Sequence[int], went: Sequence[int], *, titles: Sequence[str]
) -> Chart:
    """Return a chart of bars by day: what came above the line, what went below it."""
    scale = Scale.of(max([*came, 1]), -max([*went, 0]))
    xs = _places(len(days))
    base = scale.y(0)
    columns = [
        column._replace(
            parts=(Bar("in", scale.y(inward), base - scale.y(inward)), Bar("out", base, scale.y(-out) - base))
        )
        for column, inward, out in zip(_columns(xs, titles), came, went, strict=True)
    ]
    return Chart(label, _dates(days, xs), scale.ticks(), columns, base=base)


def _step(wanted: float) -> float:
    """Return the least step, of 1, 2 or 5 tens of a unit of bytes, that is as large as wanted."""
    unit = 1.0
    while wanted > _STEPS[-1] * unit:
        unit *= 1024
    return next(step * unit for step in _STEPS if step * unit >= wanted)


def _places(count: int) -> Sequence[float]:
    width = _WIDTH / max(count, 1)
    return [round(width * (number + 0.5), 2) for number in range(count)]


def _columns(xs: Sequence[float], titles: Sequence[str]) -> Sequence[DayColumn]:
    width = round(_WIDTH / max(len(xs), 1), 2)
    return [DayColumn(round(x - width / 2, 2), width, title) for x, title in zip(xs, titles, strict=True)]


def _dates(days: Sequence[date], xs: Sequence[float]) -> Sequence[Tick]:
    every = max(1, math.ceil(len(days) / _LABELS))
    return [
        Tick(x, f"{day.day} {day:%b}")
        for number, (day, x) in enumerate(zip(days, xs, strict=True))
        if number % every == 0
    ]


def _path(xs: Sequence[float], ys: Sequence[float]) -> str:
    return "".join(f"{'L' if number else 'M'}{x} {y}" for number, (x, y) in enumerate(zip(xs, ys, strict=True)))
