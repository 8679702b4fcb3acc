"""Water marks: from how many bytes on a category is under pressure, and down to how many that evicts."""

from dataclasses import dataclass

from media_analysis.policy.decision import CategoryRules
from media_analysis.settings.retention import LowWater
from media_analysis.settings.storage import StorageSettings
from media_analysis.storage.category import Category
from media_analysis.units import format_size


@dataclass(frozen=True, kw_only=True, slots=True)
class Marks:
    """What was said about one category; a mark that was not follows from the rest."""

    quota_bytes: int | None
    eviction_priority: int | None
    high_bytes: int | None
    low_bytes: int | None
    usual_low_bytes: int | None
    """The low mark unless the high one is below it."""

    @property
    def high(self) -> int | None:
        """The mark said, or the quota of a category that may be evicted."""
        if self.high_bytes is not None or self.eviction_priority is None:
            return self.high_bytes
        return self.quota_bytes

    @property
    def low(self) -> int | None:
        """The mark said, or the usual one, or 90 % of the high one."""
        high = self.high
        if self.low_bytes is not None or high is None:
            return self.low_bytes
        return _following_low(high, self.usual_low_bytes)

    def high_problem(self, category: Category) -> str | None:
        """Say what is wrong with the high mark, if anything is."""
        if self.high_bytes is None or self.quota_bytes is None or self.high_bytes <= self.quota_bytes:
            return None
        quota = f"storage.quotas.{category.value}, which is {format_size(self.quota_bytes)}"
        return f"above {quota}: uploads would be refused before pressure evicts anything"

    def low_problem(self, category: Category) -> str | None:
        """Say what is wrong with the low mark, if anything is."""
        if self.low_bytes is None:
            return None
        if self.high is None:
            needed = f"storage.high_water.{category.value}, or a quota and an eviction priority"
            return f"a low mark without a high one; give {needed}, too"
        if self.low_bytes > self.high:
            return f"above the high mark of {category.value}, which is {format_size(self.high)}"
        return None


def marks_of_settings(storage: StorageSettings, category: Category) -> Marks:
    """Return what was configured; a default low mark gives way, a given one does not."""
    says_low = storage.low_water.says(category)
    low_bytes = storage.low_water.of(category)
    return Marks(
        quota_bytes=storage.quotas.of(category),
        eviction_priority=storage.eviction_priority.of(category),
        high_bytes=storage.high_water.of(category),
        low_bytes=low_bytes if says_low else None,
        usual_low_bytes=None if says_low else low_bytes,
    )


def marks_of_rules(rules: CategoryRules, category: Category) -> Marks:
    """Return what may have been said to come to these rules: as little as possible."""
    usual = LowWater().of(category)
    high, low = rules.high_water_bytes, rules.low_water_bytes
    followed = rules.quota_bytes if rules.eviction_priority is not None else None
    follows_usual = high is None or low == _following_low(high, usual)
    follows = follows_usual or low == _following_low(high or 0, None)
    return Marks(
        quota_bytes=rules.quota_bytes,
        eviction_priority=rules.eviction_priority,
        high_bytes=None if high == followed else high,
        low_bytes=None if follows else low,
        usual_low_bytes=usual if follows_usual else None,
    )


def _following_low(high_bytes: int, usual_bytes: int | None) -> int:
    if usual_bytes is not None and usual_bytes <= high_bytes:
        return usual_bytes
    return high_bytes * 9 // 10
