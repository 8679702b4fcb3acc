"""A file's life as a line: what happened on its left half, now in the middle, what comes on its right."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from media_analysis.retention.explain.explanation import Explanation
from media_analysis.retention.explain.timeline import Moment
from media_analysis.web.file.words import RULES, STEPS, write_moment

NOW_AT: Final = 50.0
"""Per cent of the width, as all places on the line."""
_MARGIN: Final = 3.0
_APART: Final = 5.5
_LANES: Final = 3
_SAME: Final = timedelta(seconds=2)
MOST_POINTS: Final = 24


@dataclass(frozen=True, slots=True)
class Point:
    """Something that happened, or will."""

    at: datetime
    text: str
    is_past: bool
    place: float
    lane: int = 0
    """Points that are close to each other lie in different ones."""


@dataclass(frozen=True, slots=True)
class Protection:
    """From where to where something protects the file."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Lifeline:
    """All of the line."""

    points: Sequence[Point]
    protections: Sequence[Protection]
    begins_at: datetime
    ends_at: datetime | None
    """None where nothing is in sight."""


@dataclass(frozen=True, slots=True)
class _Scale:
    """Where an instant lies; both halves have a scale of their own."""

    first: datetime
    now: datetime
    last: datetime

    def place(self, at: datetime) -> float:
        if at <= self.now:
            share = (self.now - at) / max(self.now - self.first, _SAME)
            return NOW_AT - min(1.0, share) * (NOW_AT - _MARGIN)
        share = (at - self.now) / max(self.last - self.now, _SAME)
        return NOW_AT + min(1.0, share) * (NOW_AT - _MARGIN)


def draw_lifeline(told: Explanation, now: datetime) -> Lifeline:
    """Return the line of a file's life."""
    past = list(_merged(told.timeline))[-MOST_POINTS:]
    steps = told.next_steps
    first = past[0].at if past else now
    scale = _Scale(first, now, max((step.at for step in steps), default=now))
    points = [Point(moment.at, write_moment(moment), is_past=True, place=scale.place(moment.at)) for moment in past]
    for step in steps:
        text = f"{STEPS.get(step.step, step.step)} ({RULES[step.rule]})"
        points.append(Point(step.at, text, is_past=False, place=scale.place(step.at)))
    return Lifeline(
        points=list(_in_lanes(points)),
        protections=list(_protections(told, scale)),
        begins_at=first,
        ends_at=steps[-1].at if steps else None,
    )


def _merged(timeline: Sequence[Moment]) -> Iterator[Moment]:
    """Leave out that an upload began where it ended at once."""
    stored = next((moment.at for moment in timeline if moment.event == "stored"), None)
    for moment in timeline:
        if moment.event != "created" or stored is None or stored - moment.at > _SAME:
            yield moment


def _protections(told: Explanation, scale: _Scale) -> Iterator[Protection]:
    for blocker in told.blockers:
        since = [moment.at for moment in told.timeline if moment.event == "held"] if blocker.rule == "hold" else []
        start = scale.place(max(since[-1] if since else scale.now, scale.first))
        end = 100.0 if blocker.until is None else scale.place(blocker.until)
        yield Protection(start, max(end, start + 1), blocker.rule.replace("_", " "))


def _in_lanes(points: Sequence[Point]) -> Iterator[Point]:
    """Yield them in lanes in which no two are too close, as far as there are lanes."""
    ends = [-_APART] * _LANES
    for point in points:
        free = next((lane for lane, end in enumerate(ends) if point.place - end >= _APART), None)
        lane = free if free is not None else min(range(_LANES), key=ends.__getitem__)
        ends[lane] = point.place
        yield replace(point, lane=lane)
