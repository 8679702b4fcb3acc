"""The one decision every deletion, dry run and explanation goes through (design law 6)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from media_analysis.files.models import FileState, RetentionRule


class Facts(Protocol):
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
    def due_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Keep:
    """It stays by `rule`, at least until `until`; None means nothing in sight ends that."""

    rule: RetentionRule
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Delete:
    """It goes now, by `rule`."""

    rule: RetentionRule


Decision = Keep | Delete

# Decisions without a date of their own, made once: a sweep asks for a million of them.
_ABANDONED = Delete(RetentionRule.UPLOAD_ABANDONED)
_EXPIRED = Delete(RetentionRule.EXPLICIT_EXPIRY)
_LIFETIME_OVER = Delete(RetentionRule.CATEGORY_LIFETIME)
_INDEFINITE = Keep(RetentionRule.INDEFINITE, None)


def decide(facts: Facts, now: datetime) -> Decision:
    """Say whether a file goes at `now`, and by which rule.

    Precedence: hold, minimum retention, explicit expiry, category lifetime; a pending upload lives by its lease.
    Intervals are half-open: at the very instant it ends, a term no longer protects.
    """
    held_until, expires_at = facts.held_until, facts.expires_at
    if held_until is not None and held_until > now:
        return Keep(RetentionRule.HOLD, held_until)
    if facts.state == FileState.PENDING:
        return _decide_pending(facts.due_at, now)
    if facts.min_retain_until is not None and facts.min_retain_until > now:
        return Keep(RetentionRule.MINIMUM_RETENTION, facts.min_retain_until)
    if expires_at is None:
        return _INDEFINITE
    if expires_at > now:
        rule = RetentionRule.EXPLICIT_EXPIRY if facts.expiry_explicit else RetentionRule.CATEGORY_LIFETIME
        return Keep(rule, expires_at)
    return _EXPIRED if facts.expiry_explicit else _LIFETIME_OVER


def _decide_pending(lease_ends_at: datetime | None, now: datetime) -> Decision:
    if lease_ends_at is None or lease_ends_at > now:
        return Keep(RetentionRule.UPLOAD_LEASE, lease_ends_at)
    return _ABANDONED
