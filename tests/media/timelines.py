"""Timelines without files."""

from collections.abc import Sequence
from fractions import Fraction

from media_analysis.media.films.timeline import Timeline


def timeline_of(
    instants: Sequence[int], *, keys: Sequence[int] = (0,), tick: Fraction = Fraction(1, 25), usual: int = 1
) -> Timeline:
    """Return the timeline of packets stored in this order, of which all may be referred to."""
    return Timeline(
        time_base=tick,
        instants=instants,
        keys=keys,
        shown=sorted(instants),
        ranks=bytes(len(instants)),
        usual=usual,
        end=max(instants) + usual,
        timed=True,
        shown_from=len(instants),
        exact=True,
    )
