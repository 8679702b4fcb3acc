"""Structured logs, JSON or for a console, with the request's id in every line and secrets in none."""

import logging
import re
import sys
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

Format = Literal["json", "console"]
_SECRET_VALUES: Final = re.compile(r"mas_[A-Za-z0-9_-]{8,}|(?<=://)[^/@\s]+@")
_SECRET_NAMES: Final = frozenset({"authorization", "password", "token", "cookie"})
_MASK: Final = "***"


def mask_secrets(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Replace tokens and URL credentials in every value of a log line."""
    return {name: _MASK if name.lower() in _SECRET_NAMES else _masked(value) for name, value in event.items()}


def _masked(value: object) -> object:
    return _SECRET_VALUES.sub(_MASK, value) if isinstance(value, str) else value


def configure_logging(*, style: Format, level: str) -> None:
    """Send this service's and its libraries' logs to standard error in one shape."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())]
        if style == "console"
        else [structlog.processors.dict_tracebacks, mask_secrets, structlog.processors.JSONRenderer()]
    )
    structlog.configure(
        processors=[*shared, mask_secrets, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level.lower()),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), mask_secrets],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for noisy in ("alembic", "apscheduler", "asyncio", "uvicorn"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
