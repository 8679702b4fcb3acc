"""The PostgreSQL that is configured: another's, or the embedded one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from media_analysis.db.database import DatabaseOptions
from media_analysis.db.embedded import embedded_server
from media_analysis.db.embedded.progress import Report
from media_analysis.errors import Misconfigured
from media_analysis.settings.model import Settings
from media_analysis.settings.password_file import with_password


def configured_url(settings: Settings) -> str | None:
    """Return the URL of the configured server, the password from its file in it; None stands for the embedded one.

    Raises:
        Misconfigured: the file with the password is no longer what it was when the settings were read.

    """
    url, password_file = settings.database.url, settings.database.password_file
    if url is None or password_file is None:
        return None if url is None else url.get_secret_value()
    try:
        return with_password(url.get_secret_value(), password_file)
    except ValueError as error:
        raise Misconfigured(f"DATABASE_PASSWORD_FILE is {str(password_file)!r}: {error}") from None


@asynccontextmanager
async def database_url(settings: Settings, *, report: Report, serves: bool = False) -> AsyncIterator[str]:
    """Yield the URL of the configured server, or of the embedded one, run for the block; `serve` alone creates it."""
    configured = configured_url(settings)
    if configured is not None:
        yield configured
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
