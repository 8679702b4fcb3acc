"""`media-analysis session`: tokens from the command line."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import ConfigFile, DataDir, load, out, report, run
from media_analysis.cli.services import open_services
from media_analysis.errors import InvalidRequest
from media_analysis.sessions.roles import Role
from media_analysis.units import parse_lifetime

if TYPE_CHECKING:
    from media_analysis.sessions.models import UserSession
    from media_analysis.settings import Settings

app = typer.Typer(help="Make tokens.", no_args_is_help=True, add_completion=False)


@app.callback()
def session() -> None:
    """Make tokens."""


@app.command("create")
def create(
    owner: Annotated[str, typer.Option(help="Whose files the token reaches")],
    role: Annotated[Role, typer.Option(help="What it may do")] = Role.USER,
    ttl: Annotated[str, typer.Option(help="How long it is valid, such as 12h or 30d")] = "30d",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make a session and print its token, once, on standard output."""
    from pydantic import TypeAdapter, ValidationError

    from media_analysis.api.schemas.fields import Owner

    try:
        TypeAdapter(Owner).validate_python(owner)
    except ValidationError as error:
        raise InvalidRequest("--owner", "letters, digits, dots, dashes, @ and _, at most 128") from error
    made, token = run(_create(load(config, data_dir).settings, owner, role, _lifetime(ttl)))
    report(f"session {made.id} of {made.owner} ({made.role.value}), valid until {made.expires_at:%Y-%m-%d %H:%M} UTC")
    out.print(token, soft_wrap=True, highlight=False)


def _lifetime(ttl: str) -> timedelta:
    try:
        lifetime = parse_lifetime(ttl)
    except ValueError as error:
        raise InvalidRequest("--ttl", str(error)) from error
    if lifetime is None:
        raise InvalidRequest("--ttl", "a token needs an end")
    return lifetime


async def _create(settings: Settings, owner: str, role: Role, ttl: timedelta) -> tuple[UserSession, str]:
    async with open_services(settings) as runtime:
        return await runtime.sessions.create(owner=owner, role=role, ttl=ttl)
