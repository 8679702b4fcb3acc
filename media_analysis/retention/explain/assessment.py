"""How a file stands before each rule, found by asking the one decision again with facts left out (design law 6)."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Protocol, Self

from media_analysis.policy.decision import CategoryRules, Decision, Delete, FileFacts, Keep, decide, find_protection
from media_analysis.states import FOREVER, FileState, RetentionRule, finite

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)
_PRECEDENCE: Final = (
    RetentionRule.UPLOAD_LEASE,
    RetentionRule.UPLOAD_ABANDONED,
    RetentionRule.HOLD,
    RetentionRule.JOB_LEASE,
    RetentionRule.MINIMUM_RETENTION,
    RetentionRule.TRASH,
    RetentionRule.REQUESTED,
    RetentionRule.ARCHIVED,
    RetentionRule.EXPLICIT_EXPIRY,
    RetentionRule.CATEGORY_LIFETIME,
    RetentionRule.INDEFINITE,
    RetentionRule.PRESSURE,
)
_NOUNS: Final[Mapping[RetentionRule, str]] = {
    RetentionRule.UPLOAD_LEASE: "the upload's lease",
    RetentionRule.UPLOAD_ABANDONED: "an abandoned upload",
    RetentionRule.HOLD: "a hold",
    RetentionRule.JOB_LEASE: "a running job's lease",
    RetentionRule.MINIMUM_RETENTION: "minimum retention",
    RetentionRule.TRASH: "the trash",
    RetentionRule.REQUESTED: "a deletion by request",
    RetentionRule.ARCHIVED: "the archive of its run",
    RetentionRule.EXPLICIT_EXPIRY: "an explicit expiry",
    RetentionRule.CATEGORY_LIFETIME: "the category's lifetime",
    RetentionRule.INDEFINITE: "a category that keeps indefinitely",
    RetentionRule.PRESSURE: "pressure",
}
_FACTS_OF: Final[Mapping[RetentionRule, Sequence[str]]] = {
    RetentionRule.HOLD: ("held_until", "job_held_until"),
    RetentionRule.JOB_LEASE: ("leased_until",),
    RetentionRule.MINIMUM_RETENTION: ("min_retain_until",),
}
"""What keeps a file whatever its expiry says, strongest first."""
_PROTECTIONS: Final = tuple((rule, name) for rule, names in _FACTS_OF.items() for name in names)


class Effect(StrEnum):
    """What a rule alone would do now."""

    KEEP = "keep"
    DELETE = "delete"
    """Or let it go, where it protected it before."""


class DatedFacts(FileFacts, Protocol):
    """Facts, when the category's lifetime began, and what the file is to its run."""

    @property
    def stored_at(self) -> datetime | None: ...
    @property
    def role(self) -> str | None: ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Assessment:
    """The facts of one file, to be judged with some of them left out."""

    state: str = FileState.STORED
    stored_at: datetime | None = None
    expires_at: datetime | None = None
    expiry_explicit: bool = False
    min_retain_until: datetime | None = None
    held_until: datetime | None = None
    job_held_until: datetime | None = None
    leased_until: datetime | None = None
    due_at: datetime | None = None
    trash_ends_at: datetime | None = None
    trash_rule: str | None = None
    role: str | None = None

    @classmethod
    def of(cls, facts: DatedFacts) -> Self:
        """Copy the facts of a row."""
        return cls(**{name: getattr(facts, name) for name in cls.__dataclass_fields__})

    @property
    def goes_with_its_run(self) -> bool:
        """Whether it is the archive of a run that lives, which pressure passes over whatever its category says."""
        return self.state == FileState.STORED and self.role == "archive"

    def lifetime_end(self, rules: CategoryRules) -> datetime | None:
        """Return when its category would let it end by these rules."""
        if self.stored_at is None or rules.lifetime is None:
            return None
        return self.stored_at + rules.lifetime

    def only(self, *protections: str) -> Self:
        """Return it without any protections but these."""
        others: dict[str, Any] = {name: None for _, name in _PROTECTIONS if name not in protections}
        return replace(self, **others)

    def without(self, rule: RetentionRule, rules: CategoryRules) -> Self | None:
        """Return it as if the rule that decides had nothing to say, None where nothing else has."""
        if self.state == FileState.TRASHED and rule is not RetentionRule.HOLD:
            return replace(self, state=FileState.STORED, trash_ends_at=None, trash_rule=None)
        if rule in _FACTS_OF:
            cleared: dict[str, Any] = dict.fromkeys(_FACTS_OF[rule])
            return replace(self, **cleared)
        ends_at = self.lifetime_end(rules)
        if rule is RetentionRule.EXPLICIT_EXPIRY or (rule is RetentionRule.INDEFINITE and ends_at is not None):
            return replace(self, expires_at=ends_at, expiry_explicit=False)
        return None


@dataclass(frozen=True, slots=True)
class End:
    """When a file falls due, and by which rule it goes then."""

    at: datetime
    rule: RetentionRule


@dataclass(frozen=True, slots=True)
class Loser:
    """A rule that does not decide: what it alone would do now, its date, and why it does not decide."""

    rule: RetentionRule
    effect: Effect
    at: datetime | None
    reason: str


def find_end(facts: FileFacts, rules: CategoryRules) -> End | None:
    """Return the first instant at which `decide` lets a file go if its facts stay as they are; None is never."""
    instant = _LONG_AGO
    while True:
        decision = decide(facts, rules, instant)
        if isinstance(decision, Delete):
            return End(instant, decision.rule)
        if decision.until is None or decision.until == FOREVER:
            return None
        instant = decision.until


def list_protections(assessment: Assessment, now: datetime) -> Sequence[tuple[str, Keep]]:
    """Return each fact that protects a complete file at `now` with what it says, strongest first."""
    if assessment.state == FileState.PENDING:
        return []
    found = ((name, find_protection(assessment.only(name), now)) for _, name in _PROTECTIONS)
    return [(name, keep) for name, keep in found if keep is not None]


def may_be_evicted(assessment: Assessment, rules: CategoryRules, now: datetime) -> bool:
    """Tell whether pressure on its category could take it now, should its owner have more than their share."""
    evictable = rules.eviction_priority is not None and assessment.state in {FileState.STORED, FileState.TRASHED}
    return (
        evictable
        and not assessment.goes_with_its_run
        and isinstance(decide(assessment, rules, now, under_pressure=True, dates_yield=True), Delete)
    )


def list_losers(
    assessment: Assessment,
    rules: CategoryRules,
    now: datetime,
    *,
    scratch: bool = False,
    not_evicting: str | None = None,
) -> Sequence[Loser]:
    """Return every rule that has something to say and does not decide at `now`, strongest first.

    In `scratch` categories a date somebody gave does not outrank pressure. `not_evicting` is why pressure takes
    nothing at all now, None if it does.

    Nothing but its lease is promised of an upload under way, so there nothing loses.
    """
    if assessment.state == FileState.PENDING:
        return []
    losers = [
        *_ended(assessment, now),
        *_outranked(assessment, rules, now),
        *_newer_lifetime(assessment, rules),
        _pressure(assessment, rules, now, scratch=scratch, not_evicting=not_evicting),
    ]
    return sorted(losers, key=lambda loser: _PRECEDENCE.index(loser.rule))


def _ended(assessment: Assessment, now: datetime) -> Iterator[Loser]:
    for rule, name in _PROTECTIONS:
        until: datetime | None = getattr(assessment, name)
        if until is not None and until <= now:
            yield Loser(rule, Effect.DELETE, until, "the file has ended")


def _outranked(assessment: Assessment, rules: CategoryRules, now: datetime) -> Iterator[Loser]:
    """Take away whatever decides, and see what decides then."""
    winner = decision = decide(assessment, rules, now)
    rest = assessment
    while (weaker := rest.without(decision.rule, rules)) is not None:
        beaten = decide(weaker, rules, now)
        # The trash goes by the rule that filled it, which may have more to say once it is out of the trash.
        rule = RetentionRule.TRASH if weaker.state == FileState.TRASHED else beaten.rule
        if rule is not winner.rule:
            effect = Effect.DELETE if isinstance(beaten, Delete) else Effect.KEEP
            yield Loser(rule, effect, _date(weaker, beaten), _reason(rest, decision.rule, rule))
        rest, decision = weaker, beaten


def _date(assessment: Assessment, decision: Decision) -> datetime | None:
    if isinstance(decision, Keep):
        return finite(decision.until)
    return assessment.trash_ends_at if assessment.state == FileState.TRASHED else assessment.expires_at


def _reason(assessment: Assessment, stronger: RetentionRule, weaker: RetentionRule) -> str:
    if assessment.state == FileState.TRASHED and stronger is not RetentionRule.HOLD:
        return "in the trash only holds and the end of its time there count"
    if stronger is RetentionRule.INDEFINITE:
        if assessment.expiry_explicit:
            return "somebody asked for it to stay, which outranks the category's lifetime"
        return "what is stored keeps its date until a policy is applied"
    return f"{_NOUNS[stronger]} outranks {_NOUNS[weaker]}"


def _newer_lifetime(assessment: Assessment, rules: CategoryRules) -> Iterator[Loser]:
    """Tell the date the policy in force would give it, where its category gave it another one before."""
    ends_at = assessment.lifetime_end(rules)
    if assessment.expiry_explicit or None in {assessment.expires_at, ends_at} or ends_at == assessment.expires_at:
        return
    reason = "the policy in force would date it so; what is stored keeps its date until a policy is applied"
    yield Loser(RetentionRule.CATEGORY_LIFETIME, Effect.KEEP, ends_at, reason)


def _pressure(
    assessment: Assessment, rules: CategoryRules, now: datetime, *, scratch: bool, not_evicting: str | None
) -> Loser:
    calm, pressed = (
        decide(assessment, rules, now, under_pressure=under, dates_yield=scratch) for under in (False, True)
    )
    if isinstance(calm, Delete):
        reason = f"{_NOUNS[calm.rule]} lets it go without pressure"
    elif assessment.goes_with_its_run and find_protection(assessment, now) is None:
        reason = "the archive of a run goes with its run, and not before"
    elif isinstance(pressed, Delete) and not_evicting is not None:
        reason = f"nothing is evicted now: {not_evicting}"
    elif isinstance(pressed, Delete):
        reason = "the file goes early only while its category or the disk is over its high-water mark"
    elif find_protection(assessment, now) is not None:
        reason = f"{_NOUNS[pressed.rule]} outranks pressure"
    elif rules.eviction_priority is None:
        reason = "the file's category is never evicted"
    elif assessment.expires_at is None:
        reason = "somebody asked for it to stay, which outranks pressure"
    else:
        reason = "somebody gave it a date, which outranks pressure unless its owner has more than their share"
    alone = decide(assessment.only(), rules, now, under_pressure=True, dates_yield=True)
    effect = Effect.DELETE if isinstance(alone, Delete) and not assessment.goes_with_its_run else Effect.KEEP
    return Loser(RetentionRule.PRESSURE, effect, None, reason)
