"""The database DATABASE_URL names, asked directly: a service that cannot reach it does not start to tell."""

import asyncio

from media_analysis.db.database import open_database
from media_analysis.db.health import describe_server, require_safe_settings
from media_analysis.db.migrations import require_schema
from media_analysis.db.pooling import require_own_sessions
from media_analysis.diagnosis.check import CheckFailed
from media_analysis.errors import DatabaseUnavailable, MediaAnalysisError
from media_analysis.settings import Settings
from media_analysis.settings.postgres import database_options


def check_database(settings: Settings) -> str:
    """Say which server it is; it must be one that a service starts on."""
    try:
        return asyncio.run(_describe(settings))
    except DatabaseUnavailable as error:
        raise CheckFailed(str(error), "start its server, or mend DATABASE_URL") from error
    except MediaAnalysisError as error:
        raise CheckFailed(str(error)) from error


async def _describe(settings: Settings) -> str:
    url = settings.database.url
    if url is None:
        return "embedded, run by serve"
    async with open_database(url.get_secret_value(), database_options(settings)) as db:
        await require_own_sessions(db)
        async with db.read_only() as session:
            await require_schema(session)
            await require_safe_settings(session)
            return await describe_server(session)
