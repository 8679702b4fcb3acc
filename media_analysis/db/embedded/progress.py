"""What the embedded server says of itself while somebody waits for it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from media_analysis.errors import EmbeddedServerFailed

Report = Callable[[str], None]
NOTICE_SECONDS: Final = 3.0


class Reminder:
    """Repeats a sentence every few seconds for as long as it stays true."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._due = time.monotonic() + NOTICE_SECONDS

    def repeat(self, sentence: str) -> None:
        if time.monotonic() >= self._due:
            self._report(sentence)
            self._due = time.monotonic() + NOTICE_SECONDS


@contextmanager
def failures_in_words(directory: Path) -> Iterator[None]:
    """Turn what the operating system refuses below `directory` into a sentence that names the way out."""
    try:
        yield
    except OSError as error:
        raise EmbeddedServerFailed(
            f"PostgreSQL cannot use {directory}: {error}; choose another --data-dir, or set DATABASE_URL"
        ) from error
