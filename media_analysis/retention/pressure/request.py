"""What leads to a relief, and how it is remembered."""

from dataclasses import dataclass
from datetime import datetime

from media_analysis.deletion.tombstones import Order
from media_analysis.policy.decision import Policy
from media_analysis.retention.models import SweepTrigger
from media_analysis.retention.pressure.levels import Goal
from media_analysis.retention.pressure.outcome import PressureScope
from media_analysis.retention.records import SweepReport, SweepRequest
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True)
class ReliefRequest(SweepRequest):
    """Which relief is wanted, by whom, and for which tick of the schedule."""

    scope: PressureScope

    @property
    def kind(self) -> str:
        return f"pressure:{self.scope.name}"


@dataclass(frozen=True, kw_only=True)
class Occasion:
    """What leads to a relief."""

    trigger: SweepTrigger
    actor: str
    now: datetime
    slot: datetime | None = None

    def request(self, goal: Goal) -> ReliefRequest:
        return ReliefRequest(
            categories=goal.categories,
            trigger=self.trigger,
            actor=self.actor,
            slot=self.slot,
            scope=goal.scope,
        )

    def request_room(self, category: Category) -> ReliefRequest:
        """Return the request of an upload that needs room in a category."""
        return ReliefRequest(
            categories=(category,), trigger=self.trigger, actor=self.actor, scope=PressureScope(category)
        )

    def order(self, scope: PressureScope, report: SweepReport, policy: Policy) -> Order:
        """Return what every tombstone repeats."""
        return Order(
            now=self.now,
            actor=self.actor,
            sweep_id=report.id,
            policy_version=policy.version,
            reason=f"pressure on {scope.name}",
        )
