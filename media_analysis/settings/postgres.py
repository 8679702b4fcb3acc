"""The PostgreSQL that is configured: another's, or the embedded one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from media_analysis.db.database import DatabaseOptions
from media_analysis.db.embedded import embedded_server
from media_analysis.db.embedded.progress import Report
from media_analysis.settings.model import Settings


@asynccontextmanager
async def database_url(settings: Settings, *, report: Report, serves: bool = False) -> AsyncIterator[str]:
    """Yield the URL of the configured server, or of the embedded one, run for the block; `serve` alone creates it."""
    if settings.database.url is not None:
        yield settings.database.url.get_secret_value()
        return
    directory = settings.data_dir.resolve() / "postgres"
    async with embedded_server(directory, report=report, exclusive=serves, creates=serves) as server:
        yield server.url


def database_options(settings: Settings) -> DatabaseOptions:
    """Return what the settings say of the connection pool."""
    chosen = settings.database
    return DatabaseOptions(
        pool_min=chosen.pool_min,
        pool_max=chosen.pool_max,
        connect_timeout_seconds=chosen.connect_timeout_seconds,
        command_timeout_seconds=chosen.command_timeout_seconds,
        statement_timeout_seconds=chosen.statement_timeout_seconds,
        deadline_seconds=chosen.deadline_seconds,
    )
