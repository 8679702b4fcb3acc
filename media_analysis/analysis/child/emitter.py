"""The child's end: takes what a task makes and writes it to the parent, message by message."""

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Final

from media_analysis.analysis.child.outputs import (
    checked_product,
    checked_progress,
    checked_result,
    checked_warning,
    encoded,
)
from media_analysis.analysis.child.protocol import ProgressMade, ResultMade, WarningGiven, frame
from media_analysis.analysis.task import Product
from media_analysis.errors.analysis import OutputRefused
from media_analysis.errors.media import MediaLimitPassed

PROGRESS_SECONDS: Final = 0.25
MAX_RESULTS: Final = 1_000
MAX_WARNINGS: Final = 100


@dataclass
class PipeEmitter:
    """An `Emitter` whose calls block while the parent is busy; any thread of the task may call it."""

    pipe: IO[bytes]
    sources: int
    max_product_bytes: int
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _unsaid: ProgressMade | None = None
    _said_at: float = float("-inf")
    _product_bytes: int = 0
    _results: int = 0
    _warned: set[tuple[str, str]] = field(default_factory=set)

    def progress(self, share: float, stage: str, *, done: int | None = None, total: int | None = None) -> None:
        self._unsaid = ProgressMade(share=share, stage=stage, done=done, total=total)
        if time.monotonic() - self._said_at >= PROGRESS_SECONDS:
            self._say_progress()

    def product(self, product: Product, content: bytes) -> None:
        checked_product(product, size_bytes=len(content), sources=self.sources)
        self._product_bytes += len(content)
        if self._product_bytes > self.max_product_bytes:
            raise MediaLimitPassed("bytes_of_products", found=self._product_bytes, allowed=self.max_product_bytes)
        self._write({"type": "product", "product": asdict(product)}, content)

    def result(self, kind: str, document: Mapping[str, Any], *, source: int | None = None) -> None:
        result = checked_result(ResultMade(kind=kind, document=dict(document), source=source), sources=self.sources)
        self._results += 1
        if self._results > MAX_RESULTS:
            raise OutputRefused(f"a job has at most {MAX_RESULTS:,} results")
        self._write({"type": "result", "kind": result.kind, "source": source}, encoded(result.document))

    def warn(self, code: str, detail: str) -> None:
        warning = checked_warning(WarningGiven(code=code, detail=detail))
        said = (warning.code, warning.detail)
        if said in self._warned or len(self._warned) >= MAX_WARNINGS:
            return  # a file with a million broken packets is told about as well by the first hundred
        self._warned.add(said)
        self._write({"type": "warning", **asdict(warning)})

    def begin(self, missing: Sequence[str]) -> None:
        """Say that the walls stand, and which ones this kernel does not have."""
        self._write({"type": "confined", "missing": list(missing)})

    def end(self, **failure: object) -> None:
        """Say that the task returned, or how it failed; nothing may follow."""
        self._say_progress()
        self._write({"type": "failed", **failure} if failure else {"type": "ended"})

    def _say_progress(self) -> None:
        if self._unsaid is not None:
            self._write({"type": "progress", **asdict(checked_progress(self._unsaid))})
            self._unsaid, self._said_at = None, time.monotonic()

    def _write(self, header: Mapping[str, Any], payload: bytes = b"") -> None:
        with self._lock:
            self.pipe.write(frame(header, payload))
            self.pipe.write(payload)
            self.pipe.flush()
