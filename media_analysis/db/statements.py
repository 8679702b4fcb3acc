"""Statements as spans of a trace: their text, which has no values in it, and how long PostgreSQL took."""

import time
from typing import Any, Final

import asyncpg
from asyncpg.connection import LoggedQuery
from sqlalchemy import Connection, event
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.ext.asyncio import AsyncEngine

from media_analysis import tracing

_LONGEST: Final = 2_000
_STARTED: Final = "statement_started"


def trace_connection(connection: asyncpg.Connection) -> None:
    """Record what the driver itself is asked."""
    if tracing.recorder() is not None:
        connection.add_query_logger(_note_logged)


def trace_engine(engine: AsyncEngine) -> None:
    """Record what is asked by prepared statements, of which the driver tells nobody."""
    if tracing.recorder() is not None:
        event.listen(engine.sync_engine, "before_cursor_execute", _start)
        event.listen(engine.sync_engine, "after_cursor_execute", _end)
        event.listen(engine.sync_engine, "handle_error", _fail)


def _note_logged(query: LoggedQuery) -> None:
    _note(query.query, query.elapsed, query.exception)


def _start(connection: Connection, *_: Any) -> None:
    connection.info[_STARTED] = time.monotonic()


def _end(connection: Connection, _cursor: object, statement: str, *_: Any) -> None:
    _note(statement, time.monotonic() - connection.info.pop(_STARTED), None)


def _fail(context: ExceptionContext) -> None:
    if context.connection is not None and context.statement is not None:
        started = context.connection.info.pop(_STARTED, time.monotonic())
        _note(context.statement, time.monotonic() - started, context.original_exception)


def _note(statement: str, seconds: float, error: BaseException | None) -> None:
    recorder = tracing.recorder()
    if recorder is not None:
        text = " ".join(statement.split())
        about = {"db.system.name": "postgresql", "db.query.text": text[:_LONGEST]}
        recorder.note(text.partition(" ")[0].rstrip(";").upper(), about, seconds=seconds, error=error)
