"""One thing that was looked at."""

from dataclasses import dataclass
from enum import StrEnum

from media_analysis.errors import MediaAnalysisError


class CheckStatus(StrEnum):
    """How a check ended."""

    OK = "ok"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, how it is, and what to do about it."""

    name: str
    status: CheckStatus
    detail: str
    remedy: str | None = None


class CheckFailed(MediaAnalysisError):
    """Something is not in order."""

    code = "check_failed"

    def __init__(self, detail: str, remedy: str | None = None) -> None:
        super().__init__(detail)
        self.remedy = remedy
