"""Whether what goes can come back, and for how long."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, kw_only=True, slots=True)
class Strategy:
    """How long what goes stays restorable first: None deletes at once."""

    sweeps: timedelta | None = None
    requests: timedelta | None = None
    on_demand: timedelta = timedelta(hours=24)
    """For those who ask for the trash where requests delete at once, and what a restored file gets where nothing
    else says how long it may live."""

    def kept_for(self, *, soft: bool) -> timedelta | None:
        """Return how long a file somebody deletes stays restorable; None is not at all."""
        return self.on_demand if soft and self.requests is None else self.requests
