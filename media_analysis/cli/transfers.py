"""How transfers are told of: a line for each file, a bar in a terminal, a sentence now and then to anything else."""

from __future__ import annotations

import json
import os
import sys
import time
from collections import Counter as Tally
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from media_analysis.characters import escape_controls
from media_analysis.cli.console import err, report
from media_analysis.units import round_size

if TYPE_CHECKING:
    from rich.progress import Progress

LOOK_SECONDS: Final = 0.25
SENTENCE_SECONDS: Final = 15.0
WORDS: Final = {"before": "had come before", "known": "were there already", "failed": "failed"}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one file."""

    path: str
    status: str
    """`stored`, `before`, `known`, `written` or `failed`."""
    file_id: str | None = None
    reason: str | None = None
    problem: Exception | None = None
    document: Mapping[str, Any] | None = None

    def line(self) -> str:
        """Return it as a line of JSON."""
        said: dict[str, Any] = {"path": self.path, "status": self.status, "file_id": self.file_id}
        if self.document is not None:
            said["file"] = self.document
        if self.reason is not None:
            said["error"] = {"code": getattr(self.problem, "code", None), "detail": self.reason}
        return json.dumps(said)


@dataclass
class OutcomePrinter:
    """Prints what became of each file, on standard output, and why it failed on standard error."""

    as_json: bool
    told: Tally[str] = field(default_factory=Tally)

    @property
    def failed(self) -> int:
        """How many did."""
        return self.told["failed"]

    def tell(self, outcome: Outcome) -> None:
        """Print one."""
        self.told[outcome.status] += 1
        name = escape_controls(outcome.path)
        if outcome.reason is not None:
            report(f"{name}: {outcome.reason}")
        if self.as_json:
            print_line(outcome.line())
        elif outcome.reason is None:
            print_line(f"{outcome.file_id}  {name}")

    def sentence(self, done: str) -> str:
        """Return how many there were of each outcome."""
        counts = [f"{self.told[done]:,} {done}"]
        counts += [f"{self.told[status]:,} {words}" for status, words in WORDS.items() if self.told[status]]
        return ", ".join(counts)


@dataclass
class Counter:
    """How far all transfers together are; threads may tell it."""

    files: int
    size_bytes: int
    done_files: int = 0
    done_bytes: int = 0
    """Of those that have ended."""
    _under_way: dict[str, int] = field(default_factory=dict)

    def tell(self, name: str, done_bytes: int) -> None:
        """Note how far one is."""
        self._under_way[name] = done_bytes

    def settle(self, name: str, size_bytes: int) -> None:
        """Note that one has ended."""
        self._under_way.pop(name, None)
        self.done_files += 1
        self.done_bytes += size_bytes

    @property
    def so_far_bytes(self) -> int:
        """All that has gone."""
        return self.done_bytes + sum(list(self._under_way.values()))


@asynccontextmanager
async def showing(counter: Counter, title: str) -> AsyncIterator[None]:
    """Show how far it is while the block runs."""
    import asyncio

    showing_it = _bar(counter, title) if err.is_terminal else _sentences(counter)
    shown = asyncio.create_task(showing_it)
    try:
        yield
    finally:
        shown.cancel()
        await asyncio.wait([shown])


async def _bar(counter: Counter, title: str) -> None:
    import asyncio

    with _bytes_bar() as bar:
        task = bar.add_task(title, total=counter.size_bytes, files="")
        while True:
            files = f"{counter.done_files:,}/{counter.files:,}"
            bar.update(task, completed=counter.so_far_bytes, files=files)
            await asyncio.sleep(LOOK_SECONDS)


async def _sentences(counter: Counter) -> None:
    import asyncio

    began = time.monotonic()
    while True:
        await asyncio.sleep(SENTENCE_SECONDS)
        so_far, seconds = counter.so_far_bytes, time.monotonic() - began
        rate = so_far / seconds
        left = (counter.size_bytes - so_far) / rate if rate else 0
        report(
            f"{counter.done_files:,} of {counter.files:,} files, {round_size(so_far)} of "
            f"{round_size(counter.size_bytes)}, {round_size(int(rate))}/s, {left:,.0f} s left"
        )


def _bytes_bar() -> Progress:
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    amounts = (DownloadColumn(binary_units=True), TransferSpeedColumn(), TimeRemainingColumn())
    names = (TextColumn("{task.description}", markup=False), TextColumn("{task.fields[files]}"))
    return Progress(*names, BarColumn(), *amounts, console=err, transient=True, redirect_stdout=False)


def print_line(line: str) -> None:
    """Print a line at once, so that whoever reads the pipe knows what is done; in a terminal above the bar."""
    if err.is_terminal and sys.stdout.isatty():
        err.print(line, soft_wrap=True, markup=False, highlight=False)
        return
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:  # whoever read has left; what is under way is not given up for that
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
