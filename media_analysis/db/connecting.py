"""Opening a connection: every one of ours, in a pool or alone, is opened here."""

import asyncio
import os
import socket
from collections import deque
from collections.abc import Mapping
from typing import Any, Final

import asyncpg

from media_analysis.db.address import Address
from media_analysis.db.commits import CommittingConnection
from media_analysis.errors import DatabaseUnavailable

HEAD_START_SECONDS: Final = 0.25
"""How long one of several servers is waited for before the next is asked as well: one that is gone says nothing."""


async def connect(
    address: Address,
    purpose: str,
    *,
    timeout_seconds: float,
    command_timeout_seconds: float | None,
    settings: Mapping[str, str],
) -> asyncpg.Connection:
    """Open a connection; the URL's own words go before what we would say.

    Settings are said once connected: a pooler refuses most of them in the connection's first message.

    Raises:
        DatabaseUnavailable: a file that the URL names cannot be read, or the driver cannot do what it says.

    """
    for word, path in address.files.items():
        if not os.access(path, os.R_OK):
            # The driver would not say which, or take none for a password file.
            raise DatabaseUnavailable(f"{word}={path} cannot be read")
    first = {"application_name": address.application_name or purpose}
    if address.options is not None:
        first["options"] = address.options
    try:
        connection = await _open(
            address,
            timeout=address.connect_timeout_seconds or timeout_seconds,
            command_timeout=command_timeout_seconds,
            server_settings=first,
            connection_class=CommittingConnection,
        )
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise DatabaseUnavailable(str(error)) from error
    _notice_silence(connection, address.connect_timeout_seconds or timeout_seconds)
    said = [f"SET {name} = '{value}'" for name, value in settings.items() if name not in address.chosen]
    try:
        if said:
            await connection.execute("; ".join(said))
    except BaseException:
        connection.terminate()
        raise
    return connection


async def _open(address: Address, **how: Any) -> asyncpg.Connection:
    """Open a connection to the server, or to the first of several that takes one.

    The driver would ask one after the other, and spend all its time on one that does not answer.
    """
    if not address.hosts:
        return await asyncpg.connect(address.dsn, **how)
    waiting, asked = deque(address.hosts), set[asyncio.Task[asyncpg.Connection]]()
    errors: list[Exception] = []
    try:
        while waiting or asked:
            if waiting:
                host, port = waiting.popleft()
                asked.add(asyncio.create_task(asyncpg.connect(address.dsn, host=host, port=port, **how)))
            patience = HEAD_START_SECONDS if waiting else None
            answered, asked = await asyncio.wait(asked, timeout=patience, return_when=asyncio.FIRST_COMPLETED)
            if opened := [task.result() for task in answered if task.exception() is None]:
                for more in opened[1:]:
                    more.terminate()
                return opened[0]
            errors += [error for task in answered if isinstance(error := task.exception(), Exception)]
    finally:
        for task in asked:
            task.add_done_callback(_close)
            task.cancel()
    # What a server says tells more than that another one is silent.
    raise max(errors, key=lambda error: isinstance(error, asyncpg.PostgresError))


def _notice_silence(connection: asyncpg.Connection, seconds: float) -> None:
    """Let the kernel end a connection whose other end acknowledges nothing for so long: its machine is cut off.

    Source: tcp(7). A server that is merely busy acknowledges; what it owes an answer to is bounded elsewhere.
    """
    opened = connection._transport.get_extra_info("socket")  # noqa: SLF001 - the driver has no word for it
    if opened.family == socket.AF_UNIX or not hasattr(socket, "TCP_USER_TIMEOUT"):
        return
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (
        (socket.TCP_KEEPIDLE, max(1, round(seconds))),
        (socket.TCP_KEEPINTVL, 1),
        (socket.TCP_USER_TIMEOUT, round(seconds * 1000)),
    ):
        opened.setsockopt(socket.IPPROTO_TCP, name, value)


def _close(asked: asyncio.Task[asyncpg.Connection]) -> None:
    """Close a connection that came when another one was taken already."""
    if not asked.cancelled() and asked.exception() is None:
        asked.result().terminate()
