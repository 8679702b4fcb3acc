"""Opening a connection: every one of ours, in a pool or alone, is opened here."""

from collections.abc import Mapping

import asyncpg

from media_analysis.db.address import Address


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
    """
    first = {"application_name": address.application_name or purpose}
    if address.options is not None:
        first["options"] = address.options
    connection = await asyncpg.connect(
        address.dsn,
        timeout=address.connect_timeout_seconds or timeout_seconds,
        command_timeout=command_timeout_seconds,
        server_settings=first,
    )
    said = [f"SET {name} = '{value}'" for name, value in settings.items() if name not in address.chosen]
    try:
        if said:
            await connection.execute("; ".join(said))
    except BaseException:
        connection.terminate()
        raise
    return connection
