"""`policy apply` dies by kill -9; whoever asks for the same again finishes it."""

import signal
from datetime import timedelta
from pathlib import Path

import pytest

from media_analysis.failpoints import KILL_VARIABLE, TESTING_VARIABLE
from media_analysis.runtime import Runtime
from media_analysis.storage.category import Category
from tests.cli.commands import run
from tests.conftest import StoreFile, fetch
from tests.crash.points import POLICY_KILLS

pytestmark = pytest.mark.crash
LAGGING = "SELECT id FROM media_files WHERE expires_at IS DISTINCT FROM stored_at + $1::interval"


@pytest.mark.parametrize("moment", POLICY_KILLS)
async def test_a_policy_whose_application_was_killed_is_applied_by_asking_again(
    moment: str, runtime: Runtime, store_file: StoreFile, environment: dict[str, str], database: str, tmp_path: Path
) -> None:
    new = tmp_path / "new.yaml"
    new.write_text("storage:\n  retention:\n    frames: 1d\n")
    for number in range(3):
        await store_file(bytes(number), category=Category.FRAMES)

    killed = run("policy", "apply", new, **environment, **{KILL_VARIABLE: moment, TESTING_VARIABLE: "1"})
    lagging = await fetch(database, LAGGING, timedelta(days=1))
    again = run("policy", "apply", new, **environment)

    assert killed.returncode == -signal.SIGKILL
    assert len(lagging) == (0 if moment == "policy.closing:1" else 3)
    assert again.returncode == 0, again.stderr
    assert await fetch(database, LAGGING, timedelta(days=1)) == []
