"""Whether an installation is in order: its directories, its permissions, and the service that runs on it."""

from media_analysis.diagnosis.check import Check, CheckStatus
from media_analysis.diagnosis.installation import Installation

__all__ = ["Check", "CheckStatus", "Installation"]
