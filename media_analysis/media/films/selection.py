"""Which instants are asked for, and which packets must be decoded for the frames shown then."""

import math
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.films.timeline import TOLERANCE, Timeline
from media_analysis.media.options import DEFAULT_EVERY_SECONDS, SamplingOptions

WORTH_A_JUMP: Final = 8
"""Fewer packets than this are decoded rather than jumped over, which empties the decoder."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Packets to decode one after another, from one that decodes alone."""

    start: int
    stop: int


def asked_seconds(options: SamplingOptions, duration_seconds: float) -> Sequence[float]:
    """Return the instants asked for, ascending, in seconds from the first frame; at least one.

    Not for keyframes and scenes, which ask for no instants.

    Raises:
        MediaLimitPassed: there are more of them than `options.max_frames`.

    """
    if options.instants is not None:
        allow(len(options.instants), options)
        return sorted(options.instants)
    duration = Fraction(duration_seconds)
    if options.count is not None:
        allow(options.count, options)
        return [float(duration * (2 * part + 1) / (2 * options.count)) for part in range(options.count)]
    every = Fraction(options.every_seconds or DEFAULT_EVERY_SECONDS)
    found = max(1, math.ceil((duration - TOLERANCE) / every))
    allow(found, options)
    return [float(number * every) for number in range(found)]


def allow(found: int, options: SamplingOptions) -> None:
    """Raise MediaLimitPassed where so many frames are more than `options.max_frames`."""
    if found > options.max_frames:
        raise MediaLimitPassed("frames", found=found, allowed=options.max_frames)


def keys_apart(timeline: Timeline, *, apart_seconds: float, most: int) -> Sequence[int]:
    """Return the places of the first key of each span of so many seconds, of longer ones where they were too many."""
    span = max(apart_seconds, timeline.duration_seconds / most, float(TOLERANCE))
    chosen: dict[int, int] = {}
    for place in timeline.keys:
        seconds = timeline.seconds_at(timeline.instants[place])
        chosen.setdefault(min(max(0, math.floor((seconds + float(TOLERANCE)) / span)), most - 1), place)
    return sorted(chosen.values())


def stretches(timeline: Timeline, places: Sequence[int]) -> list[Stretch]:
    """Return what must be decoded, in order, to see the pictures of the packets at these places, which ascend.

    A packet that is shown before the key it is stored behind needs what came before that key, too.
    """
    found: list[Stretch] = []
    for place in places:
        start = _key_for(timeline, place)
        if found and start < found[-1].stop + WORTH_A_JUMP:
            found[-1] = Stretch(found[-1].start, place + 1)
        else:
            found.append(Stretch(start, place + 1))
    return found


def _key_for(timeline: Timeline, place: int) -> int:
    """Return the place of the last key that a packet can be decoded from; 0 where none is known."""
    nearest = bisect_right(timeline.keys, place) - 1
    while nearest >= 0 and timeline.instants[timeline.keys[nearest]] > timeline.instants[place]:
        nearest -= 1
    return timeline.keys[nearest] if nearest >= 0 else 0
