"""The queue library's log: what it repeats is heard once a minute."""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

EVERY_SECONDS: Final = 60.0


class Seldom(logging.Filter):
    """Lets each message pass once in a while, whatever its values; it retries every tenth of a second."""

    def __init__(self) -> None:
        super().__init__()
        self._heard: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        heard_at = self._heard.get(str(record.msg))
        if heard_at is not None and time.monotonic() - heard_at < EVERY_SECONDS:
            return False
        self._heard[str(record.msg)] = time.monotonic()
        return True


@contextmanager
def quiet_library() -> Iterator[None]:
    """Keep the library from flooding the log while the block runs."""
    library, seldom = logging.getLogger("pgqueuer"), Seldom()
    level = library.level
    library.setLevel(logging.WARNING)
    library.addFilter(seldom)
    try:
        yield
    finally:
        library.removeFilter(seldom)
        library.setLevel(level)
