"""When somebody asks a file to expire, instead of its category deciding."""

from dataclasses import dataclass
from datetime import datetime, timedelta


@dataclass(frozen=True)
class Expiry:
    """An instant, a lifetime counted from the moment it is set (or the bytes are stored), or neither: indefinite."""

    at: datetime | None = None
    lifetime: timedelta | None = None

    @property
    def lifetime_seconds(self) -> float | None:
        return None if self.lifetime is None else self.lifetime.total_seconds()
