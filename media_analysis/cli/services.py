"""The way of one command to the services."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, TypeVar

from media_analysis.cli.console import report

if TYPE_CHECKING:
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings


ACTOR: Final = "command line"
"""Who did what a command does."""
Value = TypeVar("Value")


@asynccontextmanager
async def open_services(settings: Settings) -> AsyncIterator[Runtime]:
    """Open the services for one command, beside a running service or alone.

    The policy in force stays, whatever the settings of this shell say: only `serve` puts its own in force.
    """
    from media_analysis.runtime import open_runtime
    from media_analysis.settings.postgres import database_url

    async with (
        database_url(settings, report=report) as url,
        open_runtime(settings, url, serves=False) as runtime,
    ):
        yield runtime


async def with_services(settings: Settings, work: Callable[[Runtime], Awaitable[Value]]) -> Value:
    """Do one thing with the services."""
    async with open_services(settings) as runtime:
        return await work(runtime)
