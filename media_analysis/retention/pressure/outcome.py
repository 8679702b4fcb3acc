"""What came of a relief: wanted so much, freed so much, blocked by these."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

from media_analysis.deletion.selection import Amount
from media_analysis.states import RetentionRule
from media_analysis.storage.category import Category


class PressureScope(NamedTuple):
    """What is too full: a category, or the disk."""

    category: Category | None

    @property
    def name(self) -> str:
        return "disk" if self.category is None else f"category:{self.category.value}"

    @property
    def label(self) -> str:
        """Its name where there is no doubt that it is a scope."""
        return "disk" if self.category is None else self.category.value


class ReliefBlocker(StrEnum):
    """Why bytes stay although they are in the way."""

    HOLD = "hold"
    MINIMUM_RETENTION = "minimum_retention"
    JOB_LEASE = "job_lease"
    DATED = "dated"
    """Somebody gave it an end, and its owner has no more than their share."""
    INDEFINITE = "indefinite"
    """Somebody asked for it never to expire."""
    NOT_EVICTABLE = "not_evictable"
    """Its category has no eviction priority."""
    PAUSED = "paused"
    FAILED = "failed"
    """Deleted, but its bytes could not be removed yet."""


NOTHING: Final = Amount(0, 0)
_KEPT_BY: Final = {
    RetentionRule.HOLD: ReliefBlocker.HOLD,
    RetentionRule.MINIMUM_RETENTION: ReliefBlocker.MINIMUM_RETENTION,
    RetentionRule.JOB_LEASE: ReliefBlocker.JOB_LEASE,
    RetentionRule.EXPLICIT_EXPIRY: ReliefBlocker.DATED,
    RetentionRule.INDEFINITE: ReliefBlocker.INDEFINITE,
}


def blocker_of(rule: RetentionRule) -> ReliefBlocker:
    """Return what a rule that keeps a file under pressure is called here."""
    return _KEPT_BY.get(rule, ReliefBlocker.NOT_EVICTABLE)


@dataclass
class Blocked:
    """What stood in the way, as far as it was looked at."""

    amounts: dict[ReliefBlocker, Amount] = field(default_factory=lambda: dict.fromkeys(ReliefBlocker, NOTHING))

    def add(self, blocker: ReliefBlocker, files: int, size_bytes: int) -> None:
        known = self.amounts[blocker]
        self.amounts[blocker] = Amount(known.files + files, known.size_bytes + size_bytes)

    def document(self) -> dict[str, dict[str, int]]:
        """Return it as JSON knows it."""
        return {
            blocker.value: {"files": amount.files, "bytes": amount.size_bytes}
            for blocker, amount in self.amounts.items()
        }


@dataclass
class ReliefOutcome:
    """What one relief wanted, and what came of it."""

    scope: PressureScope
    wanted_bytes: int = 0
    freed_bytes: int = 0
    files: int = 0
    """Stored files that were evicted."""
    trash_files: int = 0
    """Files of the trash that were purged."""
    relieved: bool = True
    """Whether the low-water mark was reached, by this relief or by others at the same time."""
    blocked: Blocked = field(default_factory=Blocked)
    sweep_id: UUID | None = None

    def document(self) -> Mapping[str, Any]:
        """Return it as sweeps keep it."""
        return {
            "scope": self.scope.name,
            "wanted_bytes": self.wanted_bytes,
            "freed_bytes": self.freed_bytes,
            "files": self.files,
            "trash_files": self.trash_files,
            "relieved": self.relieved,
            "blocked": self.blocked.document(),
        }
