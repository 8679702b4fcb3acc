"""Deletes names in bulk: a few of them here, many in processes of their own.

In a thread, every unlink lets go of the interpreter lock and then waits for the event loop to give it back, so a
sweep deletes no faster than Python decodes its rows. A process has no such lock to share (docs/decisions/0006).
"""

import errno
import json
import os
import queue
import select
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from threading import BoundedSemaphore
from typing import Final

import media_analysis
from media_analysis.failpoints import failpoint
from media_analysis.storage.directories import unlink_empty_directories

FEW: Final = 64
"""Up to so many keys, asking a process costs more than it saves."""
PROCESSES: Final = 4
IDLE_SECONDS: Final = 60
_ABSENT: Final = (errno.ENOENT, errno.ENAMETOOLONG)
"""That nothing has a name: a store in a bucket, whose replica or successor this is, has longer ones."""
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW
_CODE: Final = (
    "import sys; sys.path.insert(0, sys.argv[1]); from media_analysis.storage.unlinking import serve; serve()"
)


@dataclass
class Unlinked:
    """What became of some keys: whether any was absent already, and which could not go, with the errno's name."""

    absent: bool = False
    failed: dict[str, str] = field(default_factory=dict)


def unlink_all(root: Path, keys: Iterable[str]) -> Unlinked:
    """Unlink objects and make that durable, one folder after another; folders that are empty then go too.

    The category's own folder stays.
    """
    outcome = Unlinked()
    for directory, names in _by_directory(keys).items():
        _unlink_in(partial(os.open, root / directory, _FOLDER), names, directory, outcome)
        unlink_empty_directories(root / directory, below=root / directory.partition("/")[0])
    return outcome


def unlink_beneath(root: Path, names: Iterable[str]) -> Unlinked:
    """Unlink names durably, through no link anywhere below `root`; the folders stay."""
    outcome = Unlinked()
    for directory, found in _by_directory(names).items():
        _unlink_in(partial(open_folder_beneath, root, directory), found, directory, outcome)
    return outcome


def open_folder_beneath(root: Path, directory: str) -> int:
    """Return a descriptor of a folder that is reached without following a link; raise `OSError` otherwise."""
    folder = os.open(root, _FOLDER)
    for name in directory.split("/"):
        try:
            inner = os.open(name, _FOLDER, dir_fd=folder)
        finally:
            os.close(folder)
        folder = inner
    return folder


def errno_name(error: OSError) -> str:
    """Return what the kernel calls an error, such as `EROFS`; it carries no path."""
    return errno.errorcode.get(error.errno or 0, "EIO")


def _by_directory(keys: Iterable[str]) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for key in keys:
        directory, _, name = key.rpartition("/")
        names.setdefault(directory, []).append(name)
    return names


def _key(directory: str, name: str) -> str:
    return f"{directory}/{name}" if directory else name


def _unlink_in(opened: Callable[[], int], names: Sequence[str], directory: str, outcome: Unlinked) -> None:
    try:
        folder = opened()
    except OSError as error:
        if error.errno in _ABSENT:
            outcome.absent = True
            return
        outcome.failed.update({_key(directory, name): errno_name(error) for name in names})
        return
    try:
        for name in names:
            try:
                os.unlink(name, dir_fd=folder)
            except OSError as error:
                if error.errno in _ABSENT:
                    outcome.absent = True
                else:
                    outcome.failed[_key(directory, name)] = errno_name(error)
        failpoint("delete.unlinked")
        os.fsync(folder)
    except OSError as error:
        # Unlinked but not durably so: all of them stay in the outbox and are tried again.
        outcome.failed.update({_key(directory, name): errno_name(error) for name in names})
    finally:
        os.close(folder)


def serve() -> None:
    """Answer requests on standard input, a JSON line each, until it ends or nobody asks for a while."""
    while select.select([sys.stdin], [], [], IDLE_SECONDS)[0] and (line := sys.stdin.readline()):
        root, keys = json.loads(line)
        outcome = unlink_all(Path(root), keys)
        sys.stdout.write(json.dumps([outcome.absent, outcome.failed]) + "\n")
        sys.stdout.flush()


class Unlinker:
    """A process that unlinks; it ends by itself when this one does, after the batch it is at."""

    def __init__(self) -> None:
        place = str(Path(media_analysis.__file__).parents[1])
        self._process = subprocess.Popen(  # noqa: S603 - our own interpreter and code
            [sys.executable, "-I", "-S", "-c", _CODE, place],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={},
            start_new_session=True,
        )

    def is_alive(self) -> bool:
        return self._process.poll() is None

    def unlink_all(self, root: Path, keys: Sequence[str]) -> Unlinked:
        """Have the keys unlinked; raise OSError or ValueError when the process fails."""
        requests, answers = self._process.stdin, self._process.stdout
        if requests is None or answers is None:
            raise BrokenPipeError
        requests.write(json.dumps([str(root), keys]) + "\n")
        requests.flush()
        absent, failed = json.loads(answers.readline())
        return Unlinked(absent, failed)

    def close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what was still to be written to a process that died
                    pipe.close()
        self._process.wait()


class Unlinkers:
    """A few processes that unlink, started when there is much to do; called from threads."""

    def __init__(self) -> None:
        self._idle: queue.LifoQueue[Unlinker] = queue.LifoQueue()
        self._free = BoundedSemaphore(PROCESSES)

    def unlink_all(self, root: Path, keys: Sequence[str]) -> Unlinked:
        """Unlink objects wherever that is fastest."""
        if len(keys) <= FEW:
            return unlink_all(root, keys)
        try:
            with self._borrowed() as process:
                return process.unlink_all(root, keys)
        except (OSError, ValueError):
            # The process could not start, or died at this batch. What it unlinked is merely absent now.
            return unlink_all(root, keys)

    def close(self) -> None:
        """End the processes."""
        while not self._idle.empty():
            self._idle.get().close()

    @contextmanager
    def _borrowed(self) -> Iterator[Unlinker]:
        with self._free:
            process = self._take()
            try:
                yield process
            except BaseException:
                process.close()
                raise
            self._idle.put(process)

    def _take(self) -> Unlinker:
        while True:
            try:
                process = self._idle.get_nowait()
            except queue.Empty:
                return Unlinker()
            if process.is_alive():
                return process
            process.close()
