"""Files and directories that belong to the account running PostgreSQL, and to nobody else."""

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from media_analysis.db.embedded.account import OsAccount, user_name
from media_analysis.errors import EmbeddedServerFailed

PRIVATE_DIRECTORY: Final = 0o700
PRIVATE_FILE: Final = 0o600
WRITABLE_BY_OTHERS: Final = 0o022


class FileLock:
    """An flock, given up by closing it and by the death of every process that inherited it."""

    def __init__(self, path: Path, account: OsAccount) -> None:
        self.fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
        give(self.fd, account)

    def acquire(self) -> bool:
        """Take the lock unless somebody has it."""
        try:
            fcntl.flock(self.fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def sign(self) -> None:
        """Write down that this process is the holder."""
        os.ftruncate(self.fd, 0)
        os.pwrite(self.fd, str(os.getpid()).encode(), 0)

    def holder(self) -> str:
        """Return the process id the holder wrote down."""
        return os.pread(self.fd, 20, 0).decode() or "unknown"

    def close(self) -> None:
        os.close(self.fd)


def make_parents(directory: Path) -> None:
    """Create the missing parents of a directory, open to all; existing ones stay as they are."""
    for parent in reversed(directory.parents):
        try:
            parent.mkdir()
        except FileExistsError:
            continue
        parent.chmod(0o755)  # the umask may have taken away what the account needs


def make_trusted(directory: Path) -> None:
    """Create a directory of ours that everybody may enter and only we may write, unless it is there."""
    make_parents(directory)
    try:
        directory.mkdir()
    except FileExistsError:
        require_trusted(directory)
    else:
        directory.chmod(0o755)  # as above
        flush_directory(directory.parent)


def require_trusted(directory: Path) -> None:
    """Refuse a directory in which anybody else could put other files in place of ours."""
    status = directory.lstat()
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not is_ours or stat.S_IMODE(status.st_mode) & WRITABLE_BY_OTHERS:
        raise EmbeddedServerFailed(f"{directory} is no directory that only this user can write; mend or move it away")


def require_private(directory: Path, account: OsAccount) -> None:
    """Check that a directory is real, the account's and closed to others; give it over while it is new and empty."""
    if directory.is_symlink() or not directory.is_dir():
        raise EmbeddedServerFailed(f"{directory} is not a directory of its own; move it away, or set DATABASE_URL")
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        _adopt_if_new(fd, account)
        require_owner(directory, os.fstat(fd), account)
        if stat.S_IMODE(os.fstat(fd).st_mode) != PRIVATE_DIRECTORY:
            os.fchmod(fd, PRIVATE_DIRECTORY)
    finally:
        os.close(fd)


def require_owner(path: Path, status: os.stat_result, account: OsAccount) -> None:
    """Refuse what belongs to anybody but the account."""
    if status.st_uid != account.uid:
        raise EmbeddedServerFailed(
            f"{path} belongs to {user_name(status.st_uid)!r}, but {account.name!r} is to run PostgreSQL: "
            "run as its owner, give the directory to that account, or set DATABASE_URL"
        )


def read_private(path: Path, account: OsAccount) -> str:
    """Return the text of a file after checking its owner and closing it to others."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    with os.fdopen(fd) as file:
        require_owner(path, os.fstat(fd), account)
        if stat.S_IMODE(os.fstat(fd).st_mode) != PRIVATE_FILE:
            os.fchmod(fd, PRIVATE_FILE)
        return file.read()


def write_durably(path: Path, text: str, account: OsAccount | None = None) -> None:
    """Put a private file, the account's if one is given, in place that is there whole, or not at all, after a crash."""
    draft = path.with_name(f"{path.name}.new")
    draft.unlink(missing_ok=True)
    fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, PRIVATE_FILE)
    with os.fdopen(fd, "w") as file:
        if account is not None:
            give(fd, account)
        file.write(text)
        file.flush()
        os.fsync(fd)
    draft.replace(path)
    flush_directory(path.parent)


def flush_directory(directory: Path) -> None:
    """Make the names in a directory survive a power cut."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def flush_parents(directory: Path) -> None:
    """Make the path to a directory survive a power cut; a parent closed to us was not created by us."""
    for parent in directory.parents:
        with suppress(PermissionError):
            flush_directory(parent)


def give(fd: int, account: OsAccount) -> None:
    """Make the account the owner of an open file."""
    if not account.is_ours:
        os.fchown(fd, account.uid, account.gid)


def _adopt_if_new(fd: int, account: OsAccount) -> None:
    # Between mkdir and this lies a failure window, and a concurrent start may be as far: the list is read
    # before the owner, so whoever finds it filled also finds it given over.
    with os.scandir(fd) as entries:
        is_empty = next(entries, None) is None
    if is_empty and os.fstat(fd).st_uid == os.geteuid():
        give(fd, account)
