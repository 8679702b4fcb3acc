"""Metrics of several processes: counted together, whoever is asked, and nothing forgotten of those that are gone."""

import os
from pathlib import Path

import pytest

from media_analysis.retention.pressure.outcome import PressureScope, ReliefOutcome
from media_analysis.telemetry.metrics import Metrics
from media_analysis.telemetry.shared import SharedMetrics, sharing

OTHER = 1


@pytest.fixture
def ours(tmp_path: Path) -> Metrics:
    metrics = Metrics()
    metrics.shared = SharedMetrics(tmp_path)
    return metrics


@pytest.fixture
def theirs(tmp_path: Path) -> Metrics:
    """Those of a process that has not written down anything yet."""
    metrics = Metrics()
    metrics.shared = SharedMetrics(tmp_path)
    return metrics


def write(metrics: Metrics) -> None:
    """Write down the metrics of the other process."""
    assert metrics.shared is not None
    metrics.shared.write(metrics.collect_own())
    (metrics.shared.folder / str(os.getpid())).replace(metrics.shared.folder / str(OTHER))


def answer(metrics: Metrics, *statuses: int) -> None:
    for status in statuses:
        metrics.requests.observe(method="GET", route="/", status=status, seconds=0.02)


def told(metrics: Metrics, name: str) -> list[str]:
    return [line for line in metrics.render().decode().splitlines() if line.startswith(f"{name}{{")]


def test_what_each_counted_is_told_together(ours: Metrics, theirs: Metrics) -> None:
    answer(ours, 200, 200)
    answer(theirs, 200, 404)
    write(theirs)

    assert told(ours, "http_request_seconds_count") == [
        'http_request_seconds_count{method="GET",route="/",status="200"} 3.0',
        'http_request_seconds_count{method="GET",route="/",status="404"} 1.0',
    ]
    assert 'http_request_seconds_bucket{le="0.025",method="GET",route="/",status="200"} 3.0' in told(
        ours, "http_request_seconds_bucket"
    )


def test_what_a_process_counted_stays_when_it_ends_and_what_it_had_does_not(ours: Metrics, theirs: Metrics) -> None:
    ours.set_pool(in_use=1, idle=2)
    theirs.set_pool(in_use=10, idle=20)
    answer(theirs, 200)
    write(theirs)
    living = told(ours, "database_pool_connections")

    assert ours.shared is not None
    ours.shared.mark_ended(OTHER)

    assert living == ['database_pool_connections{state="in_use"} 11.0', 'database_pool_connections{state="idle"} 22.0']
    assert told(ours, "database_pool_connections")[0] == 'database_pool_connections{state="in_use"} 1.0'
    assert told(ours, "http_request_seconds_count")[0].endswith(" 1.0")


def test_what_the_database_says_is_told_once(ours: Metrics, theirs: Metrics) -> None:
    ours.set_waiting_jobs([])
    theirs.set_pauses([])
    write(theirs)

    assert not told(ours, "deletion_paused")


def test_what_pressure_could_not_free_is_told_by_whoever_tried_last(ours: Metrics, theirs: Metrics) -> None:
    disk = PressureScope(None)
    ours.observe_relief(ReliefOutcome(disk, wanted_bytes=5, relieved=False))
    theirs.observe_relief(ReliefOutcome(disk, wanted_bytes=5, freed_bytes=5))
    write(theirs)

    assert told(ours, "pressure_unrelieved") == ['pressure_unrelieved{scope="disk"} 0.0']
    assert told(ours, "pressure_wanted_bytes_total") == ['pressure_wanted_bytes_total{scope="disk"} 10.0']


async def test_what_a_process_counted_is_written_down_at_its_end(tmp_path: Path, ours: Metrics) -> None:
    counting = Metrics()
    async with sharing(counting, tmp_path):
        answer(counting, 200)
    (tmp_path / str(os.getpid())).replace(tmp_path / str(OTHER))

    assert told(ours, "http_request_seconds_count")[0].endswith(" 1.0")


def test_a_folder_that_is_gone_stops_nobody(ours: Metrics, tmp_path: Path) -> None:
    answer(ours, 200)
    tmp_path.rmdir()

    assert ours.shared is not None
    ours.shared.write(ours.collect_own())

    assert told(ours, "http_request_seconds_count")[0].endswith(" 1.0")
