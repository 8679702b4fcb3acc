"""A policy as it is drafted on its screen: one field for each rule of each category."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.storage.category import Category
from media_analysis.units import format_lifetime, format_size

NONE: Final = "none"


class RuleColumn(NamedTuple):
    """One rule: where settings say it, what it is called, and what it means."""

    section: str
    title: str
    hint: str


COLUMNS: Final = (
    RuleColumn("retention", "Lives", "From the end of the upload, such as 7d or 24h; indefinite"),
    RuleColumn("minimum_retention", "At least", "Nothing goes before, not even by request; none"),
    RuleColumn("quotas", "Quota", "What all may use together, such as 50GiB; none"),
    RuleColumn("owner_quotas", "Per owner", "What one owner may use of it; none"),
    RuleColumn("high_water", "Evicts above", "Early deletion begins; none is the quota"),
    RuleColumn("low_water", "Down to", "Early deletion ends; none is 90 % of where it begins"),
    RuleColumn("eviction_priority", "Turn", "Lowest goes first when room is short; none is never"),
    RuleColumn("cleanup.schedules", "Swept", "When what is due goes, as a cron expression in UTC"),
)
_NAMES: Final = frozenset(f"{column.section}.{category.value}" for column in COLUMNS for category in Category)


def written(rules: CategoryRules) -> Mapping[str, str]:
    """Return the rules of a category as settings are written, by section."""
    return {
        "retention": format_lifetime(rules.lifetime),
        "minimum_retention": NONE if rules.minimum is None else format_lifetime(rules.minimum),
        "quotas": _size(rules.quota_bytes),
        "owner_quotas": _size(rules.owner_quota_bytes),
        "high_water": _size(rules.high_water_bytes),
        "low_water": _size(rules.low_water_bytes),
        "eviction_priority": NONE if rules.eviction_priority is None else str(rules.eviction_priority),
        "cleanup.schedules": rules.schedule,
    }


def changed_fields(told: Mapping[str, str], policy: Policy) -> Mapping[str, str]:
    """Return those fields of a draft that say something else than the policy in force."""
    known = {f"{name}.{category}": word for category in Category for name, word in written(policy.of(category)).items()}
    return {
        name: word.strip()
        for name, word in told.items()
        if name in _NAMES and word.strip() and word.strip() != known[name]
    }


def differences(before: CategoryRules, after: CategoryRules) -> Sequence[tuple[str, str, str]]:
    """Return what changes of a category: the rule's title, and how it was and will be written."""
    old, new = written(before), written(after)
    return [
        (column.title, old[column.section], new[column.section])
        for column in COLUMNS
        if old[column.section] != new[column.section]
    ]


def tree_of(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the tree of settings that says what fields say."""
    tree: dict[str, Any] = {}
    for name, word in fields.items():
        branch = tree
        *sections, leaf = name.split(".")
        for section in ["storage", *sections]:
            branch = branch.setdefault(section, {})
        branch[leaf] = word
    return tree


def _size(size_bytes: int | None) -> str:
    return NONE if size_bytes is None else format_size(size_bytes)
