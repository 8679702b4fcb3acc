"""Structured logs, JSON or for a console, with the request's id in every line and secrets in none."""

import json
import logging
import os
import re
import sys
from collections.abc import Mapping, Sequence
from io import TextIOWrapper
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any, Final, Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import EventDict, Processor, WrappedLogger

from media_analysis.characters import escape_controls
from media_analysis.errors import Misconfigured

MODE: Final = 0o640
Format = Literal["json", "console"]
_SECRET_VALUES: Final = re.compile(
    r"mas_[A-Za-z0-9_-]{8,}|whsec_[A-Za-z0-9+/=]{8,}|(?<=://)[^/@\s]+(?=@)"
    r"|(?<=/links/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\.)[^/\s\"']+"
)
_SECRET_SIGNS: Final = ("mas_", "whsec_", "://", "/links/")
"""One of them stands in whatever holds a secret."""
_SECRET_NAMES: Final = frozenset({"authorization", "cookie", "password", "secret", "set-cookie", "token"})
_MASK: Final = "***"
_JSON: Final = json.JSONEncoder()
_TRACEBACKS: Final = frozenset({"exception", "stack"})


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


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace tokens and URL credentials wherever they stand in a log line, tracebacks included."""
    return {name: _masked_by_name(name, value) for name, value in event.items()}


def _masked_by_name(name: object, value: object) -> object:
    return _MASK if str(name).lower() in _SECRET_NAMES else _masked(value)


def _masked(value: object) -> object:
    match value:
        case str():
            return _SECRET_VALUES.sub(_MASK, value) if any(sign in value for sign in _SECRET_SIGNS) else value
        case Mapping():
            return {name: _masked_by_name(name, inner) for name, inner in value.items()}
        case list() | tuple() | set() | frozenset():
            return [_masked(inner) for inner in value]
        case None | bool() | int() | float():
            return value
        case BaseException():
            return _masked(repr(value))
        case _:
            return _masked(str(value))


class _Literal:
    """A text that the renderer writes as a Python literal, whatever it thinks of quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return repr(self._text)


def escape_steering(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Escape what could forge a line, or steer the terminal that shows it, wherever it stands in an event.

    Tracebacks keep their lines, which are indented and so never look like events.
    """
    return {name: _harmless(name, value) for name, value in event.items()}


def _harmless(name: str, value: object) -> object:
    if not isinstance(value, str):
        return value  # written as a literal
    if name in _TRACEBACKS:
        return escape_controls(value, keep="\n").replace("\n", "\n    ")
    escaped = escape_controls(value)
    return value if escaped == value else escaped if name == "event" else _Literal(value)


def configure_logging(*, style: Format, level: str, file: Path | None = None, file_style: Format = "json") -> None:
    """Send this service's and its libraries' logs to standard error in one shape, and to a file if one is given.

    Raises:
        Misconfigured: the file cannot be written.

    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    handlers[0].setFormatter(_formatter(style, shared, colors=sys.stderr.isatty()))
    if file is not None:
        handlers.append(open_log_file(file))
        handlers[1].setFormatter(_formatter(file_style, shared, colors=False))
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=_one_logger,
        cache_logger_on_first_use=False,
    )
    _leave_out_where_from()
    root = logging.getLogger()
    root.handlers = handlers
    root.setLevel(level.upper())
    # httpx logs the addresses it posts to, and the path or query of a webhook is often its password.
    for noisy in ("alembic", "apscheduler", "asyncio", "httpcore", "httpx", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


def _as_json(event: EventDict, **_: object) -> str:
    return _JSON.encode(event)  # mask_secrets leaves nothing that has to be asked how it is written


def _one_logger(*_: object) -> logging.Logger:
    """Return the logger of every event: which module it is from, no line tells, and looking for that takes time."""
    return logging.getLogger("media_analysis")


def _leave_out_where_from() -> None:
    """Spare every record what no line shows (as in the documentation of `logging`, "Optimization")."""
    logging._srcfile = None  # noqa: SLF001 - the documented way
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False


def _formatter(style: Format, shared: Sequence[Processor], *, colors: bool) -> logging.Formatter:
    # Local variables stay out of tracebacks: a frame that holds a token is the rule here, not the exception.
    last: list[Processor] = (
        [
            structlog.processors.format_exc_info,
            mask_secrets,
            escape_steering,
            structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=structlog.dev.plain_traceback),
        ]
        if style == "console"
        else [
            structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False)),
            mask_secrets,
            structlog.processors.JSONRenderer(_as_json),
        ]
    )
    return _Formatter(
        last,
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder()],
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
    )


class _Formatter(structlog.stdlib.ProcessorFormatter):
    """Writes events of ours from one copy of them; those of libraries as its parent does."""

    def __init__(self, last: Sequence[Processor], **given: Any) -> None:
        super().__init__(**given)
        self._last = last

    def format(self, record: logging.LogRecord) -> str:
        if not isinstance(record.msg, dict):
            return super().format(record)
        event: Any = dict(record.msg)
        for processor in self._last:
            event = processor(None, record.levelname.lower(), event)
        return str(event)
