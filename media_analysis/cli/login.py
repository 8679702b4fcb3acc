"""`media-analysis login` and `logout`: which server the other commands ask, and by which token."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from media_analysis.cli.console import instant, report, say
from media_analysis.cli.exits import NOT_SIGNED_IN, CommandRefused
from media_analysis.cli.remote import (
    TOKEN_VARIABLE,
    URL_VARIABLE,
    Server,
    checked_url,
    login_path,
    open_client,
    warn_of_plain,
    write_login,
)


def login(
    url: Annotated[str, typer.Argument(metavar="URL", help="Such as http://127.0.0.1:8000", envvar=URL_VARIABLE)],
) -> None:
    """Keep a server's address and a token for it, once the server has said whose it is.

    The token is asked for without being shown, or comes from MEDIA_ANALYSIS_TOKEN or a pipe; it never stands on the
    command line, where others could read it. It is kept in a file that only you can read.
    """
    address = checked_url(url)
    warn_of_plain(address)
    server = Server(address, _token(), is_login=True)
    with open_client(server) as client:
        session = client.session()
    path = write_login(server)
    report(f"kept in {path}")
    say(f"signed in at {address} as {session.owner} ({session.role}), until {instant(session.expires_at)}")


def logout() -> None:
    """Forget the server and the token; the session itself goes on (media-analysis session revoke ends one)."""
    path = login_path()
    try:
        path.unlink()
    except FileNotFoundError:
        say("nobody was signed in")
        return
    say("signed out")


def _token() -> str:
    given = os.environ.get(TOKEN_VARIABLE, "").strip()
    if given:
        return given
    if sys.stdin.isatty():
        from getpass import getpass

        given = getpass("Token: ").strip()
    else:
        given = sys.stdin.readline(1_000).strip()
    if not given:
        raise CommandRefused("no token was given", NOT_SIGNED_IN)
    return given
