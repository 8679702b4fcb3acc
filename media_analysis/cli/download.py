"""`media-analysis download`: files of a server to this machine."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from uuid import UUID

import typer

from media_analysis.cli.console import report, run
from media_analysis.cli.exits import FAILED, INTERRUPTED, CommandRefused
from media_analysis.cli.grammar import IdPart, parse_id
from media_analysis.cli.ls import OfCategory, OfLabels, filters
from media_analysis.cli.remote import asynchronous_client, exit_code_of, open_client, require_server, sentence_of
from media_analysis.cli.remote_ids import remote_file_id

if TYPE_CHECKING:
    from media_analysis.cli.remote import Server
    from media_analysis.cli.transfers import Counter, OutcomePrinter
    from media_analysis.client import AsyncClient, File


def download(
    files: Annotated[
        list[IdPart] | None,
        typer.Argument(metavar="[ID]...", help="Files: their ids, or the ends of them", parser=parse_id),
    ] = None,
    *,
    category: OfCategory = None,
    label: OfLabels = None,
    output: Annotated[Path, typer.Option("--output", "-o", help="A folder, or what one file is to be called")] = Path(),
    force: Annotated[bool, typer.Option("--force", help="Replace what is there")] = False,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="How many at the same time")] = 4,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each file")] = False,
) -> None:
    """Download files under safe forms of their names, each proven by its digest before it gets its name.

    What broke off goes on at the next call, and what is there already is not fetched again. Nothing is ever written
    outside of the folder.
    """
    is_filtered = category is not None or bool(label)
    if is_filtered == bool(files):
        raise CommandRefused("name files by their ids, or by --category and --label; one of the two", 2)
    server = require_server()
    with open_client(server) as client:
        if files:
            ids = dict.fromkeys(remote_file_id(client, part) for part in files)
            chosen = [client.file(file_id) for file_id in ids]
        else:
            chosen = [file for file in client.files(**filters(category, label, None, None)) if file.state == "stored"]
    if not output.is_dir() and len(chosen) != 1:
        raise CommandRefused(f"{output} is no folder, and {len(chosen):,} files are to go there")
    raise typer.Exit(_run(server, chosen, output, force=force, jobs=jobs, as_json=as_json))


def _run(server: Server, chosen: list[File], output: Path, *, force: bool, jobs: int, as_json: bool) -> int:
    from media_analysis.cli.transfers import Counter, OutcomePrinter

    printer = OutcomePrinter(as_json=as_json)
    counter = Counter(len(chosen), sum(file.size_bytes or 0 for file in chosen))
    downloads = Downloads(server, output, counter, printer, overwrites=force)
    code = 0
    try:
        run(downloads.work(chosen, jobs))
    except KeyboardInterrupt:
        code = INTERRUPTED
    except typer.Exit as end:  # by SIGTERM
        code = end.exit_code
    report(printer.sentence("written"))
    left = len(chosen) - sum(printer.told.values())
    if left:
        report(f"{left:,} are left; the same command goes on there")
    return code or (downloads.code if len(chosen) == 1 else FAILED if printer.failed else 0)


@dataclass
class Downloads:
    """The downloads of one command under way."""

    server: Server
    output: Path
    counter: Counter
    printer: OutcomePrinter
    overwrites: bool
    code: int = 0
    _names: set[Path] = field(default_factory=set)

    async def work(self, chosen: list[File], jobs: int) -> None:
        """Download one after the other, several at a time."""
        from media_analysis.cli.transfers import showing

        queue = iter(chosen)
        async with (
            asynchronous_client(self.server) as client,
            showing(self.counter, "downloading"),
            asyncio.TaskGroup() as group,
        ):
            for _ in range(min(jobs, len(chosen))):
                group.create_task(self._take(client, queue))

    async def _take(self, client: AsyncClient, queue: Iterator[File]) -> None:
        for file in queue:
            await self._download(client, file)

    async def _download(self, client: AsyncClient, file: File) -> None:
        from media_analysis.cli.transfers import Outcome
        from media_analysis.client.errors import ClientError

        name = str(file.id)
        try:
            target = self._target(file)
            path = await client.download(
                file.id, target, overwrite=self.overwrites, told=lambda done: self.counter.tell(name, done)
            )
        except (ClientError, OSError) as error:
            self.code = exit_code_of(error)
            reason = sentence_of(error, self.server.url)
            outcome = Outcome(file.filename, "failed", file_id=name, reason=reason, problem=error)
        else:
            outcome = Outcome(str(path), "written", file_id=name, document=file.document)
        self.counter.settle(name, file.size_bytes or 0)
        self.printer.tell(outcome)

    def _target(self, file: File) -> Path:
        """Return where a file goes; of several of one name the later ones get the end of their id besides."""
        from media_analysis.client.downloading import safe_name

        if not self.output.is_dir():
            return self.output
        target = self.output / safe_name(file.filename, file.id)
        if target in self._names:
            target = self.output / safe_name(f"{_short(file.id)}-{file.filename}", file.id)
        self._names.add(target)
        return target


def _short(file_id: UUID) -> str:
    return file_id.hex[-12:]
