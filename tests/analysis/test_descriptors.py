"""Nobody closes a descriptor it does not own, as the kernel sees it (promise 45)."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from media_analysis.runtime import Runtime
from tests.cli.commands import clean
from tests.media import clips
from tests.processes import ROOT

JOBS = 4


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_no_descriptor_is_closed_twice_while_jobs_run_beside_uploads(
    runtime: Runtime, environment: dict[str, str], tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    tracing: list[str | Path] = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-Z",
        "-e",
        "trace=close",
        "-e",
        "signal=none",
        "-o",
        trace,
    ]
    program: list[str | Path] = [sys.executable, "-m", "tests.jobs.jobs_beside_uploads", clips.h264(), str(JOBS)]

    ran = subprocess.run(
        [*tracing, *program], cwd=ROOT, env=clean(environment), capture_output=True, text=True, timeout=120, check=False
    )

    assert ran.stdout.count("COMPLETED") == JOBS, ran.stderr
    assert trace.read_text() == ""
