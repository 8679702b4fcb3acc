"""The peaks of a sound as an outline: audiowaveform's JSON, drawn."""

from typing import Any, Final

import orjson

COLUMNS: Final = 600
HEIGHT: Final = 100
MOST_BYTES: Final = 4 * 2**20
_BITS: Final = (8, 16)


def outline(content: bytes) -> str | None:
    """Return the points of a polygon, `COLUMNS` wide and `HEIGHT` high; None of what is no waveform.

    A program elsewhere may have made it, and calls it what it likes.
    """
    try:
        told: Any = orjson.loads(content)
        if told["bits"] in _BITS:
            return _drawn(told["data"], told["channels"], 2 ** (told["bits"] - 1))
    except (ValueError, KeyError, TypeError):
        pass
    return None


def _drawn(data: list[float], channels: int, full: int) -> str | None:
    pairs = len(data) // 2
    if not pairs:
        return None
    step = max(channels, -(-pairs // COLUMNS))
    lows = [min(data[2 * at : 2 * (at + step) : 2]) for at in range(0, pairs, step)]
    highs = [max(data[2 * at + 1 : 2 * (at + step) : 2]) for at in range(0, pairs, step)]
    width = COLUMNS / max(1, len(highs) - 1)
    upper = [(at * width, HEIGHT / 2 * (1 - high / full)) for at, high in enumerate(highs)]
    lower = [(at * width, HEIGHT / 2 * (1 - low / full)) for at, low in enumerate(lows)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [*upper, *reversed(lower)])
