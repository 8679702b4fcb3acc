"""What the commands about jobs share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, TypeVar
from uuid import UUID

import typer

from media_analysis.cli.console import out
from media_analysis.cli.services import open_services

if TYPE_CHECKING:
    from media_analysis.runtime import Runtime
    from media_analysis.settings import Settings

Value = TypeVar("Value")
JobId = Annotated[UUID, typer.Argument(metavar="ID", help="The job", show_default=False)]


async def with_services(settings: Settings, work: Callable[[Runtime], Awaitable[Value]]) -> Value:
    """Do one thing with the services."""
    async with open_services(settings) as runtime:
        return await work(runtime)


def instant(at: datetime | None, without: str = "") -> str:
    """Return an instant as people read it."""
    return without if at is None else f"{at:%Y-%m-%d %H:%M:%S}"


def say(sentence: str) -> None:
    """Print a sentence on standard output."""
    out.print(sentence, soft_wrap=True, highlight=False, markup=False)
