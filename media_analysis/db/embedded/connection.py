"""Connections to the embedded server: how its clients find it, and whether it answers."""

from typing import Final
from urllib.parse import quote

import asyncpg

from media_analysis.db.embedded.cluster import NAME, PORT, Cluster, read_password
from media_analysis.errors import EmbeddedServerFailed

CONNECT_SECONDS: Final = 10.0
_AWAY: Final = (
    OSError,
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    # What the driver says when a server goes in the middle of a message, or is not done starting.
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


def url_of(cluster: Cluster) -> str:
    """Return the URL, complete enough that no PG* variable of the environment changes where it leads."""
    password = quote(read_password(cluster), safe="")
    return f"postgresql://{NAME}:{password}@/{NAME}?host={quote(str(cluster.host or cluster.run))}&port={PORT}"


async def answers(cluster: Cluster, database: str) -> bool:
    """Tell whether a client can enter the database now."""
    try:
        connection = await _connect(cluster, database)
        await connection.close()
    except asyncpg.InvalidAuthorizationSpecificationError as error:
        raise EmbeddedServerFailed(f"PostgreSQL does not accept the password in {cluster.password_file}") from error
    except (*_AWAY, asyncpg.InvalidCatalogNameError):
        return False
    return True


async def ensure_database(cluster: Cluster) -> None:
    """Create the service's database unless it is there.

    Raises:
        EmbeddedServerFailed: the server went away meanwhile.

    """
    try:
        connection = await _connect(cluster, "postgres")
        try:
            if not await connection.fetchval("SELECT true FROM pg_database WHERE datname = $1", NAME):
                await connection.execute(f"CREATE DATABASE {NAME}")
        finally:
            await connection.close()
    except _AWAY as error:
        raise EmbeddedServerFailed(f"PostgreSQL went away while its database was looked for: {error}") from error


async def _connect(cluster: Cluster, database: str) -> asyncpg.Connection:
    return await asyncpg.connect(
        host=str(cluster.host or cluster.run),
        port=PORT,
        user=NAME,
        password=read_password(cluster),
        database=database,
        ssl=False,
        timeout=CONNECT_SECONDS,
    )
