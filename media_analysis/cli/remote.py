"""Which server commands speak to, and by which token; what it refuses ends them with a sentence and a code."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from media_analysis.cli.console import report
from media_analysis.cli.exits import FAILED, NO_ANSWER, NO_ROOM, NOT_SIGNED_IN, NOT_THERE, CommandRefused

if TYPE_CHECKING:
    from media_analysis.client import AsyncClient, Client

URL_VARIABLE: Final = "MEDIA_ANALYSIS_URL"
TOKEN_VARIABLE: Final = "MEDIA_ANALYSIS_TOKEN"  # noqa: S105 - the name of one
PRIVATE_MODE: Final = 0o600
PATIENCE_SECONDS: Final = 5.0
"""How long somebody waits in front of a command that only asks; what transfers files goes on for longer."""
PRIVATE_FOLDER_MODE: Final = 0o700
_LOCAL_NAMES: Final = frozenset({"localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Server:
    """A server and the token for it."""

    url: str
    token: str = field(repr=False)
    is_login: bool = False


def find_server(environ: Mapping[str, str] = os.environ) -> Server | None:
    """Return the server that is meant: that of the environment, else that of the login, None if there is neither.

    Raises:
        CommandRefused: a server without its token, or a token without its server, which must not go to another one.

    """
    url, token = environ.get(URL_VARIABLE, "").strip(), environ.get(TOKEN_VARIABLE, "").strip()
    if url and token:
        return Server(checked_url(url), token)
    kept = read_login()
    if not url:
        if token and (kept is None or kept.token != token):
            raise CommandRefused(f"{TOKEN_VARIABLE} is set without {URL_VARIABLE}, so it is for no server", 2)
        return kept
    url = checked_url(url)
    if kept is not None and kept.url == url:
        return kept
    raise CommandRefused(f"there is no token for {url}: media-analysis login {url}", NOT_SIGNED_IN)


def require_server() -> Server:
    """Return the server that is meant.

    Raises:
        CommandRefused: none is, or not with its token.

    """
    server = find_server()
    if server is None:
        raise CommandRefused(f"no server is known: media-analysis login URL, or set {URL_VARIABLE}", NOT_SIGNED_IN)
    if not server.is_login:
        warn_of_plain(server.url)
    return server


def checked_url(url: str) -> str:
    """Return the address of a server as it is written everywhere.

    Raises:
        CommandRefused: it is none.

    """
    from media_analysis.client.addresses import address

    try:
        return address(url)
    except ValueError as error:
        raise CommandRefused(str(error), 2) from error


def warn_of_plain(url: str) -> None:
    """Say that anybody between can read a token that goes to another machine unencrypted."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "http" and host not in _LOCAL_NAMES and not host.startswith("127."):
        report(f"warning: {url} is not encrypted: whoever is between here and there can read the token")


def login_path() -> Path:
    """Return where the login is kept."""
    from platformdirs import user_config_path

    return user_config_path("media-analysis", appauthor=False) / "login.json"


def read_login() -> Server | None:
    """Return what `login` kept.

    Raises:
        CommandRefused: others can read it, or it is no login.

    """
    path = login_path()
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise CommandRefused(f"{path} cannot be read: {error.strerror}") from error
    with os.fdopen(descriptor) as file:
        status = os.fstat(descriptor)
        if status.st_mode & 0o077 or status.st_uid != os.geteuid():
            raise CommandRefused(f"{path} can be read by others; set its mode to 0600 or remove it")
        try:
            said = json.load(file)
            return Server(str(said["url"]), str(said["token"]), is_login=True)
        except (ValueError, KeyError, TypeError) as error:
            raise CommandRefused(f"{path} holds no login; media-analysis login URL makes it anew") from error


def write_login(server: Server) -> Path:
    """Keep a login, readable by its user alone, all of it or none."""
    path = login_path()
    part = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=PRIVATE_FOLDER_MODE)
        descriptor = os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, PRIVATE_MODE)
    except OSError as error:
        raise CommandRefused(f"the login cannot be kept in {path.parent}: {error.strerror}") from error
    try:
        with os.fdopen(descriptor, "w") as file:
            json.dump({"url": server.url, "token": server.token}, file)
            file.flush()
            os.fsync(descriptor)
        part.replace(path)
    finally:
        with suppress(FileNotFoundError):
            part.unlink()
    return path


@contextmanager
def open_client(server: Server | None = None) -> Iterator[Client]:
    """Yield a client of the server that is meant; what it refuses while the block runs ends the command."""
    server = server or require_server()
    from media_analysis.client import Client

    with refusals(server.url):
        try:
            client = Client(server.url, server.token, patience_seconds=PATIENCE_SECONDS)
        except ValueError as error:
            raise CommandRefused(str(error), NOT_SIGNED_IN) from error
        with client:
            yield client


def asynchronous_client(server: Server) -> AsyncClient:
    """Return a client for many things at once.

    Raises:
        CommandRefused: the token is none.

    """
    from media_analysis.client import AsyncClient

    try:
        return AsyncClient(server.url, server.token)
    except ValueError as error:
        raise CommandRefused(str(error), NOT_SIGNED_IN) from error


@contextmanager
def refusals(url: str) -> Iterator[None]:
    """End the command where the block meets what a server refuses, with its words and the code for that."""
    from media_analysis.client.errors import ClientError

    try:
        yield
    except ClientError as error:
        raise CommandRefused(sentence_of(error, url), exit_code_of(error)) from error


def sentence_of(error: Exception, url: str) -> str:
    """Return what is said of an error, with what to do where somebody can do something."""
    from media_analysis.client.errors import Gone, NotUnderstood, Unauthorized, Unreachable

    match error:
        case Unauthorized():
            return f"{url} does not take the token: {error}; media-analysis login {url} takes a new one"
        case Unreachable() | NotUnderstood():
            return f"{url}: {error}"
        case Gone():
            rule = error.tombstone.rule
            until = error.facts.get("restorable_until")
            told = "" if rule is None else f" ({rule})"
            return f"{error}{told}" + (f"; restorable until {until}" if until else "")
        case OSError():
            return f"{error.strerror or error}"
        case _:
            return str(error)


def exit_code_of(error: Exception) -> int:
    """Return the exit code for an error of the client."""
    from media_analysis.client.errors import Gone, NotFound, QuotaExceeded, Unauthorized, Unavailable, Unreachable

    codes = (
        (Unauthorized, NOT_SIGNED_IN),
        ((NotFound, Gone), NOT_THERE),
        (QuotaExceeded, NO_ROOM),
        ((Unreachable, Unavailable), NO_ANSWER),
    )
    return next((code for kinds, code in codes if isinstance(error, kinds)), FAILED)
