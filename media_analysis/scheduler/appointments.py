"""What is done by the schedule: sweeps by the policy in force, and the duties beside them."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from media_analysis.policy.decision import Policy
from media_analysis.retention.duties import DutyTurn
from media_analysis.retention.models import SweepStatus, SweepTrigger
from media_analysis.retention.records import ABANDONED_CRON, SweepRequest
from media_analysis.runtime import Runtime
from media_analysis.settings import Settings
from media_analysis.storage.category import Category

WATCH_CRON: Final = "* * * * *"
WARN_CRON: Final = "7 * * * *"


def planned_sweeps(policy: Policy, *, dry_run: bool = False) -> Sequence[tuple[str, SweepRequest]]:
    """Return each cron expression with the sweep it starts; categories of one expression go together."""
    together: dict[str, list[Category]] = defaultdict(list)
    for category in Category:
        together[policy.of(category).schedule].append(category)
    scheduled = SweepRequest(trigger=SweepTrigger.SCHEDULE, actor="scheduler", dry_run=dry_run)
    return [
        *((cron, replace(scheduled, categories=tuple(categories))) for cron, categories in together.items()),
        (ABANDONED_CRON, replace(scheduled, only_pending=True)),
    ]


def slot_of(now: datetime) -> datetime:
    """Return the minute a tick belongs to; replicas whose timers differ by less than half a minute agree."""
    return (now + timedelta(seconds=30)).replace(second=0, microsecond=0)


async def answer_tick(runtime: Runtime, request: SweepRequest, slot: datetime | None = None) -> bool:
    """Run a scheduled sweep; False when a pause keeps some of its work for later.

    Raises:
        MediaAnalysisError: it did not do its work; the outbox has what was claimed.

    """
    report = await runtime.retention.sweeps.run(replace(request, slot=slot))
    return report.status is not SweepStatus.PAUSED


async def watch(runtime: Runtime) -> None:
    """Note the clock, and tell whoever listens what began and what ended."""
    await runtime.retention.clock.check()
    if runtime.retention.notices.carrier is not None:
        await runtime.alerts.check()
        await runtime.retention.notices.deliver()


async def finish_deletions(runtime: Runtime) -> None:
    """Remove the bytes that whoever deleted them left: there were many, or it died."""
    await runtime.deletion.deleter.finish_entries()


async def run_recovery(runtime: Runtime) -> None:
    """Help jobs on that nobody would look at again."""
    await runtime.jobs.recovery.run()


async def end_records(runtime: Runtime) -> None:
    """End what the service wrote down itself and need not know any more."""
    await runtime.records.end()


async def end_surplus_events(runtime: Runtime) -> None:
    """End events where there are more than there may be: an hour of them may be too many."""
    await runtime.event_ends.end_surplus()


async def warn(runtime: Runtime) -> None:
    """Warn owners of files whose end comes near."""
    if runtime.retention.notices.carrier is not None:
        await runtime.retention.warnings.warn()


async def relieve(runtime: Runtime) -> None:
    """Relieve what is over its high-water mark; one replica does it for each tick."""
    await runtime.retention.pressure.relieve(trigger=SweepTrigger.PRESSURE, slot=slot_of(await runtime.db.now()))


async def sweep_at_start(runtime: Runtime) -> None:
    """Sweep what fell due in a time in which nobody looked."""
    dry_run = runtime.settings.storage.cleanup.dry_run
    await runtime.retention.sweeps.run(SweepRequest(trigger=SweepTrigger.START, actor="scheduler", dry_run=dry_run))


async def relieve_at_start(runtime: Runtime) -> None:
    """Relieve what is over its high-water mark after a time in which nobody looked."""
    await runtime.retention.pressure.relieve(trigger=SweepTrigger.START)


async def scrub(runtime: Runtime) -> None:
    """Read objects again, from where the last scrub stopped."""
    await runtime.scrub.run()


async def archive(runtime: Runtime) -> None:
    """Ask for the runs whose time has come to be archived; whoever works on archives finds them waiting."""
    await runtime.archives.requests.request_due()


Act = Callable[[Runtime], Awaitable[None]]


def planned_duties(settings: Settings) -> Sequence[tuple[str, Act]]:
    """Return each cron expression with what is done beside the sweeps, once for all replicas."""
    storage = settings.storage
    duties: list[tuple[str, Act]] = [(WARN_CRON, warn), (storage.records.schedule, end_records)]
    if storage.cleanup.enabled:
        duties.append((storage.pressure.schedule, relieve))
    if storage.scrub.schedule is not None:
        duties.append((storage.scrub.schedule, scrub))
    if settings.archive.enabled:
        duties.append((settings.archive.schedule, archive))
    return duties


PATROLS: Final = (watch, run_recovery, finish_deletions, end_surplus_events)
"""What every process does every minute."""


@dataclass(frozen=True, slots=True)
class Appointment:
    """A duty by its schedule."""

    name: str
    cron: str
    work: Callable[[Runtime, DutyTurn], Awaitable[bool]]
    """Says whether all was done."""

    @classmethod
    def of_sweep(cls, cron: str, request: SweepRequest) -> "Appointment":
        async def work(runtime: Runtime, turn: DutyTurn) -> bool:
            # One sweep a slot; another attempt at it is a sweep of its own.
            slot = slot_of(turn.slot) if turn.attempt == 1 else None
            return await answer_tick(runtime, request, slot)

        return cls(request.kind, cron, work)

    @classmethod
    def of_duty(cls, cron: str, act: Act) -> "Appointment":
        async def work(runtime: Runtime, _turn: DutyTurn) -> bool:
            await act(runtime)
            return True

        return cls(act.__name__, cron, work)
