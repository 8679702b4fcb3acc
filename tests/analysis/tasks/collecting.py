"""Running tasks in this process, with an emitter that keeps what it gets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any
from uuid import UUID

from PIL import Image

from media_analysis.analysis.kinds import BUILT_IN
from media_analysis.analysis.task import Product, Source
from media_analysis.errors.media import MediaLimitPassed
from media_analysis.media.options import Limits
from media_analysis.media.sheets.layout import SheetLayout
from media_analysis.media.types.sniff import HEAD_BYTES
from tests.media.sniffing import sniff


@dataclass
class Collected:
    """Everything a task emitted, in order."""

    max_product_bytes: int
    products: list[tuple[Product, bytes]] = field(default_factory=list)
    results: list[tuple[str, dict[str, Any], int | None]] = field(default_factory=list)
    warnings: list[tuple[str, str]] = field(default_factory=list)
    steps: list[tuple[float, str, int | None, int | None]] = field(default_factory=list)

    def progress(self, share: float, stage: str, *, done: int | None = None, total: int | None = None) -> None:
        self.steps.append((share, stage, done, total))

    def product(self, product: Product, content: bytes) -> None:
        found = len(content) + sum(len(bytes_) for _, bytes_ in self.products)
        if found > self.max_product_bytes:
            raise MediaLimitPassed("bytes_of_products", found=found, allowed=self.max_product_bytes)
        self.products.append((product, content))

    def result(self, kind: str, document: Mapping[str, Any], *, source: int | None = None) -> None:
        self.results.append((kind, json.loads(json.dumps(document, allow_nan=False)), source))

    def warn(self, code: str, detail: str) -> None:
        self.warnings.append((code, detail))

    def of_role(self, role: str) -> list[tuple[Product, bytes]]:
        return [(product, content) for product, content in self.products if product.role == role]

    def pictures(self, role: str) -> list[Image.Image]:
        return [Image.open(BytesIO(content)) for _, content in self.of_role(role)]

    def documents(self, kind: str) -> list[dict[str, Any]]:
        return [document for name, document, _ in self.results if name == kind]

    @property
    def stages(self) -> list[str]:
        return list(dict.fromkeys(stage for _, stage, _, _ in self.steps))


def sources_of(*paths: Path, names: Sequence[str] = ()) -> list[Source]:
    return [
        Source(
            position=position,
            file_id=UUID(int=position),
            path=path,
            filename=names[position] if names else path.name,
            media_type=sniff(path.read_bytes()[:HEAD_BYTES], declared=None),
            size_bytes=path.stat().st_size,
        )
        for position, path in enumerate(paths)
    ]


def run(kind: str, *paths: Path, names: Sequence[str] = (), limits: Limits | None = None, **asked: Any) -> Collected:
    """Run a built-in task on files, with parameters as a client would send them."""
    limits = limits or Limits()
    collected = Collected(limits.max_product_bytes)
    BUILT_IN[kind].task(
        sources_of(*paths, names=names), BUILT_IN[kind].parameters.model_validate(asked), limits, collected
    )
    return collected


def cells(sheet: Image.Image, document: Mapping[str, Any], *, header: bool = True) -> list[Image.Image]:
    """Cut a contact sheet into its pictures, as its document says where they are."""
    layout = SheetLayout(
        columns=document["columns"],
        rows=document["rows"],
        cell_width=document["thumbnail_width"],
        cell_height=document["thumbnail_height"],
        header=header,
    )
    top = sheet.height - layout.margin - layout.grid_height
    return [sheet.crop(layout.cell(index, top=top).corners) for index in range(len(document["pictures"]))]
