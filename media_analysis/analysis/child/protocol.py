"""What parent and child say to each other: one assignment in, a stream of framed messages out."""

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from media_analysis.analysis.task import Product, Source
from media_analysis.media.options import Limits

HEAD: Final = struct.Struct("!II")
"""Of every frame: bytes of its header, a JSON object, and of the payload behind it."""
MAX_HEADER_BYTES: Final = 65_536
MAX_PRODUCT_BYTES: Final = 512 * 2**20
MAX_DOCUMENT_BYTES: Final = 4 * 2**20


@dataclass(frozen=True, kw_only=True, slots=True)
class Assignment:
    """A task to run: `parameters` is JSON, which the child validates as its kind wants it."""

    kind: str
    sources: Sequence[Source]
    parameters: Mapping[str, Any]
    limits: Limits = field(default_factory=Limits)

    def document(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "kind": self.kind,
            "sources": [
                {**asdict(source), "file_id": str(source.file_id), "path": str(source.path)} for source in self.sources
            ],
            "parameters": dict(self.parameters),
            "limits": self.limits.model_dump(),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Assignment":
        """Return the assignment that `document` is the JSON of."""
        sources = [
            Source(**{**source, "file_id": UUID(source["file_id"]), "path": Path(source["path"])})
            for source in document["sources"]
        ]
        limits = Limits.model_validate(document["limits"])
        return cls(kind=document["kind"], sources=sources, parameters=document["parameters"], limits=limits)


@dataclass(frozen=True, kw_only=True, slots=True)
class ProgressMade:
    """How far the whole task is, from 0 to 1, and what it is at."""

    share: float
    stage: str
    done: int | None = None
    total: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class ProductMade:
    """A derived file."""

    product: Product
    content: bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class ResultMade:
    """A JSON document: finite, bounded, and of characters that PostgreSQL takes."""

    kind: str
    document: dict[str, Any]
    source: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class WarningGiven:
    """What a reader of the outcome should know."""

    code: str
    detail: str


Message = ProgressMade | ProductMade | ResultMade | WarningGiven


def frame(header: Mapping[str, Any], payload: bytes = b"") -> bytes:
    """Return all of a frame that comes before its payload."""
    text = json.dumps(header).encode()
    return HEAD.pack(len(text), len(payload)) + text
