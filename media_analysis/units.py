"""How instants, spans, sizes and numbers are written: what settings hold is read back by its parser."""

import re
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Final

LARGEST_SIZE: Final = 2**60
LONGEST_LIFETIME: Final = timedelta(days=36_500)
_LIFETIME_UNITS: Final = {
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
}
_SIZE_UNITS: Final = {"EiB": 2**60, "PiB": 2**50, "TiB": 2**40, "GiB": 2**30, "MiB": 2**20, "KiB": 2**10}
_LIFETIME: Final = re.compile(r"(?P<count>\d{1,12})\s*(?P<unit>[dhms]?)", re.ASCII)
_ALL_SIZE_UNITS: Final = {name.lower(): unit for name, unit in _SIZE_UNITS.items()} | {
    f"{letter}b": 1000**power for power, letter in enumerate("kmgtpe", start=1)
}
_SIZE: Final = re.compile(r"(?P<count>\d{1,19}(\.\d{1,6})?)\s*(?P<unit>[kmgtpe]i?b)", re.ASCII)
_BYTES: Final = re.compile(r"(\d{1,19})\s*b?", re.ASCII)
_WHOLE: Final = re.compile(r"-?\d{1,19}", re.ASCII)
_DECIMAL: Final = re.compile(r"\d{1,19}(\.\d{1,9})?", re.ASCII)


def word_of(value: object) -> str:
    """Write text and whole numbers alike; anything else, booleans too, becomes the empty word no parser takes."""
    match value:
        case str():
            return value.strip().lower()
        case int() if not isinstance(value, bool) and abs(value) < 10**19:
            return str(value)
        case _:
            return ""


def parse_lifetime(value: object) -> timedelta | None:
    """Return the span given in seconds, with a unit (`7d`, `24h`, `90m`, `30s`) or as itself; None is indefinite."""
    if value is None or word_of(value) in {"indefinite", "-1"}:
        return None
    return parse_span(value)


def parse_span(value: object, *, shortest: timedelta = timedelta(seconds=1)) -> timedelta:
    """Return the span given in seconds, with a unit or as itself."""
    span = value if isinstance(value, timedelta) else _written_lifetime(word_of(value))
    if span % timedelta(seconds=1) or not shortest <= span <= LONGEST_LIFETIME:
        raise ValueError(f"not a whole number of seconds from {format_lifetime(shortest)} to 100 years")
    return span


def _written_lifetime(word: str) -> timedelta:
    match = _LIFETIME.fullmatch(word)
    if match is None:
        raise ValueError("not a span of time")
    try:
        return int(match["count"]) * _LIFETIME_UNITS[match["unit"] or "s"]
    except OverflowError:
        raise ValueError("longer than 100 years") from None


def format_lifetime(lifetime: timedelta | None) -> str:
    """Write a lifetime in the largest unit that loses nothing."""
    if lifetime is None:
        return "indefinite"
    name, unit = next((name, unit) for name, unit in _LIFETIME_UNITS.items() if not lifetime % unit)
    return f"{lifetime // unit}{name}"


def parse_size(value: object) -> int:
    """Return the bytes given as a whole number or with a unit (`10GiB`, `1.5 MB`)."""
    size = _written_size(word_of(value))
    if size > LARGEST_SIZE:
        raise ValueError("more than 2**60 bytes")
    return size


def _written_size(word: str) -> int:
    if exact := _BYTES.fullmatch(word):
        return int(exact[1])
    match = _SIZE.fullmatch(word)
    if match is None:
        raise ValueError("not a size")
    return int(Fraction(match["count"]) * _ALL_SIZE_UNITS[match["unit"]])  # exact, where a float would round


def format_size(size_bytes: int | None) -> str:
    """Write a size as `round_size` does, or in bytes where one decimal would lose something."""
    if size_bytes is None:
        return "none"
    rounded = round_size(size_bytes)
    return rounded if parse_size(rounded) == size_bytes else f"{size_bytes} B"


def round_size(size_bytes: int) -> str:
    """Write an amount of bytes for people: `13 B`, or KiB to EiB with one decimal."""
    if abs(size_bytes) < _SIZE_UNITS["KiB"]:
        return f"{size_bytes} B"
    sign = "-" if size_bytes < 0 else ""
    for name, unit in _SIZE_UNITS.items():
        tenths = (20 * abs(size_bytes) + unit) // (2 * unit)
        if tenths >= 10:  # noqa: PLR2004 - one whole unit
            return f"{sign}{tenths // 10}.{tenths % 10} {name}"
    raise AssertionError


def format_instant(at: datetime) -> str:
    """Write an instant to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def parse_whole(value: object) -> int:
    """Return a whole number; neither a boolean nor 8.0 is one."""
    word = word_of(value)
    if not _WHOLE.fullmatch(word):
        raise ValueError("not a whole number")
    return int(word)


def parse_seconds(value: object) -> float:
    """Return a number of seconds, fractions allowed; NaN and infinity are none."""
    word = str(value) if isinstance(value, float) else word_of(value)
    if not _DECIMAL.fullmatch(word):
        raise ValueError("not a number of seconds")
    return float(word)
