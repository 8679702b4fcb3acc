"""What is said of an upload, and what remembers where it goes on."""

import base64
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Protocol
from uuid import UUID

from media_analysis.client.requests import Expiry, Labels, pairs, seconds_of, written


class Memory(Protocol):
    """Remembers where the upload of one file goes on, so that another program can go on with it."""

    def recall(self) -> str | None:
        """Return the id of the upload that was begun, None if there is none."""

    def note(self, upload_id: str | None) -> None:
        """Keep the id of the upload that was begun; None: there is nothing to go on with any more."""


@dataclass(frozen=True, slots=True)
class MemoryFile:
    """A memory that is a small file; it lasts no longer than its upload."""

    path: Path

    def recall(self) -> str | None:
        try:
            return self.path.read_text().strip() or None
        except FileNotFoundError:
            return None

    def note(self, upload_id: str | None) -> None:
        if upload_id is None:
            self.path.unlink(missing_ok=True)
            return
        part = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        part.write_text(f"{upload_id}\n")
        part.replace(self.path)


@dataclass(frozen=True, slots=True)
class NoMemory:
    """Remembers nothing."""

    def recall(self) -> str | None:
        return None

    def note(self, upload_id: str | None) -> None:
        """Forget it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What is said of a file that is uploaded."""

    filename: str
    category: str = "uploads"
    ttl: timedelta | None = None
    expires_at: Expiry | None = None
    labels: Labels = field(default_factory=dict)
    job_id: UUID | str | None = None
    parent_id: UUID | str | None = None

    def facts(self) -> Mapping[str, str]:
        """Return all but the labels, by the names that queries and metadata share."""
        return dict(
            pairs(
                category=self.category,
                filename=self.filename,
                ttl_seconds=seconds_of(self.ttl),
                expires_at=None if self.expires_at is None else written(self.expires_at),
                job_id=None if self.job_id is None else str(self.job_id),
                parent_id=None if self.parent_id is None else str(self.parent_id),
            )
        )

    def query(self) -> tuple[tuple[str, str], ...]:
        """Return it as the query of an upload in one request."""
        return (*self.facts().items(), *(("label", f"{key}:{value}") for key, value in self.labels.items()))

    def metadata(self) -> str:
        """Return it as the `Upload-Metadata` of one in pieces."""
        told = {**self.facts(), **({"labels": json.dumps(dict(self.labels))} if self.labels else {})}
        return ",".join(f"{name} {base64.b64encode(value.encode()).decode()}" for name, value in told.items())
