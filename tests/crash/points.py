"""Where a scenario may be killed: found by playing it once, never listed."""

import ast
from collections import Counter
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path
from typing import Final

import pytest

from media_analysis.failpoints import failpoint
from tests.test_conventions import MODULES, tree_of

OWN: Final[Mapping[str, frozenset[str]]] = {
    "life": frozenset({"marker", "store", "upload", "small", "delete"}),
    "uploads": frozenset({"resumable"}),
    "links": frozenset({"link"}),
    "retention": frozenset({"hold", "restore", "plan", "evict", "match"}),
    "archive": frozenset({"archive", "unarchive"}),
    "jobs": frozenset({"job", "jobs", "external"}),
    "attempts": frozenset({"attempt", "product"}),
    "expiry": frozenset({"expiry"}),
    "policy": frozenset({"policy"}),
    "records": frozenset({"records"}),
    "quarantine": frozenset({"quarantine"}),
    "scrub": frozenset({"scrub"}),
    "webhooks": frozenset({"webhook"}),
    "automatic": frozenset({"analyses"}),
    "buckets": frozenset({"remote"}),
    "buckets, setting aside": frozenset({"aside"}),
    "moves": frozenset({"move", "copy"}),
    "replication": frozenset({"replica"}),
    "cluster": frozenset({"embedded"}),
    "import": frozenset({"import"}),
    "import in place": frozenset({"import_in_place"}),
    "import runs": frozenset({"import_runs"}),
    "import runs in place": frozenset({"import_runs_in_place"}),
}
"""The scenario in which each kind of failpoint, the word before its dot, must be reached, every one of them."""

EVERYTHING: Final = frozenset(kind for own in OWN.values() for kind in own)

EACH: Final = ["first", pytest.param("later", marks=pytest.mark.large)]
"""At which of its hits a point is killed at in one test: at the first, or at the second and the last."""


def kind_of(point: str) -> str:
    return point.partition(".")[0]


@cache
def marked() -> frozenset[str]:
    """Return all failpoints of the code."""
    return frozenset(
        ast.literal_eval(call.args[0])
        for module in MODULES
        if failpoint.__name__ in module.read_text()
        for call in ast.walk(tree_of(module))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == failpoint.__name__
    )


def find_moments(
    trace: Path, scenario: str | None, *, when: str = "first", kinds: Collection[str] | None = None
) -> list[str]:
    """Return where to kill, as `point:hit`, in the order in which the points of a scenario were reached.

    They are those of its own kinds, which all have to be there, or of `kinds`; None is a part of a scenario.
    """
    hits = Counter(line.rpartition(":")[0] for line in trace.read_text().splitlines())
    own = OWN[scenario] if scenario else frozenset[str]()
    missed = {point for point in marked() if kind_of(point) in own} - hits.keys()
    assert not missed, f"{scenario}: {sorted(missed)} are not reached"
    chosen = {point: most for point, most in hits.items() if kind_of(point) in (kinds or own)}
    assert chosen, f"{scenario}: nothing to kill at"
    match when:
        case "first":
            return [f"{point}:1" for point in chosen]
        case "last":
            return [f"{point}:{most}" for point, most in chosen.items()]
        case _:
            return [
                f"{point}:{hit}" for point, most in chosen.items() for hit in sorted({2, most} - {1}) if hit <= most
            ]
