"""The kinds of setting: each parses a value, prints it, and says in words what it allows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from media_analysis.units import (
    format_lifetime,
    format_size,
    parse_lifetime,
    parse_seconds,
    parse_size,
    parse_span,
    parse_whole,
    word_of,
)

_SPANS: Final = "whole seconds, or a number with d, h, m or s such as 7d, from 1s to 100 years"
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


class SettingKind(ABC):
    """The annotation every setting carries beside its type."""

    @property
    @abstractmethod
    def allowed(self) -> str:
        """Say in words what it takes."""

    @property
    def secret(self) -> bool:
        """Whether values may only be printed as `show` does."""
        return False

    @abstractmethod
    def parse(self, value: Any) -> object:
        """Return the checked value; raises ValueError with a reason that does not repeat the value."""

    def show(self, value: Any) -> str:
        """Write a checked value with its unit, without secrets."""
        return str(value)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self.parse, handler(source))


@dataclass(frozen=True)
class OrNone(SettingKind):
    """Another kind, or nothing at all."""

    kind: SettingKind

    @property
    def allowed(self) -> str:
        return f"{self.kind.allowed}; -1 or none"

    @property
    def secret(self) -> bool:
        return self.kind.secret

    def parse(self, value: Any) -> object:
        return None if value is None or word_of(value) in {"none", "-1"} else self.kind.parse(value)

    def show(self, value: Any) -> str:
        return "none" if value is None else self.kind.show(value)


@dataclass(frozen=True)
class Span(SettingKind):
    """A span of time."""

    @property
    def allowed(self) -> str:
        return _SPANS

    def parse(self, value: Any) -> timedelta:
        return parse_span(value)

    def show(self, value: Any) -> str:
        return format_lifetime(value)


@dataclass(frozen=True)
class Lifetime(SettingKind):
    """A span, or None for ever."""

    @property
    def allowed(self) -> str:
        return f"{_SPANS}; -1 or indefinite"

    def parse(self, value: Any) -> timedelta | None:
        return parse_lifetime(value)

    def show(self, value: Any) -> str:
        return format_lifetime(value)


@dataclass(frozen=True)
class Size(SettingKind):
    """A number of bytes."""

    low: int = 0

    @property
    def allowed(self) -> str:
        return f"bytes or a size such as 10GiB, from {self.low} to 2**60"

    def parse(self, value: Any) -> int:
        size = parse_size(value)
        if size < self.low:
            raise ValueError("too small")
        return size

    def show(self, value: Any) -> str:
        return format_size(value)


@dataclass(frozen=True)
class Whole(SettingKind):
    """A whole number."""

    low: int
    high: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def parse(self, value: Any) -> int:
        number = parse_whole(value)
        if not self.low <= number <= self.high:
            raise ValueError("out of range")
        return number


@dataclass(frozen=True)
class Days(Whole):
    """A whole number of days."""

    def show(self, value: Any) -> str:
        return f"{value}d"


@dataclass(frozen=True)
class Percent(Whole):
    """A whole number of hundredths."""

    def show(self, value: Any) -> str:
        return f"{value}%"


@dataclass(frozen=True)
class Seconds(SettingKind):
    """A duration, fractions allowed."""

    low: float
    high: float

    @property
    def allowed(self) -> str:
        return f"seconds from {self.low:g} to {self.high:g}"

    def parse(self, value: Any) -> float:
        seconds = parse_seconds(value)
        if not self.low <= seconds <= self.high:
            raise ValueError("out of range")
        return seconds

    def show(self, value: Any) -> str:
        return f"{value:g}s"


@dataclass(frozen=True)
class Switch(SettingKind):
    """On or off."""

    @property
    def allowed(self) -> str:
        return "true, false"

    def parse(self, value: Any) -> bool:
        switch = value if isinstance(value, bool) else _SWITCHES.get(word_of(value))
        if switch is None:
            raise ValueError("neither on nor off")
        return switch

    def show(self, value: Any) -> str:
        return "true" if value else "false"


@dataclass(frozen=True)
class Choice(SettingKind):
    """One of a few words, in any case."""

    options: tuple[str, ...]

    @property
    def allowed(self) -> str:
        return ", ".join(self.options)

    def parse(self, value: Any) -> str:
        spelled = {option.lower(): option for option in self.options}
        word = word_of(value)
        if word not in spelled:
            raise ValueError("not one of the choices")
        return spelled[word]
