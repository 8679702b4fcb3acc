"""Where the story is shown; the command line has a terminal for it."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Protocol


class Progress(Protocol):
    """Shows the events of one job."""

    status: str | None
    """The last one told."""

    def tell(self, kind: str, said: Mapping[str, Any], at: datetime) -> None:
        """Show one event."""


class Screen(Protocol):
    """Shows what the story says."""

    def head(self, title: str) -> None:
        """Begin a chapter."""

    def say(self, sentence: str) -> None:
        """Show a sentence."""

    def fact(self, name: str, text: str) -> None:
        """Show one of several named facts."""

    def table(self, header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
        """Show rows under their names."""

    def progress(self) -> AbstractContextManager[Progress]:
        """Yield what shows a job's events while the block runs."""
