"""Old archives on disk, and what is known of each before it is in the store."""

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from media_analysis.archive.format.compression import Compression
from media_analysis.archive.packing import open_archive
from media_analysis.imports.runs.facts import JobFacts
from media_analysis.imports.runs.finding import FoundArchive, Ground
from media_analysis.imports.runs.foreign import Listing
from media_analysis.imports.tree.candidates import Candidate, Naming
from media_analysis.storage.category import Category


@dataclass(frozen=True)
class OldArchive:
    """One archive on disk, as it was found."""

    ground: Ground
    found: FoundArchive

    @property
    def path(self) -> Path:
        return self.ground.root / self.found.entry.name

    def open(self) -> BinaryIO:
        """Open it for a thread; raises as `open_archive`."""
        return open_archive(self.path)

    @property
    def naming(self) -> Naming:
        """Return how it is named: in place by where it lies, else by its month, its size and its time alone."""
        if self.ground.in_place:
            return Naming(self.ground.root, Category.ARCHIVES, True, self.ground.prefix)
        return Naming(Path("archives"), Category.ARCHIVES, False)

    @property
    def candidate(self) -> Candidate:
        entry = self.found.entry
        if not self.ground.in_place:
            entry = replace(entry, name="/".join(entry.name.split("/")[-3:]))
        return self.naming.name(entry, attempt=0)

    def archived_at(self, now: datetime) -> datetime:
        return min(self.candidate.modified_at, now)


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What is known of an archive before it is in the store: a listing where it has to be packed anew."""

    old: OldArchive
    candidate: Candidate
    facts: JobFacts
    segment: int
    compression: Compression
    files: int
    size_bytes: int
    listing: Listing | None = None

    def name(self, again: int) -> str:
        """Return what it is called in the store; each further attempt has a name of its own."""
        base = self.facts.folder_name
        if self.listing is None and self.old.found.name.number:
            base += f".{self.old.found.name.number}"
        if again:
            base += f".again{again}"
        return f"{base}.{self.compression.suffix}"

    @property
    def needed_bytes(self) -> int:
        return self.old.found.entry.size_bytes if self.listing is None else self.listing.packed_bytes

    def close(self) -> None:
        if self.listing is not None:
            self.listing.close()
