"""Policy tests: imagined files, and what the policy must decide about them before it may take over."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final, Literal

from media_analysis.policy.decision import Decision, Delete, Policy, decide
from media_analysis.settings.kinds import Choice, OrNone, SettingKind
from media_analysis.settings.section import OwnSpanLeaf, Section, SpanLeaf, SwitchLeaf
from media_analysis.settings.texts import Words
from media_analysis.states import FOREVER, FileState, RetentionRule
from media_analysis.storage.category import SCRATCH, Category
from media_analysis.units import format_lifetime, parse_span, word_of

MOST_TESTS: Final = 1000
_NOW: Final = datetime(2026, 1, 1, tzinfo=UTC)
_A_WHILE: Final = timedelta(hours=1)

Outcome = Literal["keep", "delete"]


@dataclass(frozen=True)
class ExpiresIn(SettingKind):
    """An end of its own that somebody gave a file, counted from now."""

    @property
    def allowed(self) -> str:
        return "whole seconds, or a number with d, h, m or s such as 7d, from 0s to 100 years; never"

    def parse(self, value: Any) -> timedelta | str | None:
        if value is None:
            return None
        return "never" if word_of(value) == "never" else parse_span(value, shortest=timedelta(0))

    def show(self, value: Any) -> str:
        return format_lifetime(value) if isinstance(value, timedelta) else str(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Imagined:
    """The facts of a file that is nowhere."""

    expires_at: datetime | None
    expiry_explicit: bool
    min_retain_until: datetime | None
    held_until: datetime | None
    leased_until: datetime | None
    state: str = FileState.STORED
    job_held_until: datetime | None = None
    due_at: datetime | None = None
    trash_ends_at: datetime | None = None
    trash_rule: str | None = None


class PolicyTest(Section):
    """One stored file as it may be, and what must come of it."""

    name: Annotated[str, Words()]
    """What it shows."""
    category: Annotated[Category, Choice(tuple(Category))]
    """What the file is for."""
    age: SpanLeaf
    """How long ago it was stored."""
    owner: Annotated[str | None, OrNone(Words())] = None
    """Whose it is, which decides nothing yet."""
    held: SwitchLeaf = False
    """Whether it is on hold."""
    expires_in: Annotated[timedelta | Literal["never"] | None, ExpiresIn()] = None
    """When it ends, counted from now; without one its category's lifetime decides."""
    minimum: OwnSpanLeaf = None
    """Its minimum retention, instead of its category's."""
    leased: SwitchLeaf = False
    """Whether a running job needs it."""
    under_pressure: SwitchLeaf = False
    """Whether its category or the disk is too full."""
    beyond_share: SwitchLeaf = False
    """Whether its owner has more of the category than their share, so that a date of its own does not protect it."""
    expect: Annotated[Outcome, Choice(("keep", "delete"))]
    """What must come of it."""
    rule: Annotated[RetentionRule | None, OrNone(Choice(tuple(RetentionRule)))] = None
    """By which rule; none is any."""

    def failure(self, policy: Policy) -> str | None:
        """Return what a policy decides instead of what is expected, None if it decides that."""
        decision = self._decision(policy)
        outcome: Outcome = "delete" if isinstance(decision, Delete) else "keep"
        if outcome == self.expect and self.rule in {None, decision.rule}:
            return None
        expected = self.expect if self.rule is None else f"{self.expect} by {self.rule.value}"
        return f"expected {expected}, got {outcome} by {decision.rule.value}"

    def _decision(self, policy: Policy) -> Decision:
        rules = policy.of(self.category)
        stored_at = _NOW - self.age
        minimum = rules.minimum if self.minimum is None else self.minimum
        facts = _Imagined(
            expires_at=self._end(stored_at, rules.lifetime),
            expiry_explicit=self.expires_in is not None,
            min_retain_until=None if minimum is None else stored_at + minimum,
            held_until=FOREVER if self.held else None,
            leased_until=_NOW + _A_WHILE if self.leased else None,
        )
        dates_yield = self.beyond_share or self.category in SCRATCH
        return decide(facts, rules, _NOW, under_pressure=self.under_pressure, dates_yield=dates_yield)

    def _end(self, stored_at: datetime, lifetime: timedelta | None) -> datetime | None:
        if self.expires_in == "never":
            return None
        if self.expires_in is not None:
            return _NOW + self.expires_in
        return None if lifetime is None else stored_at + lifetime


@dataclass(frozen=True)
class PolicyTests(SettingKind):
    """A list of policy tests, as YAML or JSON writes one; what is in each is checked one by one."""

    @property
    def allowed(self) -> str:
        return f"up to {MOST_TESTS} mappings with name, category, age and expect, as a list or its JSON; none"

    def parse(self, value: Any) -> Sequence[object]:
        if value is None or word_of(value) == "none":
            return ()
        tests = _json(value) if isinstance(value, str) else value
        if not isinstance(tests, list | tuple):
            raise ValueError("not a list of tests")  # noqa: TRY004 - pydantic collects ValueError only
        if len(tests) > MOST_TESTS:
            raise ValueError("too many tests")
        return tests

    def show(self, value: Any) -> str:
        return f"{len(value)} tests" if value else "none"


def _json(text: str) -> object:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise ValueError("neither a list nor JSON") from None
