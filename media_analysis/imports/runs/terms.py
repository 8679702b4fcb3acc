"""Who imports what, under which rules."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from media_analysis.imports.runs.outcomes import Life

MAX_BYTES: Final = 100 * 2**30
"""The most an archive may hold unless more is asked for."""
MAX_RATIO: Final = 1000
"""How many times its own size an archive may hold; nothing honest comes near."""
RATIO_FLOOR_BYTES: Final = 64 * 2**20
"""What an archive may hold however small it is."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportRequest:
    """Which tree, whose it becomes, and how."""

    directory: Path
    owner: str
    actor: str
    dry_run: bool = False
    rename: bool = False
    """Whether a folder called by its bare id gets the name of its run, once it is imported; never in the store."""
    accept_past_ends: bool = False
    """Whether what is past its end goes with the next sweep, instead of staying for the time of a young run."""
    over_quota: bool = False
    """Whether the files of runs may pass the quotas of their categories; archives never do."""
    max_bytes: int = MAX_BYTES

    def limit_of(self, archive_bytes: int) -> int:
        """Return the most that an archive of a size may hold."""
        return min(self.max_bytes, max(RATIO_FLOOR_BYTES, MAX_RATIO * archive_bytes))


@dataclass(frozen=True, slots=True)
class RunTerms:
    """When runs are archived and deleted, counted from their end."""

    archived_after: timedelta
    kept_for: timedelta

    def life(self, created_at: datetime, completed_at: datetime, now: datetime) -> Life:
        """Return the life of a run that is not archived yet."""
        end_at = completed_at + self.kept_for
        return Life(
            created_at=created_at,
            completed_at=completed_at,
            archive_at=completed_at + self.archived_after,
            end_at=end_at,
            past_end=end_at <= now,
        )

    def grace(self, now: datetime) -> datetime:
        """Return until when a run stays whose end had come before it was imported."""
        return now + self.archived_after
