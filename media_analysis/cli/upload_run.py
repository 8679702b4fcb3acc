"""The uploads of one command: several at a time, each told of, and all of them accounted for at the end."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer

from media_analysis.cli.console import report, run
from media_analysis.cli.exits import FAILED, INTERRUPTED, NO_ANSWER, NO_ROOM, NOT_SIGNED_IN
from media_analysis.cli.remote import asynchronous_client, exit_code_of, sentence_of
from media_analysis.cli.transfers import Counter, Outcome, OutcomePrinter, showing
from media_analysis.cli.upload_items import reason_of
from media_analysis.cli.upload_journal import Journal, key_of
from media_analysis.client.errors import ClientError, Gone, NotFound
from media_analysis.client.wishes import MemoryFile

if TYPE_CHECKING:
    from media_analysis.cli.remote import Server
    from media_analysis.cli.upload_items import FoundItems, Item, Wishes
    from media_analysis.client import AsyncClient, File

CHECKED_AT_ONCE: Final = 1_000
ENDING: Final = frozenset({NO_ANSWER, NO_ROOM, NOT_SIGNED_IN})
"""What the next file would meet, too: the others are left for another time."""


@dataclass(frozen=True, slots=True)
class UploadRun:
    """What one command is to do."""

    server: Server
    wishes: Wishes
    found: FoundItems
    jobs: int
    skips_known: bool
    as_json: bool
    paths: tuple[Path, ...]


def run_uploads(asked: UploadRun) -> int:
    """Upload all of it and return the exit code; whatever ends it, what is left is said."""
    printer = OutcomePrinter(as_json=asked.as_json)
    for left_out in asked.found.refused:
        printer.tell(Outcome(left_out.path, "failed", reason=left_out.reason))
    if not asked.found.items:
        return FAILED
    with _journal(asked) as uploads:
        uploads.printer = printer
        try:
            run(uploads.work())
        except KeyboardInterrupt:
            uploads.code = INTERRUPTED
        except typer.Exit as end:  # by SIGTERM
            uploads.code = end.exit_code
        _sum_up(asked, uploads, printer)
        return uploads.code or (FAILED if printer.failed else 0)


@contextmanager
def _journal(asked: UploadRun) -> Iterator[Uploads]:
    journal = Journal.open(asked.server.url, asked.wishes, asked.paths)
    uploads = Uploads(asked, journal, OutcomePrinter(as_json=asked.as_json))
    try:
        yield uploads
    finally:
        journal.close(is_over=uploads.is_over)


@dataclass
class Uploads:
    """The uploads of one command under way."""

    asked: UploadRun
    journal: Journal
    printer: OutcomePrinter
    counter: Counter = field(init=False)
    code: int = 0
    """Why it stopped before its end, if it did."""
    settled: int = 0
    """How many have come, were there or failed."""

    def __post_init__(self) -> None:
        self.counter = Counter(len(self.asked.found.items), self.asked.found.size_bytes)

    @property
    def is_over(self) -> bool:
        """Whether there is nothing to go on with."""
        return not self.code and self.settled == len(self.asked.found.items) and not self.printer.failed

    async def work(self) -> None:
        """Upload one file after the other, several at a time."""
        waiting = self._batches()
        async with asynchronous_client(self.asked.server) as client, showing(self.counter, "uploading"):
            for batch in waiting:
                left = await self._without_known(client, batch) if self.asked.skips_known else batch
                queue = iter(left)
                async with asyncio.TaskGroup() as group:
                    for _ in range(self.asked.jobs):
                        group.create_task(self._take(client, queue))
                if self.code:
                    return

    def _batches(self) -> Iterator[Sequence[Item]]:
        """Yield what is to be uploaded: all of it, or as much as one question about known contents takes."""
        items = self.asked.found.items
        size = CHECKED_AT_ONCE if self.asked.skips_known else max(len(items), 1)
        for start in range(0, len(items), size):
            yield items[start : start + size]

    async def _take(self, client: AsyncClient, queue: Iterator[Item]) -> None:
        for item in queue:
            if self.code:
                return
            await self._upload(client, item)

    async def _upload(self, client: AsyncClient, item: Item) -> None:
        key = self._key(item)
        before = self.journal.done.get(key)
        try:
            if before is not None and await _is_stored(client, before):
                self._settle(item, Outcome(item.path, "before", file_id=before))
                return
            file = await self._send(client, item, key, before)
        except ClientError as error:
            self._fail(item, error)
        except OSError as error:
            self._settle(item, Outcome(item.path, "failed", reason=reason_of(error)))
        else:
            self.journal.note(key, str(file.id))
            self._settle(item, Outcome(item.path, "stored", file_id=str(file.id), document=file.document))

    async def _send(self, client: AsyncClient, item: Item, key: str, before: str | None) -> File:
        wishes = self.asked.wishes
        return await client.upload(
            Path(item.path),
            category=wishes.category,
            labels=wishes.labels,
            ttl=wishes.ttl,
            memory=MemoryFile(self.journal.memory_path(key)),
            # The same request would be answered with the file that has gone meanwhile.
            idempotency_key=self.journal.request_key(key, before),
            told=lambda done_bytes: self.counter.tell(item.path, done_bytes),
        )

    def _fail(self, item: Item, error: ClientError) -> None:
        code = exit_code_of(error)
        sentence = sentence_of(error, self.asked.server.url)
        if code in ENDING:
            if not self.code:
                report(sentence)
            self.code = self.code or code
            return
        self._settle(item, Outcome(item.path, "failed", reason=sentence, problem=error))

    async def _without_known(self, client: AsyncClient, batch: Sequence[Item]) -> Sequence[Item]:
        """Return those of which no file has the bytes yet; what cannot be read is left for the upload to tell."""
        hashes = [await asyncio.to_thread(_sha256, item.path) for item in batch]
        asked = [(item, sha256) for item, sha256 in zip(batch, hashes, strict=True) if sha256 is not None]
        try:
            found = await client.check((sha256, item.size_bytes) for item, sha256 in asked)
        except ClientError as error:
            report(sentence_of(error, self.asked.server.url))
            self.code = exit_code_of(error)
            return ()
        known = {item: one.file_id for (item, _), one in zip(asked, found, strict=True) if one.file_id is not None}
        for item, file_id in known.items():
            self._settle(item, Outcome(item.path, "known", file_id=str(file_id)))
        return [item for item in batch if item not in known]

    def _settle(self, item: Item, outcome: Outcome) -> None:
        self.settled += 1
        self.counter.settle(item.path, item.size_bytes)
        self.printer.tell(outcome)

    def _key(self, item: Item) -> str:
        return key_of(self.asked.server.url, self.asked.wishes, item)


def _sum_up(asked: UploadRun, uploads: Uploads, printer: OutcomePrinter) -> None:
    left = len(asked.found.items) - uploads.settled
    report(printer.sentence("stored"))
    if left:
        report(f"{left:,} are left; the same command goes on there, within 24 hours")


async def _is_stored(client: AsyncClient, file_id: str) -> bool:
    """Say whether what came once is there still."""
    try:
        return (await client.file(file_id)).state == "stored"
    except (NotFound, Gone):
        return False


def _sha256(path: str) -> str | None:
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None
