"""What is said of a running service by what it answers."""

from datetime import UTC, datetime, timedelta

import pytest

from media_analysis.diagnosis.check import CheckFailed
from media_analysis.diagnosis.service import describe_last

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)


def sweep(minutes: int, trigger: str, *, dry_run: bool = False) -> dict[str, object]:
    began = (NOW - timedelta(minutes=minutes)).isoformat()
    return {"start_time": began, "trigger": trigger, "dry_run": dry_run, "status": "completed"}


def test_a_scheduler_that_stands_still_is_not_hidden_by_sweeps_somebody_asked_for() -> None:
    asked_for = [sweep(1, "api", dry_run=True), sweep(2, "cli"), sweep(3, "schedule", dry_run=True)]

    with pytest.raises(CheckFailed, match="last sweep 2026-11-21T10:00:00"):
        describe_last([*asked_for, sweep(120, "schedule")], rehearses=False, now=NOW)

    assert describe_last(asked_for, rehearses=False, now=NOW) is None
    assert describe_last(asked_for, rehearses=True, now=NOW) == "last sweep 2026-11-21T11:57:00 (completed)"
    assert describe_last([*asked_for, sweep(9, "start")], rehearses=False, now=NOW) == (
        "last sweep 2026-11-21T11:51:00 (completed)"
    )
