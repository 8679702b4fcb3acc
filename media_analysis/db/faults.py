"""What the driver says of a database that is lost, late, full, read-only or contended, as errors of our own."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from media_analysis.errors import DatabaseRefused, DatabaseUnavailable, TransactionConflict

READ_ONLY: Final = "25006"
_AWAY_STATES: Final = ("08", "53300", "55P03", "57P0")
"""SQLSTATE prefixes: connection exceptions, too many connections, a lock not had in time, shutdown or start-up."""
_REFUSING_STATES: Final = ("28", "3D000")
"""SQLSTATE prefixes: who we are or which database we want is not accepted."""
REFUSALS: Final = (DBAPIError, asyncpg.PostgresError)
"""What PostgreSQL says of a statement, or the driver of what it was given."""
_CONTENDED_STATES: Final = ("40001", "40P01")
_UNWRITABLE_STATES: Final[Mapping[str, str]] = {
    READ_ONLY: "it is read-only",
    "53000": "it is out of a resource",
    "53100": "its disk is full",
    "53200": "it is out of memory",
    "53400": "it has reached a limit of its configuration",
    "58030": "it cannot read or write its own files",
}


@contextmanager
def translated_errors() -> Iterator[None]:
    """Turn what the driver says about the database itself into our own errors; all others pass."""
    try:
        yield
    except Exception as error:
        state = _state_of(error)
        reason = _UNWRITABLE_STATES.get(state)
        if state.startswith(_CONTENDED_STATES):
            raise TransactionConflict(state) from error
        if reason is not None and not _is_our_own_promise(error, state):
            raise DatabaseUnavailable(reason, takes_no_changes=True) from error
        if is_away(error):
            raise DatabaseUnavailable(type(error).__name__) from error
        if state.startswith(_REFUSING_STATES):
            raise DatabaseRefused(str(_cause(error))) from error
        raise


def is_away(error: BaseException) -> bool:
    """Say whether the connection, or the server behind it, is lost or late."""
    match error:
        case (
            PoolTimeout() | asyncpg.PostgresConnectionError() | asyncpg.InterfaceError() | asyncpg.InternalClientError()
        ):
            return True
        case DBAPIError():
            return error.connection_invalidated or _state_of(error).startswith(_AWAY_STATES) or _is_late_or_cut(error)
        case asyncpg.PostgresError():
            return str(error.sqlstate).startswith(_AWAY_STATES) or _is_late_or_cut(error)
        case OSError():
            return True
    return False


def _is_our_own_promise(error: Exception, state: str) -> bool:
    """Say whether a statement broke the promise of its own transaction to read only, which is a bug of ours."""
    return state == READ_ONLY and isinstance(error, DBAPIError) and not error.connection_invalidated


def _is_late_or_cut(error: BaseException) -> bool:
    return isinstance(_cause(error), OSError | asyncpg.QueryCanceledError | asyncpg.InternalClientError)


def _state_of(error: BaseException) -> str:
    return str(getattr(_cause(error), "sqlstate", None) or "")


def _cause(error: BaseException) -> BaseException | None:
    """Return what the driver itself raised."""
    return error.orig.__cause__ if isinstance(error, DBAPIError) and error.orig is not None else error
