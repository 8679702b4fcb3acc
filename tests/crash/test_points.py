"""No failpoint is left out: each is of a kind that one scenario must reach, and is killed at wherever it is reached."""

from pathlib import Path

import pytest

from tests.crash.points import OWN, find_moments, kind_of, marked


def trace_of(folder: Path, *points: str) -> Path:
    trace = folder / "trace"
    trace.write_text("".join(f"{point}\n" for point in points))
    return trace


def test_every_failpoint_is_of_a_kind_that_one_scenario_must_reach() -> None:
    kinds = [kind for own in OWN.values() for kind in own]

    assert sorted(kinds) == sorted({kind_of(point) for point in marked()})


def test_a_scenario_that_misses_a_failpoint_of_its_own_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"scrub: \['scrub.saving'\] are not reached"):
        find_moments(trace_of(tmp_path, "scrub.read:1", "upload.named:1"), "scrub")


def test_a_scenario_that_reaches_nothing_fails(tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="are not reached"):
        find_moments(trace_of(tmp_path), "scrub")
    with pytest.raises(AssertionError, match="nothing to kill at"):
        find_moments(trace_of(tmp_path, "scrub.read:1", "scrub.saving:1"), "scrub", kinds={"upload"})


def test_the_moments_are_what_was_reached_as_often_as_it_was(tmp_path: Path) -> None:
    trace = trace_of(tmp_path, "scrub.read:1", "scrub.read:2", "upload.named:1", "scrub.saving:1", "scrub.read:3")

    assert find_moments(trace, "scrub") == ["scrub.read:1", "scrub.saving:1"]
    assert find_moments(trace, "scrub", when="later") == ["scrub.read:2", "scrub.read:3"]
    assert find_moments(trace, "scrub", when="last") == ["scrub.read:3", "scrub.saving:1"]
    assert find_moments(trace, "scrub", kinds={"upload"}) == ["upload.named:1"]
