"""`policy apply` dies by kill -9; whoever asks for the same again finishes it."""

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TESTING_VARIABLE, TRACE_VARIABLE
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import run
from tests.conftest import OpenRuntime, StartOver, fetch, storing
from tests.crash.points import find_moments

pytestmark = pytest.mark.crash
FRAMES = 3
LAGGING = "SELECT id FROM media_files WHERE expires_at IS DISTINCT FROM stored_at + $1::interval"


async def test_a_policy_whose_application_was_killed_is_applied_by_asking_again(
    open_here: OpenRuntime,
    start_over: StartOver,
    environment: dict[str, str],
    database: str,
    subtests: pytest.Subtests,
    tmp_path: Path,
) -> None:
    new, trace = tmp_path / "new.yaml", tmp_path / "trace"
    new.write_text("storage:\n  retention:\n    frames: 1d\n")
    async with open_here() as runtime:
        await _store_frames(runtime)
        run("policy", "apply", new, **environment, **{TRACE_VARIABLE: str(trace), TESTING_VARIABLE: "1"})

    for moment in find_moments(trace, "policy"):
        with subtests.test(moment):
            await start_over()
            async with open_here() as runtime:
                await _store_frames(runtime)
                killed = run("policy", "apply", new, **environment, **{KILL_VARIABLE: moment, TESTING_VARIABLE: "1"})
                lagging = await fetch(database, LAGGING, timedelta(days=1))
                again = run("policy", "apply", new, **environment)

            assert killed.returncode == -signal.SIGKILL
            assert len(lagging) == (0 if moment == "policy.closing:1" else FRAMES)
            assert again.returncode == 0, again.stderr
            assert await fetch(database, LAGGING, timedelta(days=1)) == []


async def _store_frames(runtime: Runtime) -> None:
    for number in range(FRAMES):
        await storing(runtime)(bytes(number), category=Category.FRAMES)
