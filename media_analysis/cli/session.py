"""`media-analysis session`: make tokens, list who has one, and end them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from media_analysis.cli.console import AsJson, ConfigFile, DataDir, instant, json_instant, load, out, report, run, say
from media_analysis.cli.grammar import IdPart, parse_owner, parse_span
from media_analysis.cli.ids import id_argument, session_id
from media_analysis.cli.services import with_services
from media_analysis.cli.tables import tabulate
from media_analysis.errors import InvalidRequest
from media_analysis.sessions.roles import Role, Scope
from media_analysis.storage.category import Category

if TYPE_CHECKING:
    from uuid import UUID

    from media_analysis.runtime import Runtime
    from media_analysis.sessions.limits import Limit
    from media_analysis.sessions.models import UserSession
    from media_analysis.sessions.service import SessionPage

app = typer.Typer(help="Make tokens, list and revoke them.", no_args_is_help=True, add_completion=False)


@app.command("create")
def create(
    owner: Annotated[str, typer.Option(help="Whose files the token reaches")],
    role: Annotated[Role, typer.Option(help="A set of scopes: what it may do")] = Role.USER,
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it may do instead; repeat for more", show_default=False)
    ] = None,
    category: Annotated[
        list[Category] | None,
        typer.Option(help="Limit it to files of this category; repeat for more; wants --scope", show_default=False),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL",
            help="Limit it to files with this label, such as camera:north or camera; repeat for more; wants --scope",
            show_default=False,
        ),
    ] = None,
    ttl: Annotated[str, typer.Option(metavar="SPAN", help="How long it is valid, such as 12h or 30d")] = "30d",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Make a session and print its token, once, on standard output."""
    whose, lifetime = parse_owner(owner), parse_span("--ttl", ttl)
    scopes = list(dict.fromkeys(scope)) if scope else None

    limit = _limit(category, label)

    async def work(runtime: Runtime) -> tuple[UserSession, str]:
        return await runtime.sessions.create(owner=whose, role=role, ttl=lifetime, scopes=scopes, limit=limit)

    made, token = run(with_services(load(config, data_dir).settings, work))
    report(f"session {made.id} of {made.owner} ({_granted(made)}), valid until {instant(made.expires_at)}")
    say(token)


@app.command("list")
def list_sessions(
    *,
    owner: Annotated[str | None, typer.Option(help="Only of this owner", show_default=False)] = None,
    limit: Annotated[int, typer.Option(min=1, max=1_000, help="How many, newest first")] = 20,
    as_json: AsJson = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Print the latest sessions, ended ones included; tokens are stored nowhere and cannot be shown."""

    async def work(runtime: Runtime) -> SessionPage:
        return await runtime.sessions.list(owner=owner, before=None, limit=limit)

    page = run(with_services(load(config, data_dir).settings, work))
    if as_json:
        out.print_json(json.dumps([_document(each) for each in page.sessions]))
    else:
        tabulate(
            ("session", "owner", "may", "made", "last seen", "ends"),
            [
                (
                    *(each.id, each.owner, _granted(each), each.created_at, each.last_seen_at or "never"),
                    each.expires_at if each.revoked_at is None else "revoked",
                )
                for each in page.sessions
            ],
            empty="there is no session that fits; make one with media-analysis session create",
            piped=("made",),
        )
    if page.next_before is not None:
        report(f"there are more; the {limit} newest are shown")


@app.command("revoke")
def revoke(
    session: Annotated[IdPart, id_argument("The session")], *, data_dir: DataDir = None, config: ConfigFile = None
) -> None:
    """End a session at once: its token is refused from now on. Ending it again changes nothing."""

    async def work(runtime: Runtime) -> UUID:
        wanted = await session_id(runtime, session)
        await runtime.sessions.revoke(wanted, owner=None)
        return wanted

    say(f"revoked {run(with_services(load(config, data_dir).settings, work))}")


def _limit(categories: list[Category] | None, labels: list[str] | None) -> Limit | None:
    from media_analysis.sessions.limits import Limit  # which loads what checks documents

    try:
        return Limit.of(categories, labels)
    except ValueError as error:
        raise InvalidRequest("--label", str(error)) from error


def _granted(session: UserSession) -> str:
    granted = session.role.value if session.own_scopes is None else " ".join(session.scopes)
    return " ".join([granted, *(session.categories or ()), *(session.labels or ())])


def _document(session: UserSession) -> dict[str, object]:
    instants = {
        "created_at": session.created_at,
        "last_seen_at": session.last_seen_at,
        "expires_at": session.expires_at,
        "revoked_at": session.revoked_at,
    }
    return {
        "id": str(session.id),
        "owner": session.owner,
        "role": session.role.value,
        "scopes": [scope.value for scope in session.scopes],
        "categories": session.categories,
        "labels": session.labels,
        **{name: json_instant(at) for name, at in instants.items()},
    }
