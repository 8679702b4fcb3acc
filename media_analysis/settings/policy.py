"""The policy that settings describe, and the one a tree of settings makes of another."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from media_analysis.errors import InvalidSettings
from media_analysis.policy.decision import CategoryRules, Policy
from media_analysis.settings.model import Settings
from media_analysis.settings.names import leaves, value_at
from media_analysis.settings.policy_tests import PolicyTest
from media_analysis.settings.retention import LowWater, Schedules
from media_analysis.settings.sources import Given, Reading, read_tree
from media_analysis.settings.storage import StorageSettings
from media_analysis.settings.validation import given_or_default, refuse, refuse_test, validate
from media_analysis.settings.yaml_file import read_file
from media_analysis.storage.category import Category
from media_analysis.units import format_size

_SCHEDULE: Final = "storage.cleanup.schedule"
_TESTS: Final = "storage.policy_tests"
_SECTIONS: Final = (
    *("retention", "minimum_retention", "quotas", "owner_quotas", "high_water", "low_water", "eviction_priority"),
    "cleanup.schedules",
)
_POLICY_PATHS: Final = frozenset(
    {_SCHEDULE, _TESTS, *(f"storage.{section}.{category.value}" for section in _SECTIONS for category in Category)}
)


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


def configured_policy(settings: Settings) -> Policy:
    """Return the policy the settings describe.

    Raises InvalidSettings, as loading does, for marks that contradict each other and for policy tests that fail.
    """
    problems = policy_problems(settings, {})
    if problems:
        raise InvalidSettings("\n".join(problems))
    return _described(settings)


def policy_problems(settings: Settings, given: Mapping[str, Given]) -> list[str]:
    """Return one line for every pair of marks that contradict each other and every policy test that fails."""
    marks = {category: marks_of_settings(settings.storage, category) for category in Category}
    contradictions = [refuse(path, given_or_default(path, given), reason) for path, _, reason in _contradictions(marks)]
    tests = given_or_default(_TESTS, given)
    return [*contradictions, *_failures(settings.storage.policy_tests, _described(settings), tests)]


def policy_of_tree(tree: Mapping[str, Any], base: Policy) -> Policy:
    """Return `base` with what a tree of settings says laid over it; what the tree does not name stays.

    A mark that follows from the quota goes on following it. Settings that are no part of a policy may be there and do
    not matter. Raises InvalidSettings with one line for every problem, policy tests of the tree that fail included.
    """
    return _laid_over(read_tree(tree, place="policy"), base)


def read_policy_file(path: Path, base: Policy) -> Policy:
    """Return `base` with what a YAML file says laid over it, like `policy_of_tree`; problems name their line."""
    return _laid_over(read_file(path, named_by="the policy"), base)


def _laid_over(reading: Reading, base: Policy) -> Policy:
    given = {path: one for path, one in reading.given.items() if path in _POLICY_PATHS}
    settings, refusals = validate((Reading(given),), given)
    problems = [*reading.problems, *refusals]
    if settings is None or problems:
        raise InvalidSettings("\n".join(problems))
    overlay = _Overlay(settings, given, base)
    policy = overlay.policy()
    if problems := overlay.problems(policy):
        raise InvalidSettings("\n".join(problems))
    return policy


@dataclass(frozen=True)
class _Overlay:
    """What a tree says, over a policy."""

    settings: Settings
    given: Mapping[str, Given]
    base: Policy

    def policy(self) -> Policy:
        return Policy({category: self._rules(category) for category in Category})

    def problems(self, policy: Policy) -> list[str]:
        marks = {category: self._marks(category) for category in Category}
        contradictions = [
            refuse(path, self.given.get(path) or _in_force(path, value), reason)
            for path, value, reason in _contradictions(marks)
        ]
        tests = given_or_default(_TESTS, self.given)
        return [*contradictions, *_failures(self.settings.storage.policy_tests, policy, tests)]

    def _rules(self, category: Category) -> CategoryRules:
        was, marks = self.base.of(category), self._marks(category)
        return CategoryRules(
            lifetime=self._said("retention", category, was.lifetime),
            minimum=self._said("minimum_retention", category, was.minimum),
            quota_bytes=marks.quota_bytes,
            owner_quota_bytes=self._said("owner_quotas", category, was.owner_quota_bytes),
            high_water_bytes=marks.high,
            low_water_bytes=marks.low,
            eviction_priority=marks.eviction_priority,
            schedule=self._schedule(category),
        )

    def _marks(self, category: Category) -> Marks:
        was = marks_of_rules(self.base.of(category), category)
        says_low = f"storage.low_water.{category.value}" in self.given
        return Marks(
            quota_bytes=self._said("quotas", category, was.quota_bytes),
            eviction_priority=self._said("eviction_priority", category, was.eviction_priority),
            high_bytes=self._said("high_water", category, was.high_bytes),
            low_bytes=self._said("low_water", category, was.low_bytes),
            usual_low_bytes=None if says_low else was.usual_low_bytes,
        )

    def _schedule(self, category: Category) -> str:
        """A policy does not tell a schedule of its own from the common one but by comparing them."""
        without_their_own = (each for each in Category if Schedules().of(each) is None)
        common = Counter(self.base.of(each).schedule for each in without_their_own).most_common(1)[0][0]
        was = self.base.of(category).schedule
        own = self._said("cleanup.schedules", category, None if was == common else was)
        return own or (self.settings.storage.cleanup.schedule if _SCHEDULE in self.given else common)

    def _said(self, section: str, category: Category, otherwise: Any) -> Any:
        path = f"storage.{section}.{category.value}"
        return value_at(self.settings, path) if path in self.given else otherwise


def _described(settings: Settings) -> Policy:
    storage = settings.storage
    marks = {category: marks_of_settings(storage, category) for category in Category}
    return Policy(
        {
            category: CategoryRules(
                lifetime=storage.retention.of(category),
                minimum=storage.minimum_retention.of(category),
                quota_bytes=marks[category].quota_bytes,
                owner_quota_bytes=storage.owner_quotas.of(category),
                high_water_bytes=marks[category].high,
                low_water_bytes=marks[category].low,
                eviction_priority=marks[category].eviction_priority,
                schedule=storage.cleanup.schedule_of(category),
            )
            for category in Category
        }
    )


def _contradictions(marks: Mapping[Category, Marks]) -> Iterator[tuple[str, int | None, str]]:
    """Yield the path, the value and what is wrong with it."""
    for category, one in marks.items():
        if reason := one.high_problem(category):
            yield f"storage.high_water.{category.value}", one.high_bytes, reason
        if reason := one.low_problem(category):
            yield f"storage.low_water.{category.value}", one.low_bytes, reason


def _failures(tests: tuple[PolicyTest, ...], policy: Policy, given: Given) -> list[str]:
    return [
        refuse_test(index, test.name, given, failure)
        for index, test in enumerate(tests)
        if (failure := test.failure(policy)) is not None
    ]


def _in_force(path: str, value: object) -> Given:
    return Given(leaves()[path].kind.show(value), path, "policy in force", "policy in force")
