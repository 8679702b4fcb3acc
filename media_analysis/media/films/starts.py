"""When pictures and sound of a file begin, for whoever plays both."""

from fractions import Fraction
from typing import Final, NamedTuple

from av.container import InputContainer
from av.stream import Stream

from media_analysis.media.films.streams import best_audio, best_video

_LATEST_SECONDS: Final = 3_600
"""What begins later than so long behind the other has a clock of its own."""


class Starts(NamedTuple):
    """Seconds from where a player begins, which is where the first of both does."""

    pictures: float
    sound: float


def starts_of(container: InputContainer) -> Starts:
    """Return when pictures and sound begin, as the container's headers tell it; 0 where it has one of them only."""
    pictures, sound = _start_of(best_video(container)), _start_of(best_audio(container))
    if pictures is None or sound is None or abs(pictures - sound) > _LATEST_SECONDS:
        return Starts(0.0, 0.0)
    first = min(pictures, sound)
    return Starts(round(float(pictures - first), 6), round(float(sound - first), 6))


def _start_of(stream: Stream | None) -> Fraction | None:
    if stream is None or stream.start_time is None or stream.time_base is None:
        return None
    return stream.start_time * stream.time_base
