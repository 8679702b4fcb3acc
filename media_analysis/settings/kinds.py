"""The kinds of setting: each parses a value, prints it, and says in words what it allows."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from media_analysis.settings.cron import cron_trigger
from media_analysis.settings.units import (
    format_lifetime,
    format_size,
    parse_lifetime,
    parse_seconds,
    parse_size,
    parse_whole,
    word_of,
)

_TOKEN: Final = r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}"  # noqa: S105 - the RFC 6838 restricted name, not a password
_MEDIA_TYPE: Final = re.compile(rf"{_TOKEN}/(\*|{_TOKEN})|\*/\*", re.ASCII)
_SWITCHES: Final = {
    "true": True,
    "yes": True,
    "on": True,
    "1": True,
    "false": False,
    "no": False,
    "off": False,
    "0": False,
}


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The annotation every setting carries beside its type."""

    secret: ClassVar[bool] = False
    optional: bool = False

    @property
    def allowed(self) -> str:
        return f"{self._range()}; -1 or none" if self.optional else self._range()

    def parse(self, value: Any) -> object:
        """Return the checked value; raises ValueError with a reason that does not repeat the value."""
        if self.optional and (value is None or word_of(value) in {"none", "-1"}):
            return None
        return self._parse(value)

    def show(self, value: Any) -> str:
        """Write a checked value with its unit, without secrets."""
        return "none" if value is None else self._show(value)

    def _range(self) -> str:
        raise NotImplementedError

    def _parse(self, value: Any) -> object:
        raise NotImplementedError

    def _show(self, value: Any) -> str:
        return str(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))


@dataclass(frozen=True)
class Lifetime(Kind):
    """A span, or None for ever."""

    def parse(self, value: Any) -> object:
        return parse_lifetime(value)

    def show(self, value: Any) -> str:
        return format_lifetime(value)

    def _range(self) -> str:
        return "whole seconds, or a number with d, h, m or s such as 7d, from 1s to 100 years; -1 or indefinite"


@dataclass(frozen=True)
class Size(Kind):
    """A number of bytes."""

    low: int = 0

    def _range(self) -> str:
        return f"bytes or a size such as 10GiB, from {self.low} to 2**60"

    def _parse(self, value: Any) -> int:
        size = parse_size(value)
        if size < self.low:
            raise ValueError("too small")
        return size

    def _show(self, value: Any) -> str:
        return format_size(value)


@dataclass(frozen=True)
class Whole(Kind):
    """A whole number."""

    low: int
    high: int

    def _range(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def _parse(self, value: Any) -> int:
        number = parse_whole(value)
        if not self.low <= number <= self.high:
            raise ValueError("out of range")
        return number


@dataclass(frozen=True)
class Days(Whole):
    """A whole number of days."""

    def _show(self, value: Any) -> str:
        return f"{value}d"


@dataclass(frozen=True)
class Percent(Whole):
    """A whole number of hundredths."""

    def _show(self, value: Any) -> str:
        return f"{value}%"


@dataclass(frozen=True)
class Seconds(Kind):
    """A duration, fractions allowed."""

    low: float
    high: float

    def _range(self) -> str:
        return f"seconds from {self.low:g} to {self.high:g}"

    def _parse(self, value: Any) -> float:
        seconds = parse_seconds(value)
        if not self.low <= seconds <= self.high:
            raise ValueError("out of range")
        return seconds

    def _show(self, value: Any) -> str:
        return f"{value:g}s"


@dataclass(frozen=True)
class Switch(Kind):
    """On or off; `unbuilt` says why this version cannot switch it on."""

    unbuilt: str = ""

    def _range(self) -> str:
        return "false" if self.unbuilt else "true, false"

    def _parse(self, value: Any) -> bool:
        switch = value if isinstance(value, bool) else _SWITCHES.get(word_of(value))
        if switch is None:
            raise ValueError("neither on nor off")
        if switch and self.unbuilt:
            raise ValueError(self.unbuilt)
        return switch

    def _show(self, value: Any) -> str:
        return "true" if value else "false"


@dataclass(frozen=True)
class Choice(Kind):
    """One of a few words, in any case; `unbuilt` maps the words of later versions to the reason for refusing them."""

    options: tuple[str, ...]
    unbuilt: Mapping[str, str] = field(default_factory=dict)

    def _range(self) -> str:
        return ", ".join(self.options)

    def _parse(self, value: Any) -> str:
        spelled = {option.lower(): option for option in self.options}
        word = word_of(value)
        if word not in spelled:
            raise ValueError(self.unbuilt.get(word, "not one of the choices"))
        return spelled[word]


@dataclass(frozen=True)
class Place(Kind):
    """A directory; `~` is the home of whoever runs the service."""

    def _range(self) -> str:
        return "a path"

    def _parse(self, value: Any) -> Path:
        if not isinstance(value, str | Path) or not str(value).strip() or "\0" in str(value):
            raise ValueError("not a path")
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError("no such home directory") from None


@dataclass(frozen=True)
class Host(Kind):
    """An address to listen on."""

    def _range(self) -> str:
        return "a host name or an IP address"

    def _parse(self, value: Any) -> str:
        if not isinstance(value, str) or not re.fullmatch(r"[\w.:%-]{1,253}", value.strip(), re.ASCII):
            raise ValueError("not a host")
        return value.strip()


@dataclass(frozen=True)
class Cron(Kind):
    """When something runs, in UTC."""

    def _range(self) -> str:
        return "five crontab(5) fields in UTC, such as 0 2 * * *"

    def _parse(self, value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError("not a cron expression")  # noqa: TRY004 - pydantic collects ValueError only
        cron_trigger(value)
        return " ".join(value.split())


@dataclass(frozen=True)
class MediaTypes(Kind):
    """Media types or patterns; none at all takes everything."""

    def _range(self) -> str:
        return "media types or patterns such as image/*, separated by commas; empty accepts everything"

    def _parse(self, value: Any) -> tuple[str, ...]:
        patterns = tuple(word_of(pattern) for pattern in self._listed(value))
        if not all(_MEDIA_TYPE.fullmatch(pattern) for pattern in patterns):
            raise ValueError("not media types")
        return patterns

    def _listed(self, value: Any) -> Iterable[object]:
        match value:
            case str():
                return value.split(",") if value.strip() else ()
            case list() | tuple():
                return value
            case _:
                raise ValueError("not media types")

    def _show(self, value: Any) -> str:
        return ", ".join(value) or "everything"
