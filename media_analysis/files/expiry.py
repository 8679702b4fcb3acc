"""When a file expires: asked for, or given by its category."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from media_analysis.storage.category import Category

Lifetimes = Mapping[Category, timedelta | None]
"""How long a category keeps a file nobody said more about; None is indefinite."""


@dataclass(frozen=True)
class Expiry:
    """An instant, a lifetime counted from the moment the bytes are stored, or neither: indefinite."""

    explicit: bool
    at: datetime | None = None
    lifetime: timedelta | None = None

    @property
    def lifetime_seconds(self) -> float | None:
        return None if self.lifetime is None else self.lifetime.total_seconds()


def by_category(category: Category, lifetimes: Lifetimes) -> Expiry:
    """Return the expiry of a file whose owner asked for none."""
    return Expiry(explicit=False, lifetime=lifetimes.get(category))
