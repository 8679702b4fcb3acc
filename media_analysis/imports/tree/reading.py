"""Files of a tree inside the store, looked at and read where they lie."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

from media_analysis.errors import SourceChanged
from media_analysis.imports.tree.candidates import Candidate, Skip
from media_analysis.imports.tree.copying import AT_ONCE
from media_analysis.storage.entries import Entry
from media_analysis.storage.sources import SourceFile
from media_analysis.storage.walk import look


def still_there(root: Path, candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """Return those that stand as the walk saw them."""
    now = look(root, [candidate.entry.name for candidate in candidates])
    return [candidate for candidate, entry in zip(candidates, now, strict=True) if candidate.entry == entry]


async def read_all(root: Path, candidates: Sequence[Candidate]) -> Sequence[Candidate | Skip]:
    """Return each with what its bytes say, or why it is not imported."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def read(candidate: Candidate) -> Candidate | Skip:
        async with turns:
            return await asyncio.to_thread(_read, root, candidate, candidate.entry)

    return await asyncio.gather(*(read(candidate) for candidate in candidates))


def _read(root: Path, candidate: Candidate, entry: Entry) -> Candidate | Skip:
    try:
        with SourceFile(root, entry) as source:
            return candidate.read_as(source.digest(), source)
    except (SourceChanged, FileNotFoundError):
        return Skip.CHANGED
    except OSError:
        return Skip.UNREADABLE
