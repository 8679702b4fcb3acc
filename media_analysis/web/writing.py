"""How sizes, instants, spans and numbers are written on a page."""

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from media_analysis.units import format_instant, round_size

_MINUTE: Final = 60
_UNITS: Final = (("year", 365 * 86_400), ("month", 30 * 86_400), ("day", 86_400), ("hour", 3_600), ("minute", _MINUTE))
_NONE: Final = "\N{EN DASH}"


def write_size(size_bytes: int | None) -> str:
    """Write an amount of bytes in the unit that people read it in."""
    return _NONE if size_bytes is None else round_size(size_bytes)


def write_count(number: float | None) -> str:
    """Write a number with its thousands apart."""
    return _NONE if number is None else f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def write_files(number: int) -> str:
    """Write a number of files."""
    return f"{write_count(number)} file{'' if number == 1 else 's'}"


def write_percent(share: float) -> str:
    """Write a share of a whole, as precisely as it is worth reading."""
    percent = 100 * share
    if not percent:
        return "0 %"
    if 0 < percent < 0.1:  # noqa: PLR2004 - what would be written as nothing
        return "less than 0.1 %"
    return f"{percent:.1f} %" if percent < 10 else f"{percent:.0f} %"  # noqa: PLR2004 - two digits suffice


def write_span(span: timedelta | float | None) -> str:
    """Write how long something takes, in its largest unit that is full at least twice, or once."""
    if span is None:
        return _NONE
    seconds = span.total_seconds() if isinstance(span, timedelta) else span
    for name, length in _UNITS:
        if abs(seconds) >= 2 * length or (abs(seconds) >= length and name != "month"):
            number = round(abs(seconds) / length)
            return f"{number} {name}{'s' if number != 1 else ''}"
    return f"{seconds:.3g} s"


def write_distance(at: datetime | None, now: datetime) -> str:
    """Write when something is, seen from now: `in 3 days`, `5 minutes ago`."""
    if at is None:
        return "never"
    seconds = (at - now).total_seconds()
    if abs(seconds) < _MINUTE:
        return "now" if seconds > 0 else "just now"
    return f"in {write_span(seconds)}" if seconds > 0 else f"{write_span(seconds)} ago"


def write_clock(seconds: float | None) -> str:
    """Write a position in a film: `1:02:03`, or `2:03`."""
    if seconds is None:
        return _NONE
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def write_timecode(seconds: float | None) -> str:
    """Write a position in a film to the hundredth of a second: `1:02:03.50`, or `2:03.50`."""
    if seconds is None:
        return _NONE
    hundredths = round(seconds * 100)
    return f"{write_clock(hundredths // 100)}.{hundredths % 100:02}"


def write_json(value: object) -> str:
    """Write a document for people who read JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def write_words(name: str) -> str:
    """Write a name of ours in words: `contact_sheets` is `contact sheets`."""
    return str(name).replace("_", " ")


_BECAUSE: Final[Mapping[str, str]] = {
    "requested": "somebody asked",
    "upload_abandoned": "its upload was given up",
    "upload_lease": "its upload was given up",
    "explicit_expiry": "its date came",
    "category_lifetime": "its category's time was over",
    "pressure": "room was needed",
    "trash": "its time in the trash was over",
    "archived": "its run was archived",
}


def write_because(rule: str | None) -> str:
    """Write why something went, from the rule that decided."""
    return _NONE if rule is None else _BECAUSE.get(str(rule), write_words(rule))


def write_iso(at: datetime) -> str:
    """Write an instant for programs."""
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "size": write_size,
    "count": write_count,
    "files": write_files,
    "percent": write_percent,
    "span": write_span,
    "distance": write_distance,
    "clock": write_clock,
    "timecode": write_timecode,
    "json": write_json,
    "words": write_words,
    "because": write_because,
    "iso": write_iso,
    "instant": format_instant,
}
