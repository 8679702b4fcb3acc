"""Policies, and the one decision every deletion, dry run, plan and explanation goes through (design law 6)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Protocol

from media_analysis.states import FileState, RetentionRule
from media_analysis.storage.category import Category

VERSION_DIGITS = 12


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryRules:
    """What one category keeps, for how long, and what goes first when room is short."""

    lifetime: timedelta | None = None
    """Counted from the end of the upload; None is indefinite."""
    minimum: timedelta | None = None
    """Nothing but an abandoned upload goes before it is this old, not even by request."""
    quota_bytes: int | None = None
    owner_quota_bytes: int | None = None
    """What one owner may use of it."""
    high_water_bytes: int | None = None
    low_water_bytes: int | None = None
    eviction_priority: int | None = None
    """Lowest goes first; None is never evicted."""
    schedule: str = ""

    def document(self) -> dict[str, Any]:
        """Return it as JSON knows it; spans are seconds."""
        spans = {"lifetime": self.lifetime, "minimum": self.minimum}
        told = asdict(self) | {name: None if span is None else span.total_seconds() for name, span in spans.items()}
        if self.owner_quota_bytes is None:
            del told["owner_quota_bytes"]  # what a policy does not say must not give it another version
        return told


@dataclass(frozen=True)
class Policy:
    """The rules of every category, named by a hash of all they say."""

    rules: Mapping[Category, CategoryRules]

    def of(self, category: Category) -> CategoryRules:
        return self.rules[category]

    def document(self) -> dict[str, Any]:
        """Return all rules by category."""
        return {category.value: self.rules[category].document() for category in Category}

    @cached_property
    def version(self) -> str:
        """The first hexadecimal digits of the SHA-256 of its canonical JSON."""
        canonical = json.dumps(self.document(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:VERSION_DIGITS]


class FileFacts(Protocol):
    """What a decision may depend on; a row of `media_files` has it all."""

    @property
    def state(self) -> str: ...
    @property
    def expires_at(self) -> datetime | None: ...
    @property
    def expiry_explicit(self) -> bool: ...
    @property
    def min_retain_until(self) -> datetime | None: ...
    @property
    def held_until(self) -> datetime | None: ...
    @property
    def job_held_until(self) -> datetime | None: ...
    @property
    def leased_until(self) -> datetime | None: ...
    @property
    def due_at(self) -> datetime | None: ...
    @property
    def trash_ends_at(self) -> datetime | None: ...
    @property
    def trash_rule(self) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Keep:
    """It stays by `rule`, at least until `until`; None means nothing in sight ends that."""

    rule: RetentionRule
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Delete:
    """It goes now, by `rule`: into the trash if there is one, or for good."""

    rule: RetentionRule


Decision = Keep | Delete

# Decisions without a date of their own, made once: a sweep asks for a million of them.
_ABANDONED = Delete(RetentionRule.UPLOAD_ABANDONED)
_EXPIRED = Delete(RetentionRule.EXPLICIT_EXPIRY)
_LIFETIME_OVER = Delete(RetentionRule.CATEGORY_LIFETIME)
_EVICTED = Delete(RetentionRule.PRESSURE)
_INDEFINITE = Keep(RetentionRule.INDEFINITE, None)


def decide(
    facts: FileFacts, rules: CategoryRules, now: datetime, *, under_pressure: bool = False, dates_yield: bool = False
) -> Decision:
    """Say whether a file goes at `now`, and by which rule.

    Precedence: hold, job lease, minimum retention, explicit expiry, pressure, category lifetime; a pending upload
    lives by its upload lease alone, for nothing of it was promised. Under pressure the trash goes at once, and dates
    somebody gave yield where `dates_yield`: in scratch categories, and beyond the share of the file's owner.
    Intervals are half-open: at the very instant it ends, a term no longer protects.
    """
    if facts.state == FileState.PENDING:
        return _decide_pending(facts.due_at, now)
    protection = find_protection(facts, now)
    if protection is not None:
        return protection
    if facts.state == FileState.TRASHED:
        return _decide_trashed(facts, now, under_pressure=under_pressure)
    evicts = under_pressure and (dates_yield or not facts.expiry_explicit)
    return _decide_stored(facts, rules, now, evicts=evicts)


def _decide_stored(facts: FileFacts, rules: CategoryRules, now: datetime, *, evicts: bool) -> Decision:
    expires_at = facts.expires_at
    if expires_at is not None and expires_at <= now:
        return _EXPIRED if facts.expiry_explicit else _LIFETIME_OVER
    if evicts and rules.eviction_priority is not None and not _promised_for_ever(facts):
        return _EVICTED
    if expires_at is None:
        return _INDEFINITE
    return Keep(RetentionRule.EXPLICIT_EXPIRY if facts.expiry_explicit else RetentionRule.CATEGORY_LIFETIME, expires_at)


def find_protection(facts: FileFacts, now: datetime) -> Keep | None:
    """Return what keeps a complete file whatever its expiry says, strongest first."""
    held_until = find_hold(facts, now)
    if held_until is not None:
        return Keep(RetentionRule.HOLD, held_until)
    if facts.state == FileState.TRASHED:
        return None  # leases and minimums were weighed when it was thrown away
    if facts.leased_until is not None and facts.leased_until > now:
        return Keep(RetentionRule.JOB_LEASE, facts.leased_until)
    if facts.min_retain_until is not None and facts.min_retain_until > now:
        return Keep(RetentionRule.MINIMUM_RETENTION, facts.min_retain_until)
    return None


def find_hold(facts: FileFacts, now: datetime) -> datetime | None:
    """Return until when holds keep a complete file, its own or its job's, whichever lasts longer."""
    held_until, job_held_until = facts.held_until, facts.job_held_until
    if job_held_until is not None and (held_until is None or held_until < job_held_until):
        held_until = job_held_until
    return held_until if held_until is not None and held_until > now else None


def _decide_pending(lease_ends_at: datetime | None, now: datetime) -> Decision:
    if lease_ends_at is None or lease_ends_at > now:
        return Keep(RetentionRule.UPLOAD_LEASE, lease_ends_at)
    return _ABANDONED


def _decide_trashed(facts: FileFacts, now: datetime, *, under_pressure: bool) -> Decision:
    if under_pressure or facts.trash_ends_at is None or facts.trash_ends_at <= now:
        return Delete(RetentionRule(facts.trash_rule or RetentionRule.REQUESTED))
    return Keep(RetentionRule.TRASH, facts.trash_ends_at)


def _promised_for_ever(facts: FileFacts) -> bool:
    """Somebody asked for it to stay; a category's own `indefinite` is weaker than that."""
    return facts.expires_at is None and facts.expiry_explicit
