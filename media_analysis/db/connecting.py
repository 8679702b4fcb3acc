"""Opening a connection: every one of ours, in a pool or alone, is opened here."""

import os
from collections.abc import Mapping

import asyncpg

from media_analysis.db.address import Address
from media_analysis.errors import DatabaseUnavailable


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
        connection = await asyncpg.connect(
            address.dsn,
            timeout=address.connect_timeout_seconds or timeout_seconds,
            command_timeout=command_timeout_seconds,
            server_settings=first,
        )
    except asyncpg.exceptions.ClientConfigurationError as error:
        raise DatabaseUnavailable(str(error)) from error
    said = [f"SET {name} = '{value}'" for name, value in settings.items() if name not in address.chosen]
    try:
        if said:
            await connection.execute("; ".join(said))
    except BaseException:
        connection.terminate()
        raise
    return connection
