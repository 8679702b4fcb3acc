"""What a command has uploaded and what is under way, kept until all of it has come, so that it can go on."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from media_analysis.cli.exits import CommandRefused

if TYPE_CHECKING:
    from media_analysis.cli.upload_items import Item, Wishes

LASTS_SECONDS: Final = 24 * 3_600.0
"""As long as the server knows a repeated request, and keeps what is not all there."""
LONGEST_LINE: Final = 1_000
_KEY_DIGITS: Final = 40


def state_folder() -> Path:
    """Return where it is kept."""
    from platformdirs import user_state_path

    return user_state_path("media-analysis", appauthor=False) / "uploads"


def digest(*facts: object) -> str:
    """Return a name for what these facts tell apart."""
    return hashlib.sha256(json.dumps(facts).encode(errors="surrogateescape")).hexdigest()[:_KEY_DIGITS]


def discard_old(folder: Path) -> None:
    """Remove what nothing can go on from any more."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.stat().st_mtime < time.time() - LASTS_SECONDS:
                    Path(entry.path).unlink()


@dataclass
class Journal:
    """A file of lines: first what names this run, then one for each file that came."""

    path: Path
    run: str = ""
    done: dict[str, str] = field(default_factory=dict)
    """The file that each became, by its key."""
    _descriptor: int = -1

    @classmethod
    def open(cls, url: str, wishes: Wishes, paths: tuple[Path, ...]) -> Journal:
        """Take up what the same command left, or begin.

        Raises:
            CommandRefused: the same command runs, or nothing can be noted.

        """
        folder = state_folder()
        named = [os.path.abspath(path) for path in paths]  # noqa: PTH100 - links are not resolved
        journal = cls(folder / f"{digest(url, wishes.facts(), named)}.run")
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            discard_old(folder)
            journal._descriptor = os.open(journal.path, flags, 0o600)
        except OSError as error:
            raise CommandRefused(f"nothing can be noted in {folder}, to go on from: {error.strerror}") from error
        try:
            fcntl.flock(journal._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(journal._descriptor)
            raise CommandRefused("the same upload is under way in another terminal") from error
        try:
            journal._take_up()
        except OSError as error:
            os.close(journal._descriptor)
            raise CommandRefused(f"nothing can be noted in {folder}, to go on from: {error.strerror}") from error
        return journal

    def memory_path(self, key: str) -> Path:
        """Return where it is kept how a large file goes on, whichever command uploads it."""
        return self.path.with_name(f"{key}.part")

    def request_key(self, key: str, before: str | None) -> str:
        """Return what makes a request for a file the same one when it is repeated, by this run and no other."""
        return digest(self.run, key, before)

    def note(self, key: str, file_id: str) -> None:
        """Write down that a file came; where that cannot be, the request is known to the server when it is repeated."""
        self.done[key] = file_id
        with suppress(OSError):
            self._write({"key": key, "file": file_id})

    def close(self, *, is_over: bool) -> None:
        """Keep it for the next attempt, or forget it once there is nothing to go on with."""
        if is_over:
            self.path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _take_up(self) -> None:
        with self.path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                self._read(line)
        if not self.run:
            os.ftruncate(self._descriptor, 0)
            self.done = {}
            self.run = secrets.token_hex(16)
            self._write({"run": self.run})
            os.fsync(self._descriptor)

    def _read(self, line: str) -> None:
        try:
            said = json.loads(line[:LONGEST_LINE])
        except ValueError:
            return  # the last one, cut off
        if isinstance(said, dict) and isinstance(said.get("run"), str):
            self.run = said["run"]
        elif isinstance(said, dict) and isinstance(said.get("key"), str):
            self.done[said["key"]] = str(said.get("file"))

    def _write(self, said: Mapping[str, Any]) -> None:
        os.write(self._descriptor, f"{json.dumps(said)}\n".encode())


def key_of(url: str, wishes: Wishes, item: Item) -> str:
    """Return what tells one upload from others: to which server, of which file as it is now, with which wishes."""
    where = os.path.abspath(item.path)  # noqa: PTH100 - as above
    return digest(url, where, item.size_bytes, item.modified_ns, wishes.facts())
