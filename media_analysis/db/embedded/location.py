"""Where the embedded server's files lie: in the data directory, or where the account that runs it reaches them.

Root's PostgreSQL runs as an account that enters neither root's home nor whatever else is closed to it. Then its files
lie in a folder of their own below `BASE`; a record in the data directory says in which, and one there says whose it is.
"""

import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from media_analysis.db.embedded.account import OsAccount, blocked_part, require_reachable
from media_analysis.db.embedded.directory import make_parents, make_trusted, require_trusted, write_durably
from media_analysis.db.embedded.progress import Report
from media_analysis.errors import EmbeddedServerFailed, NoDataDirectory

BASE: Final = Path("/var/lib/media-analysis")
_OWNER: Final = "data-directory"
_SERVER: Final = "postgres"
_NAME_BYTES: Final = 6


@dataclass(frozen=True)
class Location:
    """Finds, and at the first start chooses, where the server of a data directory lies."""

    place: Path
    """Where its files lie unless they lie elsewhere; then this is the record of where."""

    account: OsAccount
    base: Path
    report: Report

    def find(self) -> Path:
        """Return the directory of a server that was there before.

        Raises:
            NoDataDirectory: there was none.
            EmbeddedServerFailed: it is not where it should be, or another data directory's.

        """
        home = _record_in(self.place)
        if home is not None:
            return self._follow(home)
        if not (self.place / "password").is_file():
            raise NoDataDirectory(self.place.parent, "there is no database in it")
        require_reachable(self.place.parent, self.account, remedy="choose another --data-dir")
        return self.place

    def find_or_choose(self) -> Path:
        """Return the directory of the server, which may not be there yet."""
        home = _record_in(self.place)
        if home is not None:
            return self._follow(home)
        blocked = blocked_part(self.place.parent, self.account)
        # A file there is the record of another process that chose since.
        if blocked is None or self.account.is_ours or self.place.is_dir():
            require_reachable(self.place.parent, self.account, remedy="choose another --data-dir")
            return self.place
        home = self._choose()
        self.report(
            f"the account {self.account.name!r}, which runs PostgreSQL, cannot enter {blocked}: "
            f"the database lies in {home}, back it up with the data directory"
        )
        return home / _SERVER

    def _follow(self, home: Path) -> Path:
        owner = _owner_of(home)
        if owner is None:
            raise EmbeddedServerFailed(
                f"the database of {self.place.parent} lies in {home}, as {self.place} says, and is not there: "
                "put it back, or set DATABASE_URL"
            )
        require_trusted(home)
        if owner != self.place.parent:
            self._take_over(home, owner)
        return home / _SERVER

    def _take_over(self, home: Path, owner: Path) -> None:
        try:
            kept = _record_in(owner / self.place.name)
        except OSError as error:
            raise EmbeddedServerFailed(
                f"the database in {home} is that of {owner}, and whether that is still there cannot be seen: {error}"
            ) from error
        if kept == home:
            raise EmbeddedServerFailed(
                f"{self.place.parent} is a copy of {owner}, and the database in {home} serves only one of them: "
                f"remove {owner / self.place.name} if the copy is to go on with it, or name {owner} by --data-dir"
            )
        self.report(f"{owner} has become {self.place.parent}; its database stays in {home}")
        write_durably(home / _OWNER, f"{self.place.parent}\n")

    def _choose(self) -> Path:
        make_trusted(self.base)
        with _alone_in(self.base):
            return _record_in(self.place) or self._settle()  # another process may have chosen just before

    def _settle(self) -> Path:
        home = next(self._unfinished(), self.base / secrets.token_hex(_NAME_BYTES))
        make_trusted(home)
        # Its owner first: a crash before the record leaves a folder that the next start finds by it.
        write_durably(home / _OWNER, f"{self.place.parent}\n")
        make_parents(self.place)
        write_durably(self.place, f"{home}\n")
        return home

    def _unfinished(self) -> Iterator[Path]:
        for home in self.base.iterdir():
            if _owner_of(home) != self.place.parent:
                continue
            if (home / _SERVER).exists():
                self.report(f"the database of an earlier {self.place.parent} is left in {home}; nothing uses it")
            else:
                yield home


def unlink_server(place: Path) -> None:
    """Remove what the stopped server of a data directory left elsewhere, if anything."""
    home = _record_in(place)
    if home is not None and _owner_of(home) == place.parent:
        require_trusted(home)
        with suppress(FileNotFoundError):
            shutil.rmtree(home / _SERVER)
        # Whatever a crash leaves from here on, the next start takes for its own, and as empty.
        place.unlink()
        shutil.rmtree(home)


@contextmanager
def _alone_in(base: Path) -> Iterator[None]:
    """Keep other processes from choosing a place below a folder for as long as the block runs."""
    fd = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _record_in(place: Path) -> Path | None:
    try:
        if not stat.S_ISREG(place.lstat().st_mode):
            return None
    except (FileNotFoundError, NotADirectoryError):
        return None
    home = Path(place.read_text().strip())
    if not home.is_absolute():
        raise EmbeddedServerFailed(f"{place} does not say where the database lies; restore it, or set DATABASE_URL")
    return home


def _owner_of(home: Path) -> Path | None:
    try:
        return Path((home / _OWNER).read_text().removesuffix("\n"))
    except (FileNotFoundError, NotADirectoryError):
        return None
