"""One event as it is told, the place it has, and which events somebody wants."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, NamedTuple, Self
from uuid import UUID

from media_analysis.events.types import EventType
from media_analysis.labels import LabelFilter
from media_analysis.storage.category import Category

ALL: Final = 2**31 - 1
"""The place behind all files of a logged event."""
_LARGEST: Final = 2**63 - 1
_PLACE: Final = re.compile(r"([0-9]{1,19})(?:-([1-9][0-9]{0,8}))?")


class EventPlace(NamedTuple):
    """Where an event stands in the log: the id of what was logged, and which of its files."""

    logged: int
    file: int = ALL

    @classmethod
    def parse(cls, told: str) -> Self:
        """Return the place that the id of an event says.

        Raises:
            ValueError: it is no id of an event.

        """
        found = _PLACE.fullmatch(told)
        if found is None or int(found[1]) > _LARGEST:
            raise ValueError("not the id of an event")
        return cls(int(found[1]), int(found[2]) if found[2] else ALL)

    def __str__(self) -> str:
        """Return the id of the event."""
        return str(self.logged) if self.file in {0, ALL} else f"{self.logged}-{self.file}"


START: Final = EventPlace(0)
"""Before everything that is kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EventSelection:
    """Which events are meant: those that meet all of this."""

    owners: frozenset[str] | None
    """None is everybody's."""
    types: frozenset[EventType] = frozenset(EventType)
    categories: frozenset[Category] = frozenset()
    """Of files; none given is any, and those of jobs."""
    labels: tuple[LabelFilter, ...] = ()
    job_id: UUID | None = None
    file_id: UUID | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ToldEvent:
    """One thing that happened to one file or job."""

    place: EventPlace
    type: str
    at: datetime
    owner: str
    category: Category | None
    job_id: UUID | None
    file_id: UUID | None
    labels: Mapping[str, str] = field(default_factory=dict)
    """What its file or job is labelled with now, or was in the end."""
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def subject(self) -> str:
        """What it happened to, as its resource is called."""
        return f"jobs/{self.job_id}" if self.file_id is None else f"files/{self.file_id}"

    def document(self) -> dict[str, Any]:
        """Return it as JSON tells it."""
        return {
            "id": str(self.place),
            "type": self.type,
            "at": self.at.isoformat().replace("+00:00", "Z"),
            "owner": self.owner,
            "file_id": self.file_id and str(self.file_id),
            "job_id": self.job_id and str(self.job_id),
            "category": self.category and self.category.value,
            "labels": dict(self.labels),
            "data": dict(self.data),
        }
