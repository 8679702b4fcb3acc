"""What a task is: it reads sources and tells an emitter what it finds; it knows neither database nor network."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import UUID

from media_analysis.media.options import Limits, Options
from media_analysis.storage.category import Category


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One file to analyse; `position` is its place among the job's sources, from 0."""

    position: int
    file_id: UUID
    path: Path
    filename: str
    media_type: str
    size_bytes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Product:
    """What is said of a derived file beside its bytes; (role, ordinal) is unique within a job."""

    role: str
    """`frame`, `contact_sheet`, or whatever a plugin calls it: 1 to 40 of `a-z0-9_`."""
    ordinal: int
    """From 0, in time order."""
    category: Category
    filename: str
    media_type: str
    source: int | None = None
    """Position of the source it was derived from."""
    instant_seconds: float | None = None
    """Where in its source it was taken."""
    refers: bool = False
    """Whether a `reference` in its content stands for the id of another product, handed over before it."""


def reference(role: str, ordinal: int) -> str:
    """Return what stands for the id of a product in the content of another one that `refers`."""
    return f"{{{role}/{ordinal}}}"


class Emitter(Protocol):
    """Where a task puts what it makes; every call may block until somebody took it."""

    def progress(self, share: float, stage: str, *, done: int | None = None, total: int | None = None) -> None:
        """Say how far the whole task is: `share` from 0 to 1, and what it is at; cheap to call often."""
        ...

    def product(self, product: Product, content: bytes) -> None:
        """Hand over a derived file.

        Raises:
            MediaLimitPassed: the job's products are more bytes than it may make.

        """
        ...

    def result(self, kind: str, document: Mapping[str, Any], *, source: int | None = None) -> None:
        """Hand over a JSON document; numbers are finite."""
        ...

    def warn(self, code: str, detail: str) -> None:
        """Say what a reader of the outcome should know, such as that a file is truncated."""
        ...


Task = Callable[[Sequence[Source], Options, Limits, Emitter], None]
"""Runs in a process of its own; raises a `MediaAnalysisError` for what will not pass by trying again."""
