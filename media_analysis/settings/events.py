"""The branch of the tree about the log of events."""

from datetime import timedelta
from typing import Annotated

from pydantic import field_validator

from media_analysis.settings.kinds import Whole
from media_analysis.settings.section import LifetimeLeaf, Section

SHORTEST = timedelta(hours=1)


class EventSettings(Section):
    """How much is kept of what happened to files and jobs."""

    keep: LifetimeLeaf = timedelta(days=7)
    """How long events are kept for who comes back; without an end it is as long as there is room."""
    max_rows: Annotated[int, Whole(1, 10**9)] = 1_000_000
    """How many there may be; beyond that the oldest of whoever has most go first. Files that go at once are one."""

    @field_validator("keep")
    @classmethod
    def _long_enough(cls, life: timedelta | None) -> timedelta | None:
        if life is not None and life < SHORTEST:
            raise ValueError("shorter than 1h, in which webhooks have to have read them")
        return life
