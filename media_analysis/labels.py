"""Labels: what whoever made a thing calls it by, a mapping of keys to values, and filters by them."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Annotated, Final, NamedTuple, Self

from pydantic import AfterValidator, Field

from media_analysis.characters import escape_controls

MOST_LABELS: Final = 32
MOST_CHARACTERS: Final = 4_096
"""Of all keys and values of one thing together."""
MOST_FILTERS: Final = 16
LONGEST_VALUE: Final = 255
KEY_PATTERN: Final = r"^[a-z0-9][A-Za-z0-9._/-]{0,62}$"
_KEY: Final = re.compile(KEY_PATTERN.removesuffix("$"))
_KEY_RULE: Final = "a key is 1 to 63 letters, digits, and . _ - /, of which the first is a small letter or a digit"


def _plain(value: str) -> str:
    if escape_controls(value) != value:
        raise ValueError("the value of a label has no control characters")
    return value


def _bounded(labels: dict[str, str]) -> dict[str, str]:
    if sum(len(key) + len(value) for key, value in labels.items()) > MOST_CHARACTERS:
        raise ValueError(f"labels have at most {MOST_CHARACTERS} characters together")
    return labels


LabelKey = Annotated[str, Field(pattern=KEY_PATTERN)]
LabelValue = Annotated[str, Field(min_length=1, max_length=LONGEST_VALUE), AfterValidator(_plain)]
Labels = Annotated[dict[LabelKey, LabelValue], Field(max_length=MOST_LABELS), AfterValidator(_bounded)]
"""The labels of one thing, as a document tells them."""
LabelChanges = Annotated[dict[LabelKey, LabelValue | None], Field(max_length=2 * MOST_LABELS)]
"""What is to become of some of a thing's labels: a new value, or None where the key goes (RFC 7396)."""


Relabel = Callable[[Mapping[str, str]], Mapping[str, str]]
"""Returns the labels a thing is to have of those it has; raises `ValueError` where these cannot be."""


class LabelFilter(NamedTuple):
    """One condition on labels: a key that is there, or has a value, or neither if not `wanted`."""

    key: str
    value: str | None = None
    wanted: bool = True

    @classmethod
    def parse(cls, told: str) -> Self:
        """Return what `camera:north`, `camera`, `!camera:north` and `!camera` ask for; the first colon splits.

        Raises:
            ValueError: it is none of these.

        """
        name, colon, value = told.removeprefix("!").partition(":")
        return cls(_require_key(name), _require_value(value) if colon else None, not told.startswith("!"))

    def __str__(self) -> str:
        """Return it as it is asked for."""
        return f"{'' if self.wanted else '!'}{self.name}"

    @property
    def name(self) -> str:
        """What a file is listed by that has it, as `label_list` takes it."""
        return self.key if self.value is None else f"{self.key}:{self.value}"

    def is_met(self, labels: Mapping[str, str] | None) -> bool:
        """Say whether these labels meet it, as its condition says of a row."""
        value = (labels or {}).get(self.key)
        has = value is not None if self.value is None else value == self.value
        return has is self.wanted

    def condition(self, number: Callable[[object], str], labels: str = "labels") -> str:
        """Return the SQL of whether a row meets it, true or false; `number` returns where a statement has a value."""
        value = f"{labels} ->> CAST({number(self.key)} AS text)"
        if self.value is None:
            return f"{value} IS {'NOT ' if self.wanted else ''}NULL"
        return f"{value} IS {'NOT ' if self.wanted else ''}DISTINCT FROM CAST({number(self.value)} AS text)"


def parse_labels(told: Iterable[str]) -> dict[str, str]:
    """Return the labels that texts such as `event:evt42` say; the first colon splits.

    Raises:
        ValueError: one is no label, a key is given twice, or they are more than a thing may have.

    """
    labels: dict[str, str] = {}
    for text in told:
        name, colon, value = text.partition(":")
        if not colon:
            raise ValueError("a label is a key, a colon and a value, such as event:evt42")
        if _require_key(name) in labels:
            raise ValueError(f"the key {name} is given twice")
        labels[name] = _require_value(value)
    return _few(labels)


def change_labels(labels: Mapping[str, str] | None, changes: Mapping[str, str | None]) -> dict[str, str]:
    """Return the labels as these changes leave them; what is not named stays.

    Raises:
        ValueError: they are more than a thing may have.

    """
    changed = {**(labels or {}), **changes}
    return _few({key: value for key, value in changed.items() if value is not None})


def relabelling(changes: Mapping[str, str | None] | None) -> Relabel:
    """Return what makes the labels a thing is to have of those it has; None takes all away (RFC 7396)."""
    return lambda labels: {} if changes is None else change_labels(labels, changes)


def parse_filters(told: Sequence[str]) -> tuple[LabelFilter, ...]:
    """Return the filters that texts say, of which all are to be met.

    Raises:
        ValueError: one is no filter, or there are too many.

    """
    if len(told) > MOST_FILTERS:
        raise ValueError(f"at most {MOST_FILTERS} labels can be asked for at once")
    return tuple(dict.fromkeys(map(LabelFilter.parse, told)))


def _few(labels: dict[str, str]) -> dict[str, str]:
    if len(labels) > MOST_LABELS:
        raise ValueError(f"a thing has at most {MOST_LABELS} labels")
    return _bounded(labels)


def _require_key(key: str) -> str:
    if _KEY.fullmatch(key) is None:
        raise ValueError(_KEY_RULE)
    return key


def _require_value(value: str) -> str:
    if not 0 < len(value) <= LONGEST_VALUE:
        raise ValueError(f"the value of a label is 1 to {LONGEST_VALUE} characters")
    return _plain(value)


def _parsed_labels(told: list[str]) -> list[str]:
    parse_labels(told)
    return told


def _parsed_filters(told: list[str]) -> list[str]:
    parse_filters(told)
    return told


LabelTexts = Annotated[list[str], AfterValidator(_parsed_labels)]
"""Labels as a query or a form says them, `label=event:evt42`, which `parse_labels` reads."""
LabelFilters = Annotated[list[str], AfterValidator(_parsed_filters)]
"""Filters as a query says them, which `parse_filters` reads."""
