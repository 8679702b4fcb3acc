"""One sweep under way: how far it is, and whether it may go on."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from media_analysis.deletion.deleter import Purged
from media_analysis.deletion.due import DueFile
from media_analysis.deletion.tombstones import Order
from media_analysis.policy.decision import Policy
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.settings.storage import CleanupSettings
from media_analysis.storage.category import Category

Observe = Callable[[SweepReport], None]


@dataclass(frozen=True, kw_only=True)
class SweepOptions:
    """How a sweep works and what ends it early."""

    batch_size: int = 2_000
    workers: int = 3
    budget: timedelta | None = timedelta(hours=1)
    budget_files: int | None = None
    budget_bytes: int | None = None

    @classmethod
    def of(cls, cleanup: CleanupSettings) -> Self:
        """Return what the settings say."""
        return cls(
            batch_size=cleanup.batch_size,
            workers=cleanup.workers,
            budget=None if cleanup.budget_seconds is None else timedelta(seconds=cleanup.budget_seconds),
            budget_files=cleanup.budget_files,
            budget_bytes=cleanup.budget_bytes,
        )


@dataclass
class SweepProgress:
    """One sweep under way."""

    report: SweepReport
    request: SweepRequest
    order: Order
    policy: Policy
    options: SweepOptions
    observe: Observe
    started: float = field(default_factory=time.monotonic)
    spent: bool = False

    def may_go_on(self) -> bool:
        options, report = self.options, self.report
        self.spent = self.spent or (
            (options.budget is not None and time.monotonic() - self.started >= options.budget.total_seconds())
            or (options.budget_files is not None and report.files >= options.budget_files)
            or (options.budget_bytes is not None and report.size_bytes >= options.budget_bytes)
        )
        return not self.spent

    def count_trashed(self, category: Category, files: Sequence[DueFile]) -> None:
        if files:
            self.report.of(category).add_trashed(len(files), sum(file.size_bytes for file in files))
            self.observe(self.report)

    def count(self, purged: Purged) -> None:
        tally = self.report.of(purged.category)
        tally.add(len(purged.gone), sum(file.size_bytes for file in purged.gone))
        tally.errors += len(purged.failed)
        self.observe(self.report)
