"""What somebody asks for who wants something deleted."""

from dataclasses import dataclass

from media_analysis.files.service import Condition
from media_analysis.sessions.limits import Limit


@dataclass(frozen=True, kw_only=True, slots=True)
class DeletionRequest:
    """Who wants it deleted, why, and how."""

    actor: str
    reason: str | None = None
    hard: bool = False
    """For good, also where requests delete into the trash."""
    secure: bool = False
    """For good, and the bytes are overwritten first."""
    soft: bool = False
    """Into the trash also where requests delete at once; the stronger wish wins."""

    condition: Condition | None = None
    limit: Limit | None = None
    """Of whoever asks; what was derived has to be within it, too."""

    @property
    def for_good(self) -> bool:
        return self.hard or self.secure
