"""How commands end that ask a server: the exit codes that scripts go by."""

from __future__ import annotations

from typing import Final

from media_analysis.errors import MediaAnalysisError

FAILED: Final = 1
NOT_SIGNED_IN: Final = 3
NOT_THERE: Final = 4
NO_ROOM: Final = 5
NO_ANSWER: Final = 6
INTERRUPTED: Final = 130


class CommandRefused(MediaAnalysisError):
    """A server refused what a command asked it for, or does not answer."""

    code = "command_refused"

    def __init__(self, sentence: str, exit_code: int = FAILED) -> None:
        super().__init__(sentence)
        self.exit_code = exit_code
