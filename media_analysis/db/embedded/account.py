"""The unprivileged account that runs PostgreSQL, and whether it reaches what it needs."""

import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from media_analysis.errors import EmbeddedServerFailed


@dataclass(frozen=True)
class OsAccount:
    """A user of this machine, with the groups its PostgreSQL processes will have."""

    name: str
    uid: int
    gid: int
    groups: frozenset[int]

    @property
    def is_ours(self) -> bool:
        """Whether this process already runs as that user."""
        return self.uid == os.geteuid()

    def may_enter(self, status: os.stat_result) -> bool:
        """Tell from mode and owner alone whether the account may traverse or execute the path."""
        if self.uid == 0:
            return True
        if status.st_uid == self.uid:
            return bool(status.st_mode & stat.S_IXUSR)
        if status.st_gid in self.groups:
            return bool(status.st_mode & stat.S_IXGRP)
        return bool(status.st_mode & stat.S_IXOTH)


def choose_account(name: str | None) -> OsAccount:
    """Return the account to run PostgreSQL as: ourselves, or for root a named one, `postgres` or `nobody`."""
    if os.geteuid() != 0:
        return _own_account(name)
    wanted = (name,) if name else ("postgres", "nobody")
    entry = next((found for found in map(_find_user, wanted) if found), None)
    if entry is None:
        raise EmbeddedServerFailed(
            f"no such account: {' or '.join(wanted)}; PostgreSQL refuses to run as root: name an existing account, "
            "run as an ordinary user, or set DATABASE_URL"
        )
    if entry.pw_uid == 0:
        raise EmbeddedServerFailed("PostgreSQL refuses to run as root: name another account, or set DATABASE_URL")
    return OsAccount(entry.pw_name, entry.pw_uid, entry.pw_gid, frozenset({entry.pw_gid}))


def blocked_part(path: Path, account: OsAccount) -> Path | None:
    """Return the first existing part of the path that the account cannot traverse."""
    return next((part for part, status in _existing_parts(path) if not account.may_enter(status)), None)


def require_reachable(path: Path, account: OsAccount, *, remedy: str) -> None:
    """Refuse when the account cannot traverse an existing part of the path; nothing is ever opened up for it."""
    blocked = blocked_part(path, account)
    if blocked is not None:
        raise EmbeddedServerFailed(
            f"{blocked} cannot be entered by the account {account.name!r}, which runs PostgreSQL: "
            f"{remedy}, run as an ordinary user who may enter it, or set DATABASE_URL"
        )


def user_name(uid: int) -> str:
    """Return the name of a user, or its number when it has none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def _existing_parts(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    for part in reversed((path, *path.parents)):
        try:
            yield part, part.stat()
        except FileNotFoundError:
            return
        except PermissionError as error:
            raise EmbeddedServerFailed(f"{part} cannot be read: {error.strerror}") from error


def _own_account(name: str | None) -> OsAccount:
    try:
        entry = pwd.getpwuid(os.geteuid())
    except KeyError as error:
        raise EmbeddedServerFailed(
            f"user id {os.geteuid()} has no name on this machine, which PostgreSQL needs; set DATABASE_URL"
        ) from error
    if name not in {None, entry.pw_name}:
        raise EmbeddedServerFailed(f"only root can run PostgreSQL as {name!r}; this process is {entry.pw_name!r}")
    return OsAccount(entry.pw_name, entry.pw_uid, entry.pw_gid, frozenset({os.getegid(), *os.getgroups()}))


def _find_user(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
