"""What may be asked of a forecast."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from media_analysis.storage.category import Category

LONGEST_DAYS: Final = 366


@dataclass(frozen=True)
class ForecastRequest:
    """How far to look, at one category or all, and what lifetimes to try instead of those in force."""

    days: int = 30
    category: Category | None = None
    lifetimes: Mapping[Category, timedelta | None] = field(default_factory=dict)
