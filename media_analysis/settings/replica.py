"""The branch of the tree about replicas of what is stored."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from media_analysis.settings.kinds import SettingKind
from media_analysis.settings.remote import OwnStoreUrlLeaf
from media_analysis.settings.section import Section, SpanLeaf
from media_analysis.storage.category import SCRATCH, Category
from media_analysis.units import word_of

KEPT: Final = tuple(category for category in Category if category not in SCRATCH)
"""What holds something that somebody would miss."""


@dataclass(frozen=True)
class Categories(SettingKind):
    """Some categories, at least one."""

    @property
    def allowed(self) -> str:
        return f"categories separated by commas: {', '.join(Category)}"

    def parse(self, value: Any) -> tuple[Category, ...]:
        match value:
            case str():
                words = value.split(",")
            case list() | tuple():
                words = list(value)
            case _:
                raise ValueError("not categories")
        names = [word_of(word) for word in words]
        if not names or len(set(names)) < len(names) or not set(names) <= {category.value for category in Category}:
            raise ValueError("not categories, each of them once")
        return tuple(category for category in Category if category.value in names)

    def show(self, value: Any) -> str:
        return ",".join(value)


class ReplicaSettings(Section):
    """Replicas: a second copy of what is stored, in a store of its own."""

    url: OwnStoreUrlLeaf = None
    """Where replicas lie, written as storage.url is; none is nowhere."""
    categories: Annotated[tuple[Category, ...], Categories()] = KEPT
    """Of which categories files are copied; by default of all but temp and clips."""
    alert_lag: SpanLeaf = timedelta(minutes=15)
    """The service alerts once something that was stored has waited this long for its replica."""
