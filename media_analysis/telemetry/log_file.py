"""A file that logs go to as well: opened again after it was rotated, and never a reason to stop working."""

import logging
import os
import sys
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Final

from media_analysis.errors import Misconfigured

MODE: Final = 0o640


class LogFile(WatchedFileHandler):
    """Appends to a file, or to the new one of that name; what it cannot write is on standard error all the same."""

    fails = False

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line, or say once that there is no writing for the time being."""
        try:
            self.reopenIfNeeded()
            self._append(record)
        except OSError as error:
            self.stream = None  # opened again at the next line
            self._complain(error)
        except Exception:  # noqa: BLE001 - logging never raises into its caller
            self.handleError(record)
        else:
            self.fails = False

    def _append(self, record: logging.LogRecord) -> None:
        if self.stream is None:
            self.stream = self._open()
            self._statstream()
        self.stream.write(self.format(record) + self.terminator)
        self.stream.flush()

    def _complain(self, error: OSError) -> None:
        if not self.fails:
            print(f"media-analysis: {_reason(Path(self.baseFilename), error)}", file=sys.stderr)  # noqa: T201
        self.fails = True

    def _open(self) -> TextIOWrapper:
        return open(
            self.baseFilename, "a", encoding="utf-8", errors="backslashreplace", opener=_opener
        )  # pathlib has no opener


def open_log_file(path: Path) -> logging.Handler:
    """Return what appends log lines to a file, which is created for its owner and its group.

    Raises:
        Misconfigured: it cannot be written.

    """
    try:
        return LogFile(path)
    except OSError as error:
        raise Misconfigured(_reason(path, error)) from error


def _reason(path: Path, error: OSError) -> str:
    return f"LOG_FILE cannot be written: {path}: {error.strerror}; allowed: a file in a folder that is there"


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, MODE)
