"""The child: reads one assignment, confines itself, runs the task and says how it ended.

Its order comes on standard input; the zygote, which forks it, gives it the descriptor for what it says.
"""

import errno
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import IO, Any, Final

from pydantic import ValidationError

from media_analysis.analysis.child.confinement import (
    Confinement,
    confine,
    die_with,
    is_short_of_memory,
    open_reserve,
)
from media_analysis.analysis.child.outputs import (
    checked_product,
    checked_progress,
    checked_result,
    checked_warning,
    encoded,
    printable,
)
from media_analysis.analysis.child.protocol import Assignment, ProgressMade, ResultMade, WarningGiven, frame
from media_analysis.analysis.kinds import find_kind
from media_analysis.analysis.task import Product
from media_analysis.errors.analysis import AnalysisCrashed, AnalysisMemoryPassed, OutputRefused, TaskFailed
from media_analysis.errors.kinds import MediaAnalysisError
from media_analysis.errors.media import CorruptMedia, MediaLimitPassed

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


def main(descriptor: int) -> None:
    """Run the task assigned on standard input, writing messages to a descriptor, and end the process."""
    order = json.load(sys.stdin)
    assignment = Assignment.of(order["assignment"])
    missing = confine(Confinement(**order["confinement"]), readable=[source.path for source in assignment.sources])
    die_with(order["parent"])  # the kernel forgets it with a change of the user
    with os.fdopen(descriptor, "wb") as pipe:
        emitter = PipeEmitter(pipe, len(assignment.sources), assignment.limits.max_product_bytes)
        emitter.begin(missing)
        emitter.end(**_failure_of(assignment, emitter))
    sys.stdout.flush()
    sys.stderr.flush()
    # Interpreter and codecs would tidy up for longer than a short task takes.
    os._exit(0)


def _failure_of(assignment: Assignment, emitter: PipeEmitter) -> dict[str, Any]:
    """Run the task and return how it failed, or nothing."""
    try:
        _run(assignment, emitter)
    except CorruptMedia as error:
        return _broken(MemoryError()) if is_short_of_memory() else _said(error)
    except MediaAnalysisError as error:
        return _said(error)
    except BaseException as error:  # noqa: BLE001 - whatever a task raises ends the task, and is told
        return _broken(error)
    return {}


def _run(assignment: Assignment, emitter: PipeEmitter) -> None:
    kind = find_kind(assignment.kind)
    try:
        options = kind.parameters.model_validate(assignment.parameters)
    except ValidationError as error:
        raise TaskFailed("invalid_parameters", str(error)) from None
    kind.task(assignment.sources, options, assignment.limits, emitter)


def _said(error: MediaAnalysisError) -> dict[str, Any]:
    detail = error.args[0] if error.args else ""
    facts = {name: fact for name, fact in error.facts().items() if isinstance(fact, str | int | float)}
    return {"code": error.code, "detail": printable(str(detail)), "facts": facts}


def _broken(error: BaseException) -> dict[str, Any]:
    refused = isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
    if refused or is_short_of_memory():
        return _said(AnalysisMemoryPassed(limit_bytes=open_reserve()))
    traceback.print_exception(error)
    return {"code": AnalysisCrashed.code, "detail": type(error).__name__}
