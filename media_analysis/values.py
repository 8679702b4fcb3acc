"""Values that people and programs write, in documents and commands, bounded before anything looks at them."""

import re
import unicodedata
from datetime import UTC, date, datetime, time
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

LONGEST_LIFETIME_SECONDS: Final = 100 * 366 * 86_400
NAME_OF_KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
_EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = datetime(9999, 1, 1, tzinfo=UTC)
_DATED: Final = re.compile(r"[0-9]{4}-")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


def _printable(text: str) -> str:
    for character in text:
        if unicodedata.category(character) in {"Cc", "Cs"}:
            raise ValueError("control characters and lone surrogates are not allowed")
    return text


def _storable(instant: datetime) -> datetime:
    if not _EARLIEST <= instant <= _LATEST:
        raise ValueError("must lie between 1970 and 9999")
    return instant


def _number(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")  # noqa: TRY004 - pydantic turns ValueError into a 422
    return value


def _dated(value: object) -> object:
    if isinstance(value, datetime) or (isinstance(value, str) and _DATED.match(value)):
        return value
    raise ValueError("must be an instant such as 2030-01-31T12:00:00Z")  # a bare number says no unit


def _day(value: object) -> object:
    if isinstance(value, str) and _DAY.fullmatch(value):
        return value
    raise ValueError("must be a day such as 2030-01-31")


def _storable_day(day: date) -> date:
    _storable(midnight(day))
    return day


def midnight(day: date) -> datetime:
    """Return the instant a day begins in UTC."""
    return datetime.combine(day, time(), UTC)


Filename = Annotated[str, Field(min_length=1, max_length=255), AfterValidator(_printable)]
Line = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_printable)]
Owner = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@-]{0,127}$")]
Seconds = Annotated[int, Field(ge=1, le=LONGEST_LIFETIME_SECONDS), BeforeValidator(_number)]
Instant = Annotated[AwareDatetime, BeforeValidator(_dated), AfterValidator(_storable)]
Day = Annotated[date, BeforeValidator(_day), AfterValidator(_storable_day)]
