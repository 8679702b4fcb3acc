"""Which files a list shows, or a deletion takes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self
from uuid import UUID

from media_analysis.labels import LabelFilter
from media_analysis.sessions.limits import Limit
from media_analysis.states import FileState
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True)
class FileFilter:
    """Which files a list shows; None means any. With `expires_before`, what ends next comes first, else the newest."""

    owner: str | None = None
    category: Category | None = None
    job_id: UUID | None = None
    state: FileState | None = None
    expires_before: datetime | None = None
    renditions: bool = False
    """Whether pictures that are kept of files are shown, too."""
    labels: tuple[LabelFilter, ...] = ()
    """All of which are to be met; a list is read along the first that is wanted."""
    limit: Limit | None = None
    """What else is to be met, whatever was asked for."""

    @property
    def categories(self) -> tuple[Category, ...]:
        asked = tuple(Category) if self.category is None else (self.category,)
        return asked if self.limit is None else self.limit.within(asked)

    def within(self, limit: Limit | None) -> Self:
        """Return the filter for a session that is limited: its labels are asked for as others are."""
        if limit is None:
            return self
        return replace(self, limit=limit, labels=tuple(dict.fromkeys([*self.labels, *limit.labels])))

    def of_categories(self, file: str = "file") -> Sequence[str]:
        """Return the SQL of which categories a row may have, nothing where it may have any."""
        named = ", ".join(f"'{category}'" for category in self.categories)
        return [] if set(self.categories) == set(Category) else [f"{file}.category IN ({named})"]

    def facts(self) -> Mapping[str, str]:
        """Return what of it is wanted, as the audit trail tells it."""
        told = {name: getattr(self, name) for name in ("owner", "category", "job_id", "state", "expires_before")}
        if self.limit is not None and self.category is None:
            told["category"] = " ".join(self.categories)
        told["labels"] = " ".join(map(str, self.labels)) or None
        return {name: str(value) for name, value in told.items() if value is not None}
