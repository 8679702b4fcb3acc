"""Whether what goes can come back, and for how long."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Self

from media_analysis.deletion.requests import DeletionRequest
from media_analysis.settings.model import DeletionSettings
from media_analysis.storage.category import SCRATCH, Category


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy:
    """How long what goes stays restorable first: None deletes at once, as scratch always goes unless asked."""

    sweeps: timedelta | None = None
    requests: timedelta | None = None
    on_demand: timedelta = timedelta(hours=24)
    """For those who ask for the trash where requests delete at once, and what a restored file gets where nothing
    else says how long it may live."""

    @classmethod
    def of(cls, deletion: DeletionSettings, *, use_trash: bool | None) -> Self:
        """Return what the settings say, of sweeps apart where `use_trash` does."""
        soft = deletion.trash_retention if deletion.strategy == "soft" else None
        return cls(
            sweeps=soft if use_trash is None else deletion.trash_retention if use_trash else None,
            requests=soft,
            on_demand=deletion.trash_retention,
        )

    def kept_when_swept(self, category: Category) -> timedelta | None:
        """Return how long what a sweep takes of a category stays restorable; None is not at all."""
        return None if category in SCRATCH else self.sweeps

    def kept_for(self, asked: DeletionRequest, *, scratch: bool = False) -> timedelta | None:
        """Return how long what somebody deletes stays restorable; None is not at all.

        What is nothing but `scratch` goes at once, unless they ask for the trash.
        """
        if asked.for_good:
            return None
        if asked.soft:
            return self.on_demand if self.requests is None else self.requests
        return None if scratch else self.requests
