"""The child: reads one assignment, confines itself, runs the task and says how it ended.

Its order comes on standard input; the zygote, which forks it, gives it the descriptor for what it says.
"""

import errno
import json
import os
import sys
import traceback
from typing import Any

from pydantic import ValidationError

from media_analysis.analysis.child.confinement import (
    Confinement,
    confine,
    die_with,
    is_short_of_memory,
    open_reserve,
)
from media_analysis.analysis.child.emitter import PipeEmitter
from media_analysis.analysis.child.outputs import printable
from media_analysis.analysis.child.protocol import Assignment
from media_analysis.analysis.kinds import find_kind
from media_analysis.errors.analysis import AnalysisCrashed, AnalysisMemoryPassed, TaskFailed
from media_analysis.errors.kinds import MediaAnalysisError
from media_analysis.errors.media import CorruptMedia


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
