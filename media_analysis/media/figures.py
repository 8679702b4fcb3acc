"""Figures as people read them: instants, durations, sizes and rates."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

_FINEST: Final = 3
_SHORT_SECONDS: Final = 10
_NUDGE: Final = 2e-6
"""Instants are whole microseconds; 0.3 may be 0.29999 among floats."""
_HOUR: Final = 3_600
_ROUGH: Final = 99.95
"""From here on a tenth says nothing."""


def timestamps(instants: Sequence[float]) -> Sequence[str]:
    """Return ascending instants, in seconds, as `m:ss` or `h:mm:ss`, all alike and just fine enough to differ."""
    gaps = [after - before for before, after in pairwise(instants) if after > before]
    decimals = next((places for places in range(_FINEST) if min(gaps, default=1) >= 10**-places - _NUDGE), _FINEST)
    hours = max(instants, default=0) >= _HOUR
    return [_clock(instant, decimals=decimals, hours=hours) for instant in instants]


def duration(seconds: float) -> str:
    """Return a duration as `h:mm:ss`, or as seconds and tenths where it is short."""
    return f"{seconds:.1f} s" if seconds < _SHORT_SECONDS else _clock(seconds, decimals=0, hours=True)


def byte_size(size_bytes: float) -> str:
    """Return bytes in binary units, as everywhere in this service."""
    return _scaled(size_bytes, ("bytes", "KiB", "MiB", "GiB", "TiB"), step=1_024)


def bit_rate(bits_per_second: float) -> str:
    """Return a bit rate in decimal units."""
    return _scaled(bits_per_second, ("b/s", "kb/s", "Mb/s", "Gb/s"), step=1_000)


def frame_rate(frames_per_second: float) -> str:
    """Return a frame rate without needless zeros."""
    return f"{frames_per_second:.2f}".rstrip("0").rstrip(".") + " fps"


def _clock(seconds: float, *, decimals: int, hours: bool) -> str:
    # Cut, not rounded: a clock shows 0:59 until it shows 1:00.
    ticks = int((seconds + _NUDGE) * 10**decimals)
    whole, fraction = divmod(ticks, 10**decimals)
    minutes, second = divmod(whole, 60)
    face = f"{minutes // 60}:{minutes % 60:02}:{second:02}" if hours else f"{minutes}:{second:02}"
    return f"{face}.{fraction:0{decimals}}" if decimals else face


def _scaled(value: float, units: Sequence[str], *, step: int) -> str:
    place = 0
    while value >= step - 0.5 and place < len(units) - 1:
        value, place = value / step, place + 1
    digits = 1 if place and value < _ROUGH else 0
    return f"{value:.{digits}f} {units[place]}"
