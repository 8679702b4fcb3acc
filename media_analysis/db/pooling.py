"""Is the session at the other end ours alone? A pooler in transaction mode lends one for a transaction at a time."""

from typing import Final

from asyncpg import Connection
from asyncpg.exceptions import DuplicatePreparedStatementError, InvalidSQLStatementNameError
from sqlalchemy.exc import DBAPIError

from media_analysis.db.address import Address
from media_analysis.db.connecting import connect
from media_analysis.db.database import Database
from media_analysis.db.faults import translated_errors
from media_analysis.errors import TransactionPooler

CONNECT_SECONDS: Final = 10.0
_PROCESS: Final = "SELECT pg_backend_pid()"
_MISTAKEN: Final = (InvalidSQLStatementNameError.sqlstate, DuplicatePreparedStatementError.sqlstate)


async def require_own_sessions(db: Database) -> None:
    """Refuse a pooler that gives the transactions of one connection to different sessions.

    Raises:
        TransactionPooler: it does.
        DatabaseUnavailable, DatabaseRefused: nobody can tell.

    """
    with translated_errors():
        try:
            async with db.engine.connect() as opened:
                raw = (await opened.get_raw_connection()).driver_connection
                if isinstance(raw, Connection) and not await _is_own(raw, db.address):
                    raise TransactionPooler
        except (DBAPIError, InvalidSQLStatementNameError, DuplicatePreparedStatementError) as error:
            state = getattr(error.orig, "sqlstate", None) if isinstance(error, DBAPIError) else error.sqlstate
            if state in _MISTAKEN:  # a statement prepared in another session
                raise TransactionPooler from error
            raise


async def _is_own(first: Connection, address: Address) -> bool:
    """Say whether a connection keeps its session while it stands idle and another one works."""
    before = await first.fetchval(_PROCESS)
    # A pooler says a number of its own when it is connected to; no number betrays in which mode it is.
    if before == first.get_server_pid():
        return True
    second = await connect(
        address,
        "media-analysis",
        timeout_seconds=CONNECT_SECONDS,
        command_timeout_seconds=CONNECT_SECONDS,
        settings={},
    )
    try:
        async with second.transaction():
            other = await second.fetchval(_PROCESS)
            after = await first.fetchval(_PROCESS)
    finally:
        await second.close(timeout=CONNECT_SECONDS)
    return bool(before == after != other)
