"""The branch of the tree about what the service writes down itself, and for how long."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from pydantic import Field, ValidationInfo, field_validator

from media_analysis.settings.section import CronLeaf, LifetimeLeaf, Section
from media_analysis.units import format_lifetime

SHORTEST: Final = timedelta(days=1)
"""What a client may still ask about, or a sweep still needs, within a day stays that long."""
LOOKED_BACK_AT: Final = {"ledger_days": timedelta(days=29), "sweeps": timedelta(days=90)}
"""How far forecasts and the breaker look back."""
_AS_LONG_AS_TOMBSTONES: Final = ("audit", "jobs", "sweeps")


class RecordSettings(Section):
    """How long records of the service's own are kept once what they tell of is over."""

    schedule: CronLeaf = "37 * * * *"
    """When records whose life is over are removed."""
    tombstones: LifetimeLeaf = timedelta(days=400)
    """What stays of a deleted file, from its deletion on; without it the file is answered with 404, no longer 410."""
    # These give way to longer tombstones, which only a given value contradicts.
    audit: LifetimeLeaf = Field(default=timedelta(days=400), validate_default=False)
    """Who did what; what is told of a file or job that lives, or has a tombstone, stays beyond that."""
    jobs: LifetimeLeaf = Field(default=timedelta(days=400), validate_default=False)
    """What stays of a deleted job, from its deletion on."""
    sweeps: LifetimeLeaf = Field(default=timedelta(days=400), validate_default=False)
    """Sweeps that took something, or failed."""
    idle_sweeps: LifetimeLeaf = timedelta(days=7)
    """Sweeps that found nothing to do."""
    purges: LifetimeLeaf = timedelta(days=7)
    """Entries of the outbox, from when their bytes were gone for sure on."""
    plans: LifetimeLeaf = timedelta(days=7)
    """Plans and the files they named, from when they were applied or lapsed on."""
    archive_tasks: LifetimeLeaf = timedelta(days=90)
    """Archivings and restorings that ended; the last one of a run stays as long as the run."""
    sessions: LifetimeLeaf = timedelta(days=30)
    """Sessions, from their end on."""
    links: LifetimeLeaf = timedelta(days=30)
    """Links, from their end on, or from when they were used; until then they are answered with 410, no longer 404."""
    notices: LifetimeLeaf = timedelta(days=30)
    """Alerts and warnings that were told, or that nobody took."""
    webhook_deliveries: LifetimeLeaf = timedelta(days=30)
    """What was sent to webhooks, from when it was taken or given up on."""
    upload_analyses: LifetimeLeaf = timedelta(days=30)
    """What ran by itself on a file and why something did not, from when that was decided."""
    pauses: LifetimeLeaf = timedelta(days=400)
    """Pauses of deletion, from when it went on."""
    scrubs: LifetimeLeaf = timedelta(days=400)
    """Rounds of the scrub, from their end on; the last one stays."""
    ledger_days: LifetimeLeaf = timedelta(days=400)
    """What came in by day, which forecasts look back at."""
    quarantine: LifetimeLeaf = timedelta(days=30)
    """Objects that `verify --quarantine` set aside, from the end of that day on; stored bytes, which pauses keep."""

    @field_validator("*")
    @classmethod
    def _long_enough(cls, life: object, seen: ValidationInfo) -> object:
        shortest = LOOKED_BACK_AT.get(seen.field_name or "", SHORTEST)
        if isinstance(life, timedelta) and life < shortest:
            raise ValueError(f"shorter than {format_lifetime(shortest)}, for which it is still needed")
        return life

    @field_validator(*_AS_LONG_AS_TOMBSTONES)
    @classmethod
    def _as_long_as_tombstones(cls, life: timedelta | None, seen: ValidationInfo) -> timedelta | None:
        if "tombstones" in seen.data and _longer(life, seen.data["tombstones"]) != life:
            raise ValueError(
                f"shorter than storage.records.tombstones, which is {format_lifetime(seen.data['tombstones'])}: "
                "what a tombstone names must not end before it"
            )
        return life

    def life_of(self, name: str) -> timedelta | None:
        """Return how long records of a kind are kept; None is for ever."""
        life: timedelta | None = getattr(self, name)
        return _longer(life, self.tombstones) if name in _AS_LONG_AS_TOMBSTONES else life

    def lives(self) -> Mapping[str, timedelta | None]:
        """Return how long records of each kind are kept, by the names of their settings."""
        return {name: self.life_of(name) for name in type(self).model_fields if name != "schedule"}


def _longer(life: timedelta | None, other: timedelta | None) -> timedelta | None:
    return None if life is None or other is None else max(life, other)
