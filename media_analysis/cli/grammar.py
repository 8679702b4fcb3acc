"""What options take: instants, spans, sizes, ids, names. One grammar for all commands, and one kind of refusal.

An instant is a day such as 2026-11-21, or a day and a time such as 2026-11-21T02:00, in UTC unless it ends with an
offset (+02:00). Where something begins, a day is its first moment; where something ends, the whole day belongs to it.
A span is a whole number with d, h, m or s, such as 30d; a size has a unit such as 20MiB.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from media_analysis.errors import InvalidRequest
from media_analysis.units import parse_lifetime, parse_size

INSTANT: Final = "a day such as 2026-11-21, or an instant such as 2026-11-21T02:00 (UTC) or 2026-11-21T02:00+02:00"
SPAN: Final = "a span from 1s to 100 years, such as 30d, 12h, 90m or 45s"
LABEL: Final = "a label such as event:evt42"
SIZE: Final = "a size such as 20MiB"
NAME: Final = "a name of letters, digits, dots, dashes, @ and _, at most 128"
LINE: Final = "a line of 1 to 500 printable characters"
ID: Final = "an id, nor at least 4 digits (0-9, a-f) of the beginning or the end of one, such as …8cfb1c01"
WHOLE: Final = 32
_DAY: Final = timedelta(days=1)
_DIGITS: Final = re.compile(r"[0-9a-f]{4,32}")
_FOLDER: Final = re.compile(r"\d{8}_\d{6}_")


def parse_instant(option: str, given: str, *, ends: bool = False) -> datetime:
    """Return an instant in UTC; of a day its first moment or, where it `ends` something, the moment it is over.

    Raises:
        InvalidRequest: the text is none.

    """
    word = given.strip()
    try:
        at = datetime.fromisoformat(word)
        at = at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
        return at + _DAY if ends and _is_day(word) else at
    except (ValueError, OverflowError):
        raise refused(option, given, INSTANT) from None


def parse_span(option: str, given: str, *, shortest: timedelta = timedelta(seconds=1)) -> timedelta:
    """Return a span; nothing at all (`0`) where that is short enough.

    Raises:
        InvalidRequest: the text is none.

    """
    if shortest == timedelta() and given.strip() in {"0", "0s"}:
        return timedelta()
    try:
        span = parse_lifetime(given)
    except ValueError:
        span = None
    if span is None or given.strip().isdecimal():  # settings take seconds without a unit; who types 30 may mean days
        raise refused(option, given, SPAN)
    return span


def parse_amount(option: str, given: str) -> int:
    """Return a size of at least one byte.

    Raises:
        InvalidRequest: the text is none.

    """
    try:
        size_bytes = parse_size(given)
    except ValueError:
        size_bytes = 0
    if not size_bytes:
        raise refused(option, given, SIZE)
    return size_bytes


def parse_labels(option: str, given: Sequence[str]) -> dict[str, str]:
    """Return labels such as `event:evt42`; the first colon splits.

    Raises:
        InvalidRequest: one is none, or a key is given twice.

    """
    labels: dict[str, str] = {}
    for text in given:
        key, colon, value = text.partition(":")
        if not (key and colon and value):
            raise refused(option, text, LABEL)
        if key in labels:
            raise InvalidRequest(option, f"{key} is given twice")
        labels[key] = value
    return labels


def parse_owner(given: str, option: str = "--owner") -> str:
    """Return the name of an owner.

    Raises:
        InvalidRequest: nobody can be called so.

    """
    from media_analysis.values import Owner

    return _validated(Owner, option, given, NAME)


def parse_reason(given: str, option: str = "--reason") -> str:
    """Return a reason that fits into one line of the audit trail.

    Raises:
        InvalidRequest: it does not.

    """
    from media_analysis.values import Line

    return _validated(Line, option, given, LINE)


@dataclass(frozen=True, slots=True)
class IdPart:
    """An id, its beginning or its end, as somebody typed it."""

    text: str
    digits: str

    @property
    def whole(self) -> UUID | None:
        """The id, where all of it was given."""
        return UUID(self.digits) if len(self.digits) == WHOLE else None


def parse_id(given: str) -> IdPart:
    """Return what an id begins or ends with; the name of a run's folder and a dotted end (`…8cfb1c01`) will do.

    Raises:
        InvalidRequest: no id reads so.

    """
    word = _FOLDER.sub("", given.strip().lower(), count=1).removeprefix("…").removeprefix("...").removesuffix("…")
    digits = word.replace("-", "")
    if not _DIGITS.fullmatch(digits):
        raise refused("ID", given, ID)
    return IdPart(given, digits)


def refused(option: str, given: str, allowed: str) -> InvalidRequest:
    """Return the refusal of what an option was given, with what it may be given."""
    return InvalidRequest(option, f"{given!r} is not {allowed}")


def _is_day(word: str) -> bool:
    try:
        date.fromisoformat(word)
    except ValueError:
        return False
    return True


def _validated(rule: Any, option: str, given: str, allowed: str) -> str:
    # The rules for names and lines live with the API's documents, which help and completion do not load.
    from pydantic import TypeAdapter, ValidationError

    try:
        return str(TypeAdapter(rule).validate_python(given))
    except ValidationError:
        raise refused(option, given, allowed) from None
