"""`work`: jobs run in a process of their own, and `serve` runs them too."""

import json
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cli.commands import READY_SECONDS, Serving, run, running, serving
from tests.cli.conftest import FirstLife
from tests.media import clips

COMPLETED = 'jobs_ended_total{kind="probe",outcome="completed"} 1.0'


@contextmanager
def work(*arguments: str | Path, printed: Path, **environment: str) -> Iterator[Serving]:
    """Start a worker; whatever became of it, it is over when the block ends."""
    with running("work", *arguments, printed=printed, **environment) as worker:
        yield worker


def probe_over_http(service: Serving, token: str) -> dict[str, Any]:
    """Upload a video, ask for its facts and return the job once it ended."""
    stored = service.request(
        "POST", "/api/v1/files?category=uploads&filename=a.mp4", token=token, content=clips.h264().read_bytes()
    )
    asked = {"name": "n", "kind": "probe", "source_file_ids": [stored.json()["id"]], "parameters": {}}
    created = service.request("POST", "/api/v1/jobs", token=token, json=asked)
    assert created.status_code == 202, created.text
    deadline = time.monotonic() + READY_SECONDS
    while True:
        job: dict[str, Any] = service.request("GET", f"/api/v1/jobs/{created.json()['id']}", token=token).json()
        if job["status"] not in {"pending", "running"}:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.05)


def test_serve_runs_jobs_itself(first_life: FirstLife, data_dir: Path, tmp_path: Path) -> None:
    with serving("--data-dir", data_dir, printed=tmp_path / "printed") as service:
        job = probe_over_http(service, first_life.token)
        exit_code = service.end(signal.SIGTERM)
        lines = [json.loads(line) for line in service.output.splitlines() if line.startswith("{")]

    assert job["status"] == "completed"
    assert exit_code == 0
    assert [line["event"] for line in lines if line["event"].startswith("worker.")] == [
        "worker.started",
        "worker.stopped",
    ]


def test_a_worker_beside_a_service_that_runs_none_does_its_jobs(
    first_life: FirstLife, data_dir: Path, tmp_path: Path
) -> None:
    with (
        serving("--data-dir", data_dir, printed=tmp_path / "serve", WORKER_ENABLED="false") as service,
    ):
        service.url()
        with work("--data-dir", data_dir, "--concurrency", "2", printed=tmp_path / "work") as worker:
            ready = worker.wait_for(r"ready: (\d+) at once of ([\w, ]+), as \S+\n")
            job = probe_over_http(service, first_life.token)
            exit_code = worker.end(signal.SIGINT)
        still_there = service.request("GET", "/readyz", token="unused").status_code

    assert ready.groups() == ("2", "analyze, contact_sheet, frames, preview, probe")
    assert job["status"] == "completed"
    assert (exit_code, still_there) == (0, 200)
    assert "Traceback" not in worker.output
    assert '"worker.started"' not in service.output


def test_a_worker_tells_prometheus_of_its_jobs_alone(first_life: FirstLife, data_dir: Path, tmp_path: Path) -> None:
    with serving("--data-dir", data_dir, printed=tmp_path / "serve", WORKER_ENABLED="false") as service:
        service.url()
        options = ("--data-dir", data_dir, "--metrics-port", "0")
        with work(*options, printed=tmp_path / "work") as worker:
            address = worker.wait_for(r"metrics at (http://127\.0\.0\.1:\d+/metrics)")[1]
            probe_over_http(service, first_life.token)
            deadline = time.monotonic() + READY_SECONDS
            # A job is told to have ended before it is counted.
            while COMPLETED not in (told := httpx.get(address, timeout=READY_SECONDS).text):
                assert time.monotonic() < deadline, told
                time.sleep(0.05)
            taken = run("work", *options[:-1], address.split(":")[2].split("/")[0])
            exit_code = worker.end(signal.SIGTERM)

    assert "storage_" not in told
    assert (taken.returncode, exit_code) == (1, 0)
    assert "metrics cannot be served at 127.0.0.1" in taken.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (
            ["--concurrency", "0"],
            "worker.concurrency (command line) is 0: out of range; allowed: a whole number from 1",
        ),
        (["--kinds", "probe,sorcery"], "there is no kind 'sorcery' of job"),
        (["--kinds", "probe,,frames"], "--kinds is 'probe,,frames'; allowed: kinds separated by commas"),
        (["--kinds", ""], "--kinds is ''; allowed: kinds separated by commas"),
    ],
)
def test_what_makes_no_sense_is_refused_in_a_sentence(arguments: list[str], reason: str, tmp_path: Path) -> None:
    refused = run("work", *arguments, "--data-dir", tmp_path / "var")

    assert refused.returncode == 1
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "var").exists()
